import { generateToken } from 'kuratchi-spaces/server';
import { Chat } from '../Chat.jsx';

export async function loader({ request }) {
  const spaceId = new URL(request.url).searchParams.get('space');
  const spaceToken = await generateToken(spaceId, {
    gatewayKey: process.env.KURATCHI_GATEWAY_KEY,
    userId: 'ada',
  });
  return { spaceId, spaceToken, workerUrl: process.env.KURATCHI_SPACES_WORKER_URL };
}

export default function Room({ loaderData }) {
  return <Chat config={loaderData} />;
}
