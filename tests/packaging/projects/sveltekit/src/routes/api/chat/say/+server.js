import { json } from '@sveltejs/kit';
import { client, generateToken } from 'kuratchi-spaces';
import { env } from '$env/dynamic/private';

/** A message of the server's own: the client itself runs there. */
export async function POST({ request }) {
  const { spaceId, text } = await request.json();
  const spaceToken = await generateToken(spaceId, { gatewayKey: env.KURATCHI_GATEWAY_KEY, userId: 'server' });
  const space = client({ spaceId, spaceToken, workerUrl: env.KURATCHI_SPACES_WORKER_URL });
  try {
    const message = await space.sendMessage({ senderId: 'server', senderType: 'user', text });
    return json({ text: message.text });
  } finally {
    space.close();
  }
}
