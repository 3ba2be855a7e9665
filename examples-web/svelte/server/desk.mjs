/**
 * The list of conversations, which is a space as well: each message in it names one. Agents see new ones live, and it
 * outlives this server.
 *
 * Owns that each conversation is listed. What is said in them it does not see.
 */
import { client, generateToken } from 'kuratchi-spaces';

/** The space that agents watch. */
export const DESK = 'support-desk';

/** The client's own bound. A conversation that is older is listed again when its visitor comes back. */
const LISTED_MAX = 1_000;

export class Desk {
  #config;
  #listed;

  constructor({ gatewayKey, workerUrl }) {
    const claims = { gatewayKey, userId: 'desk', caps: ['system'] };
    this.#config = { spaceId: DESK, workerUrl, spaceToken: () => generateToken(DESK, claims) };
  }

  /** Lists a conversation, once. */
  async list(spaceId) {
    this.#listed ??= this.#load();
    try {
      const listed = await this.#listed;
      if (listed.has(spaceId)) return;
      listed.add(spaceId);
      const entry = { senderId: 'desk', senderType: 'system', text: spaceId };
      await this.#ask((space) => space.sendMessage(entry));
    } catch (error) {
      // What is listed is read anew at the next visit.
      this.#listed = undefined;
      throw error;
    }
  }

  async #load() {
    const messages = await this.#ask((space) => space.getMessages({ limit: LISTED_MAX }));
    return new Set(messages.map(({ text }) => text));
  }

  /** One request, by a client that never connects and is closed afterwards: nothing keeps the process alive. */
  async #ask(request) {
    const space = client(this.#config);
    try {
      return await request(space);
    } finally {
      space.close();
    }
  }
}
