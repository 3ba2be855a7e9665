/**
 * What waits in rooms that are not open is sent.
 *
 * A room's messages wait on disk, and are sent by a client of that room. Where an app went on to another room there is none:
 * they would wait until somebody comes back to it. So the clients of a page that know how to get a token for any room
 * (`tokenFor`) have one keeper for each Worker: while the page is online it makes a client of each such room, one after the
 * other, until nothing waits in it. That client asks over HTTP alone, so that nobody sees somebody come and go.
 *
 * Owns which rooms are open in this page, and when others are looked after. Must not know how anything is sent.
 */

import { waitingSpaces } from './outbox-database.js';

/** How often is looked whether something waits, in milliseconds. */
const LOOK_EVERY_MS = 30_000;
/** After a room was left its rows are given up (outbox.js): then it is looked for them. */
const LEFT_MS = 2_000;
/** How long a room may take, and how often is looked whether it is through. */
const ROOM_MS_MAX = 30_000;
const ROOM_LOOK_MS = 250;
/** How long the app may take for a token. */
const TOKEN_MS_MAX = 10_000;
/** How long a room is left alone in which nothing went out: what waits there may be of somebody else. */
const REST_MS = 5 * 60_000;

/** How many clients of this page are in a room, by place. */
const open = new Map();
/** By the Worker's address. */
const keepers = new Map();
let hasWarned = false;

const keyOf = ({ workerUrl, spaceId }) => JSON.stringify([workerUrl, spaceId]);
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** What a promise gives, or a rejection after `ms`. */
function within(ms, promise) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('no answer in time')), ms);
    Promise.resolve(promise)
      .then(resolve, reject)
      .finally(() => clearTimeout(timer));
  });
}

/** A client of this room is there: nobody else sees to it. */
export function enterRoom(place) {
  open.set(keyOf(place), (open.get(keyOf(place)) ?? 0) + 1);
  keepers.get(place.workerUrl)?.leave(place.spaceId);
}

/** A client of this Worker got through: others may as well. */
export function gotThrough({ workerUrl }) {
  keepers.get(workerUrl)?.hasten();
}

/**
 * A client of this room is gone.
 *
 * @param {{ workerUrl: string, spaceId: string }} place
 * @param {boolean} leavesSomething Whether something waits in it.
 */
export function leaveRoom(place, leavesSomething) {
  const others = (open.get(keyOf(place)) ?? 1) - 1;
  if (others > 0) open.set(keyOf(place), others);
  else open.delete(keyOf(place));
  const keeper = keepers.get(place.workerUrl);
  if (keeper) keeper.lookIn(LEFT_MS);
  else if (leavesSomething && others === 0) warn(place);
}

/** A room may be opened again at once, as it is where a component moves, and sent meanwhile: then there is nothing to say. */
async function warn({ workerUrl, spaceId }) {
  const place = { workerUrl, spaceId };
  await sleep(LEFT_MS);
  const waiting = await waitingSpaces({ workerUrl }).catch(() => []);
  const waits = waiting.some((space) => space.spaceId === spaceId);
  if (hasWarned || !waits || open.has(keyOf(place)) || keepers.has(workerUrl)) return;
  hasWarned = true;
  console.warn(
    `kuratchi-spaces: messages wait in the room '${place.spaceId}', which was left before they could be sent. They leave when it is ` +
      'opened again, or before that if client() is given `tokenFor(spaceId)`.',
  );
}

/**
 * Has rooms of a Worker looked after. The newest `tokenFor` counts.
 *
 * @param {string} workerUrl As {@link placeOf} spells it.
 * @param {object} means
 * @param {(spaceId: string) => unknown} means.tokenFor Nothing for a room that is not to be looked after.
 * @param {(spaceId: string, spaceToken: () => unknown) => object} means.makeClient
 * @returns {() => void} Ends it.
 */
export function keepRooms(workerUrl, means) {
  const keeper = keepers.get(workerUrl) ?? new Keeper(workerUrl);
  keepers.set(workerUrl, keeper);
  keeper.means.push(means);
  keeper.lookIn(0);
  return () => {
    keeper.means = keeper.means.filter((other) => other !== means);
    if (keeper.means.length > 0) return;
    keeper.end();
    keepers.delete(workerUrl);
  };
}

class Keeper {
  means = [];
  #workerUrl;
  #timer;
  #isLooking = false;
  /** Whether it was time to look while it did. */
  #isDueAgain = false;
  #isOver = false;
  /** When rooms are looked after again in which nothing went out. */
  #restUntil = new Map();
  /** The room that is looked after, and its client. */
  #current;
  #whenOnline = () => this.hasten();

  constructor(workerUrl) {
    this.#workerUrl = workerUrl;
    globalThis.addEventListener?.('online', this.#whenOnline);
  }

  /** What kept messages waiting may be over. */
  hasten() {
    this.#restUntil.clear();
    this.lookIn(0);
  }

  /** Somebody is in this room again, and sees to it. */
  leave(spaceId) {
    if (this.#current?.spaceId === spaceId) this.#current.client.close();
  }

  lookIn(ms) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#look(), ms);
    this.#timer.unref?.();
  }

  end() {
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#current?.client.close();
    globalThis.removeEventListener?.('online', this.#whenOnline);
  }

  async #look() {
    if (this.#isOver) return;
    if (this.#isLooking) {
      this.#isDueAgain = true;
      return;
    }
    this.#isLooking = true;
    this.#isDueAgain = false;
    try {
      for (const { spaceId } of await waitingSpaces({ workerUrl: this.#workerUrl })) await this.#see(spaceId);
    } catch {
      // Without a database nothing waits for long.
    } finally {
      this.#isLooking = false;
      if (!this.#isOver) this.lookIn(this.#isDueAgain ? 0 : LOOK_EVERY_MS);
    }
  }

  async #see(spaceId) {
    const isOpen = open.has(keyOf({ workerUrl: this.#workerUrl, spaceId }));
    if (this.#isOver || isOpen || this.#restUntil.get(spaceId) > Date.now()) return;
    const { tokenFor, makeClient } = this.means.at(-1);
    const before = await this.#count(spaceId);
    let isThrough = false;
    try {
      // An app may not want a room looked after, or have no token for it any more.
      if (!(await within(TOKEN_MS_MAX, tokenFor(spaceId)))) throw new Error('no token');
      if (this.#isOver || open.has(keyOf({ workerUrl: this.#workerUrl, spaceId }))) return;
      const client = makeClient(spaceId, () => tokenFor(spaceId));
      this.#current = { spaceId, client };
      await client.connect({ timeoutMs: ROOM_MS_MAX });
      isThrough = true;
      for (let left = ROOM_MS_MAX; left > 0 && (await this.#count(spaceId)) > 0; left -= ROOM_LOOK_MS) {
        if (client.getSnapshot().state === 'idle') break;
        await sleep(ROOM_LOOK_MS);
      }
    } catch {
      // It is tried again; whoever opens the room is told why it does not work.
    }
    this.#current?.client.close();
    this.#current = undefined;
    if (isThrough && (await this.#count(spaceId)) >= before)
      this.#restUntil.set(spaceId, Date.now() + REST_MS);
  }

  async #count(spaceId) {
    const waiting = await waitingSpaces({ workerUrl: this.#workerUrl, spaceId });
    return waiting[0]?.count ?? 0;
  }
}
