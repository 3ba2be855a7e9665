import { client, generateToken } from 'kuratchi-spaces';

/** A message of the server's own: the client itself runs there. */
export async function POST(request) {
  const { spaceId, text } = await request.json();
  const gatewayKey = process.env.KURATCHI_GATEWAY_KEY;
  const spaceToken = await generateToken(spaceId, { gatewayKey, userId: 'server' });
  const space = client({ spaceId, spaceToken, workerUrl: process.env.KURATCHI_SPACES_WORKER_URL });
  try {
    const message = await space.sendMessage({ senderId: 'server', senderType: 'user', text });
    return Response.json({ text: message.text });
  } finally {
    space.close();
  }
}
