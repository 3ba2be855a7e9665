/**
 * Asks the page's own server for a session: who we are, where to go, and a token to get in.
 *
 * Owns the request. Knows nothing about the chat.
 */

/** Why there is no session; `field` names the input to mend, if it is one. */
export class SessionProblem extends Error {
  /**
   * @param {string} message For the visitor.
   * @param {'name' | 'space'} [field]
   */
  constructor(message, field) {
    super(message);
    this.field = field;
  }
}

/**
 * @param {{ name: string, space: string }} visit
 * @returns {Promise<{ spaceId: string, spaceToken: string, workerUrl: string, userId: string, name: string }>}
 * @throws {SessionProblem}
 */
export async function openSession({ name, space }) {
  const query = new URLSearchParams({ name, space });
  let response;
  let answer;
  try {
    response = await fetch(`/api/chat/init?${query}`, { method: 'POST' });
    answer = await response.json();
  } catch {
    throw new SessionProblem('The server can not be reached. Is it running?');
  }
  if (!response.ok) throw new SessionProblem(answer.error, answer.field);
  return answer;
}

/**
 * A token function for the client: the session's own token first, a fresh one whenever it asks again.
 *
 * @param {{ name: string, spaceId: string, spaceToken: string }} session
 * @returns {() => Promise<string>}
 */
export function tokenSource({ name, spaceId, spaceToken }) {
  let unused = spaceToken;
  return async () => {
    const token = unused ?? (await openSession({ name, space: spaceId })).spaceToken;
    unused = undefined;
    return token;
  };
}
