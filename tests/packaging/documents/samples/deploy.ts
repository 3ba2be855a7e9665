import * as spaces from 'kuratchi-sdk/spaces';

const result = await spaces.deploy({
  accountId: process.env.CLOUDFLARE_ACCOUNT_ID,
  apiToken: process.env.CLOUDFLARE_API_TOKEN,
  gatewayKey: process.env.KURATCHI_GATEWAY_KEY
});

console.log('Worker URL:', result.workerUrl);
