/**
 * The list of conversations, which is a space as well: each message in it names one. Agents see new ones live, and it
 * outlives this server.
 *
 * Owns that each conversation is listed. What is said in them it does not see.
 */
import { client, generateToken } from 'kuratchi-spaces';
import { Refusal } from '../../shared/json-api.mjs';
import { PerAddress } from './per-address.mjs';

/** The space that agents watch. */
export const DESK = 'support-desk';

/** The client's own bound. A conversation that is older is listed again when its visitor comes back. */
const LISTED_MAX = 1_000;

/** Conversations that wait to be listed: so many visitors come before the first of them is. */
const WAITING_MAX = 5_000;
const RETRY_MS = 1_000;

/**
 * New conversations of one address: few enough that it does not bury the others. An app with a database of its own lists a
 * conversation when its first message is there.
 */
const NEW = { max: 30, ms: 10 * 60_000 };

export class Desk {
  #config;
  #listed;
  #waiting = [];
  #isListing = false;
  #new = new PerAddress(NEW);

  constructor({ gatewayKey, workerUrl }) {
    const claims = { gatewayKey, userId: 'desk', caps: ['system'] };
    this.#config = { spaceId: DESK, workerUrl, spaceToken: () => generateToken(DESK, claims) };
  }

  /**
   * Lists a conversation, once. Nobody waits for it: many visitors at once are listed as fast as the space takes it.
   *
   * @param {string} spaceId
   * @param {string | undefined} address Whose it is.
   * @throws {Refusal} While the Worker cannot be asked, too many wait, or that address has too many new ones.
   */
  async list(spaceId, address) {
    this.#listed ??= this.#load();
    let listed;
    try {
      listed = await this.#listed;
    } catch (error) {
      // Read anew at the next visit.
      this.#listed = undefined;
      console.error('the list of conversations could not be read:', error.message);
      throw new Refusal(503, 'The chat can not be reached at the moment. Try again in a minute.');
    }
    if (listed.has(spaceId)) return;
    if (this.#waiting.length >= WAITING_MAX || this.#new.isOver(address)) {
      throw new Refusal(503, `Too many people come at once. Try again in ${NEW.ms / 60_000} minutes.`);
    }
    this.#new.count(address);
    listed.add(spaceId);
    this.#waiting.push(spaceId);
    this.#listWaiting();
  }

  async #listWaiting() {
    if (this.#isListing) return;
    this.#isListing = true;
    while (this.#waiting.length > 0) {
      const entry = { senderId: 'desk', senderType: 'system', text: this.#waiting[0] };
      try {
        await this.#ask((space) => space.sendMessage(entry));
        this.#waiting.shift();
      } catch (error) {
        await new Promise((resolve) => setTimeout(resolve, error.retryAfterMs ?? RETRY_MS).unref());
      }
    }
    this.#isListing = false;
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
