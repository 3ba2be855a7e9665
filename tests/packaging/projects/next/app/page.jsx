import { generateToken } from 'kuratchi-spaces/server';
import { Chat } from './chat';

export default async function Page({ searchParams }) {
  const { space: spaceId } = await searchParams;
  const spaceToken = await generateToken(spaceId, {
    gatewayKey: process.env.KURATCHI_GATEWAY_KEY,
    userId: 'ada',
  });
  return <Chat config={{ spaceId, spaceToken, workerUrl: process.env.KURATCHI_SPACES_WORKER_URL }} />;
}
