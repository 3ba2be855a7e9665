import { generateToken } from 'kuratchi-sdk/spaces';

/** What the document's component asks for; the address of its page says which space. */
export async function GET(request) {
  const spaceId = new URL(request.headers.get('referer')).searchParams.get('space');
  const spaceToken = await generateToken(spaceId, { gatewayKey: process.env.KURATCHI_GATEWAY_KEY });
  return Response.json({ spaceId, spaceToken, workerUrl: process.env.KURATCHI_SPACES_WORKER_URL });
}
