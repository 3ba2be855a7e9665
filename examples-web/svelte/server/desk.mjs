/**
 * The list of conversations, which is a space as well: each message in it names one, and when its customer wrote last. Agents
 * see it live, and it outlives this server.
 *
 * Owns what is listed: conversations in which a customer has written. That is looked up in the conversation itself; who
 * says so is not believed.
 */
import { client, generateToken } from 'kuratchi-spaces';
import { Refusal } from '../../shared/json-api.mjs';
import { entryText, LISTED_MAX, readEntry } from '../src/listing.js';
import { PerAddress } from './per-address.mjs';

/** The space that agents watch. */
export const DESK = 'support-desk';

/** The customer's last message is among these, unless agents wrote so many at once. */
const LOOKED_AT = 50;

/** Conversations that wait to be looked up, and who said so. */
const WAITING_MAX = 5_000;
const RETRY_MS = 1_000;

/** Visitors that are known to have come, the last ones. */
const VISITED_MAX = 10_000;

/** New visitors of one address, and new conversations: few enough that it does not bury the others. */
const NEW = { max: 30, ms: 10 * 60_000 };
/** Each has the server ask the Worker. */
const TOLD = { max: 300, ms: 10 * 60_000 };

const TOO_MANY = `Too many people come at once. Try again in ${NEW.ms / 60_000} minutes.`;

export class Desk {
  #gatewayKey;
  #workerUrl;
  /** The promise of what is listed, in the order of the space: `{ id, at }` by conversation. */
  #listed;
  #waiting = new Map();
  #isListing = false;
  #visited = new Set();
  #visits = new PerAddress(NEW);
  #new = new PerAddress(NEW);
  #told = new PerAddress(TOLD);

  constructor({ gatewayKey, workerUrl }) {
    this.#gatewayKey = gatewayKey;
    this.#workerUrl = workerUrl;
  }

  /**
   * Lets a visitor in. Nothing is listed for it.
   *
   * @param {string} spaceId
   * @param {string | undefined} address Whose it is.
   * @throws {Refusal} While the Worker cannot be asked, or that address has too many new ones.
   */
  async visit(spaceId, address) {
    const listed = await this.#listedOrRefusal();
    if (listed.has(spaceId) || this.#visited.has(spaceId)) return;
    if (this.#visits.isOver(address)) throw new Refusal(503, TOO_MANY);
    this.#visits.count(address);
    this.#visited.add(spaceId);
    if (this.#visited.size > VISITED_MAX) this.#visited.delete(this.#visited.values().next().value);
  }

  /**
   * Hears that something was written in a conversation, and looks. Nobody waits for it: many at once are listed as fast as
   * the spaces take it.
   *
   * @param {string} spaceId The conversation of the visitor who says so.
   * @param {string | undefined} address Theirs.
   * @throws {Refusal} While the Worker cannot be asked, too many wait, or that address says too much.
   */
  async hear(spaceId, address) {
    if (this.#told.isOver(address)) throw new Refusal(429, TOO_MANY);
    this.#told.count(address);
    // Looking makes a space of any name that there is none of: no more of them than visits.
    await this.visit(spaceId, address);
    const listed = await this.#listedOrRefusal();
    if (this.#waiting.has(spaceId)) return;
    const isNew = !listed.has(spaceId);
    if (this.#waiting.size >= WAITING_MAX || (isNew && this.#new.isOver(address))) {
      throw new Refusal(429, TOO_MANY);
    }
    this.#waiting.set(spaceId, { address, isNew });
    if (isNew) this.#new.count(address);
    this.#listWaiting(listed);
  }

  async #listWaiting(listed) {
    if (this.#isListing) return;
    this.#isListing = true;
    for (const [spaceId, said] of this.#waiting) {
      // Whoever writes from here on is looked up once more.
      this.#waiting.delete(spaceId);
      try {
        const isListed = await this.#list(spaceId, listed);
        // Only what was written is paid for: others of that network have their share.
        if (said.isNew && !isListed) this.#new.takeBack(said.address);
      } catch {
        // The others come first.
        this.#waiting.set(spaceId, said);
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS).unref());
      }
    }
    this.#isListing = false;
  }

  /** Sees that the list says when the customer wrote last. Tells whether it does, which is not so where nothing was written. */
  async #list(spaceId, listed) {
    const messages = await this.#ask(spaceId, (space) => space.getMessages({ limit: LOOKED_AT }));
    const at = messages.findLast(({ senderType }) => senderType === 'user')?.createdAt;
    const before = listed.get(spaceId);
    if (at === undefined) return false;
    if (before?.at >= at) return true;
    const text = entryText(spaceId, at);
    if (before && (await this.#edit(before.id, text))) {
      before.at = at;
      return true;
    }
    listed.delete(spaceId);
    const entry = { senderId: 'desk', senderType: 'system', text };
    const { id } = await this.#ask(DESK, (space) => space.sendMessage(entry));
    listed.set(spaceId, { id, at });
    // One that falls out is written anew when its customer writes.
    if (listed.size > LISTED_MAX) listed.delete(listed.keys().next().value);
    return true;
  }

  /** Whether the entry could be edited: an old one may be gone, as the Worker's RETENTION_DAYS says. */
  async #edit(id, text) {
    try {
      await this.#ask(DESK, (space) => space.editMessage(id, { text }));
      return true;
    } catch (error) {
      if (error.code === 'notFound') return false;
      throw error;
    }
  }

  async #listedOrRefusal() {
    this.#listed ??= this.#load();
    try {
      return await this.#listed;
    } catch (error) {
      // Read anew the next time.
      this.#listed = undefined;
      console.error('the list of conversations could not be read:', error.message);
      throw new Refusal(503, 'The chat can not be reached at the moment. Try again in a minute.');
    }
  }

  async #load() {
    const listed = new Map();
    for (const message of await this.#ask(DESK, (space) => space.getMessages({ limit: LISTED_MAX }))) {
      const entry = readEntry(message);
      if (entry) listed.set(entry.spaceId, { id: message.id, at: entry.at });
    }
    return listed;
  }

  /** One request, by a client that never connects and is closed afterwards: nothing keeps the process alive. */
  async #ask(spaceId, request) {
    const claims = { gatewayKey: this.#gatewayKey, userId: 'desk', caps: ['system'] };
    const spaceToken = () => generateToken(spaceId, claims);
    const space = client({ spaceId, workerUrl: this.#workerUrl, spaceToken });
    try {
      return await request(space);
    } finally {
      space.close();
    }
  }
}
