import * as spaces from 'kuratchi-sdk/spaces';

// In your API route or server action
export async function createChatSession(userId: string) {
  const spaceId = `support-${userId}-${Date.now()}`;
  
  // Generate a secure token (expires in 1 hour by default)
  const spaceToken = await spaces.generateToken(spaceId, {
    gatewayKey: process.env.KURATCHI_GATEWAY_KEY!
  });
  
  return {
    spaceId,
    spaceToken,
    workerUrl: process.env.KURATCHI_SPACES_WORKER_URL!
  };
}
