import { generateToken } from 'kuratchi-spaces/server';
import { env } from '$env/dynamic/private';

export async function load({ url }) {
  const spaceId = url.searchParams.get('space');
  const spaceToken = await generateToken(spaceId, { gatewayKey: env.KURATCHI_GATEWAY_KEY, userId: 'ada' });
  return { config: { spaceId, spaceToken, workerUrl: env.KURATCHI_SPACES_WORKER_URL } };
}
