/** Sessions, as the shop's server gives them. */
import { ask } from '../../shared/ask.js';

/** The visitor's own conversation: `{ spaceId, spaceToken, workerUrl, userId }`. */
export function openVisit() {
  return ask('/api/visit', {});
}

/** Tells the shop's server that this visitor has written something: agents have it in their list then. */
export function tellWritten({ spaceId, spaceToken }) {
  return ask('/api/written', { spaceId, spaceToken }, { outlivesPage: true });
}

/** Whether an agent is signed in here. */
export async function isSignedIn() {
  return (await ask('/api/agent/who', {})).agent !== undefined;
}

/** An agent's way into a conversation, or to the desk. */
export function openAgentSession(spaceId) {
  return ask('/api/agent/session', { spaceId });
}

/**
 * The config of a client: the session's own token first, and a fresh one whenever it is asked for again.
 *
 * @param {{ spaceId: string, spaceToken: string, workerUrl: string, userId: string }} session
 * @param {() => Promise<{ spaceToken: string }>} open
 */
export function configOf({ spaceId, spaceToken, workerUrl, userId }, open) {
  let unused = spaceToken;
  return {
    spaceId,
    userId,
    workerUrl,
    async spaceToken() {
      const token = unused ?? (await open()).spaceToken;
      unused = undefined;
      return token;
    },
  };
}
