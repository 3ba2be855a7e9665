/**
 * `npm run example:react`, `npm run example:svelte`: sets up what is missing, builds, and serves an app of
 * `examples-web` and a Worker of its own until Ctrl-C.
 *
 * Owns the order, the addresses and where each example keeps its data.
 */
import { join } from 'node:path';
import { LOCAL_DATA, WORKER } from './lib/paths.mjs';
import { runMain, seconds, UserError } from './lib/process.mjs';
import { claimData, onStop, portFrom } from './lib/serving.mjs';
import { setUp } from './lib/setup.mjs';

const EXAMPLES = {
  react: {
    title: 'The team room',
    workerPort: 8791,
    pagePort: 3001,
    words: ({ url }) => `  Team room  ${url}

Open it in two windows, choose two names and the same team, and talk.`,
  },
  svelte: {
    title: 'The support widget',
    workerPort: 8795,
    pagePort: 3002,
    words: ({ url, agentPassword }) => `  Shop       ${url}
  Agents     ${url}/agent
  Password   ${agentPassword}

Ask something in the shop, and answer it in another window.`,
  },
};

runMain(async () => {
  const started = Date.now();
  const [name] = process.argv.slice(2);
  const example = Object.hasOwn(EXAMPLES, name ?? '') ? EXAMPLES[name] : undefined;
  if (!example) {
    throw new UserError(`No example is called ${name}; there are: ${Object.keys(EXAMPLES).join(', ')}.`);
  }
  console.log(`Setting up ${example.title[0].toLowerCase()}${example.title.slice(1)}`);
  await setUp({ modules: true, wasm: true, bindgen: true, client: true, worker: true });

  // Only now: Miniflare is a Node module.
  const { freePort, keptGatewayKey, newGatewayKey, keepBackend } = await import('./lib/backend.mjs');
  const { serveExample } = await import('./lib/example.mjs');

  const data = join(LOCAL_DATA, `example-${name}`);
  claimData(data, example.title);
  const gatewayKey = keptGatewayKey(data);
  const agentPassword = process.env.AGENT_PASSWORD ?? newGatewayKey().slice(0, 12);
  process.env.AGENT_PASSWORD = agentPassword;
  const options = {
    workerDir: WORKER,
    port: await freePort(portFrom('WORKER_PORT', example.workerPort)),
    persistDir: data,
    gatewayKey,
    log: (line) => console.log(`[worker] ${line}`),
  };
  const backend = await keepBackend(options, (text) => console.log(text));
  const page = await serveExample(name, {
    port: await freePort(portFrom('PORT', example.pagePort)),
    workerUrl: backend.url,
    gatewayKey,
  });
  onStop(() => Promise.allSettled([page.close(), backend.stop()]));

  console.log(`
Ready after ${seconds(Date.now() - started)}

${example.words({ url: page.url, agentPassword })} Ctrl-C stops.
`);
  await backend.failed;
});
