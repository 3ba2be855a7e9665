/**
 * What waits in rooms that are not open is sent.
 *
 * A room's messages wait on disk, and are sent by a client of that room. Where an app went on to another room there is none:
 * they would wait until somebody comes back to it. So the clients of a page that know how to get a token for any room
 * (`tokenFor`) have one keeper for each Worker: while the page is online it makes a client of each such room, one after the
 * other, until nothing waits in it. That client asks over HTTP alone, so that nobody sees somebody come and go. The keeper
 * outlives the page's clients until nothing waits that it could send: people leave a chat offline, and stay in the app.
 *
 * Owns which rooms are open in this page, and when others are looked after. Must not know how anything is sent.
 */

import { hasIndexedDb, waitingSpaces } from './outbox-database.js';

/** How often is looked whether something waits, in milliseconds. */
const LOOK_EVERY_MS = 30_000;
/** After a room was left its rows are given up (outbox.js): then it is looked for them. */
const LEFT_MS = 2_000;
/** How long a room may take, and how often is looked whether it is through. */
const ROOM_MS_MAX = 30_000;
const ROOM_LOOK_MS = 250;
/** After so long without anything sent a room is left: what waits there may be another user's. */
const ROOM_STILL_MS = 5_000;
/** How long the app may take for a token. */
const TOKEN_MS_MAX = 10_000;
/** How a token ends. */
const TOKEN_PATTERN = /\.[^.]+\.\d+\.[^.]+$/;
/** Tokens in a sentence. */
const QUOTED_TOKENS_PATTERN = /[^\s.]*\.[^\s.]+\.\d{9,}\.[^\s.]+/g;
/** How much of an app's error is searched for tokens: the time it takes rises with the square of the length. */
const READ_LENGTH_MAX = 2_000;
/** How much of it is repeated. */
const SAID_LENGTH_MAX = 300;
/** How long a room is left alone in which nothing went out: what waits there may be of somebody else. */
const REST_MS = 5 * 60_000;

/** How many clients of this page are in a room, by place. */
const open = new Map();
/** By the Worker's address. */
const keepers = new Map();
/** Workers of which the page was told what waits, or of which it was looked whether something does. */
const warned = new Set();
const lookedAt = new Set();
/** Rooms and kinds of failure of which the page was told that there is no token. */
const toldOf = new Set();

const keyOf = ({ workerUrl, spaceId }) => JSON.stringify([workerUrl, spaceId]);
/** Whether something that waits is of who uses the client: a slow answer is none that does not come. */
const sends = (client) => client.getSnapshot().messages.some(({ status }) => status === 'pending');
/** Whether something waits of which nobody knows who wrote it. */
const asks = (client) => client.getSnapshot().messages.some(({ error }) => error?.code === 'ownerUnknown');
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** What is repeated of an app's error: it may be as long as a page, and hold tokens. */
export function saidOf(error) {
  const text = String(error?.message ?? error).slice(0, READ_LENGTH_MAX);
  return text.replace(QUOTED_TOKENS_PATTERN, '<token>').slice(0, SAID_LENGTH_MAX);
}

/** Tells once of each kind of failure why a room has no token. */
function tellOfToken(means, { workerUrl, spaceId }, kind, what) {
  const key = JSON.stringify([workerUrl, spaceId, kind]);
  // Without a network an app's own request fails, which is nothing to mend; and a room that is open again asks for itself.
  // Nor has an app failed that has taken its function back meanwhile.
  const isNothing = !means.tokenFor || globalThis.navigator?.onLine === false;
  if (isNothing || toldOf.has(key) || open.has(keyOf({ workerUrl, spaceId }))) return;
  toldOf.add(key);
  console.warn(
    `kuratchi-spaces: messages wait in the room '${spaceId}', which is not open: tokenFor('${spaceId}') ${what}. They wait until it ` +
      'gives a token, or the room is opened again.',
  );
}

/**
 * Asks the app for a room's token. Gives it, or nothing where the app gave none.
 *
 * @throws {unknown} What the app threw, or that it did not answer.
 */
async function askForToken(means, place) {
  const tell = (kind, what) => tellOfToken(means, place, kind, what);
  let timer;
  const silence = new Promise((_, reject) => {
    timer = setTimeout(() => {
      const text = `gave no answer within ${TOKEN_MS_MAX / 1_000} s`;
      tell('silence', text);
      reject(new Error(text));
    }, TOKEN_MS_MAX);
  });
  const asked = (async () => means.tokenFor(place.spaceId))().catch((error) => {
    tell('failure', `failed (${saidOf(error)})`);
    throw error;
  });
  const token = await Promise.race([asked, silence]).finally(() => clearTimeout(timer));
  const isToken = typeof token === 'string' && TOKEN_PATTERN.test(token);
  if (isToken) return token;
  tell('nothing', token ? 'gave something that is no token' : 'gave nothing');
  return undefined;
}

/** A client of this room is there: nobody else sees to it. */
export function enterRoom(place) {
  open.set(keyOf(place), (open.get(keyOf(place)) ?? 0) + 1);
  keepers.get(place.workerUrl)?.leave(place.spaceId);
}

/** A client of this Worker got through: others may as well. */
export function gotThrough({ workerUrl }) {
  const keeper = keepers.get(workerUrl);
  if (keeper) keeper.hasten();
  else if (!lookedAt.has(workerUrl)) warn(workerUrl);
  lookedAt.add(workerUrl);
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
  else if (leavesSomething && others === 0) warn(place.workerUrl);
}

/** A room may be opened again at once, as it is where a component moves, and sent meanwhile: then there is nothing to say. */
async function warn(workerUrl) {
  // In a server nothing is left behind, and no program is kept alive for looking.
  if (!hasIndexedDb()) return;
  await sleep(LEFT_MS);
  const waiting = await waitingSpaces({ workerUrl }).catch(() => []);
  const left = waiting.find(({ spaceId }) => !open.has(keyOf({ workerUrl, spaceId })));
  if (!left || warned.has(workerUrl) || keepers.has(workerUrl)) return;
  warned.add(workerUrl);
  console.warn(
    `kuratchi-spaces: messages wait in the room '${left.spaceId}', which was left before they could be sent. They leave when it is ` +
      'opened again, or before that if client() is given `tokenFor(spaceId)`.',
  );
}

/**
 * Has rooms of a Worker looked after. The newest `tokenFor` counts.
 *
 * @param {string} workerUrl As {@link placeOf} spells it.
 * @param {object} means
 * @param {(spaceId: string) => unknown} [means.tokenFor] Nothing for a room that is not to be looked after. It may go.
 * @param {(spaceId: string, spaceToken: () => unknown) => object} means.makeClient
 * @returns {() => void} The client is gone. What waits then is still looked after, as the last one said.
 */
export function keepRooms(workerUrl, means) {
  const keeper = keepers.get(workerUrl) ?? new Keeper(workerUrl);
  keepers.set(workerUrl, keeper);
  keeper.use(means);
  return () => keeper.retire(means);
}

class Keeper {
  /** Those of the clients that are there, and the last one's when there are none any more. */
  #means = [];
  #isRetired = false;
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

  use(means) {
    this.#means = [...(this.#isRetired ? [] : this.#means), means];
    this.#isRetired = false;
    this.lookIn(0);
  }

  retire(means) {
    const others = this.#means.filter((other) => other !== means);
    this.#isRetired = others.length === 0;
    this.#means = this.#isRetired ? [means] : others;
    // An app that has taken its function back is not asked any more; others of a later client may come.
    if (this.#isRetired && !means.tokenFor) this.#end();
    else this.lookIn(LEFT_MS);
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

  #end() {
    this.#isOver = true;
    keepers.delete(this.#workerUrl);
    clearTimeout(this.#timer);
    this.#current?.client.close();
    globalThis.removeEventListener?.('online', this.#whenOnline);
  }

  /** Whether a room may still be left with something in it. */
  #hasOpenRoom() {
    return [...open.keys()].some((key) => JSON.parse(key)[0] === this.#workerUrl);
  }

  async #look() {
    if (this.#isOver) return;
    if (this.#isLooking) {
      this.#isDueAgain = true;
      return;
    }
    this.#isLooking = true;
    this.#isDueAgain = false;
    let waits = false;
    try {
      for (const { spaceId } of await waitingSpaces({ workerUrl: this.#workerUrl })) {
        waits = (await this.#see(spaceId)) || waits;
      }
    } catch {
      // Without a database nothing waits for long.
    }
    this.#isLooking = false;
    if (this.#isOver) return;
    if (this.#isDueAgain) this.lookIn(0);
    else if (waits || !this.#isRetired || this.#hasOpenRoom()) this.lookIn(LOOK_EVERY_MS);
    else this.#end();
  }

  /** Has what waits in a room sent. Tells whether something may still be sent that waits there. */
  async #see(spaceId) {
    const isOpen = () => open.has(keyOf({ workerUrl: this.#workerUrl, spaceId }));
    const means = this.#means.filter(({ tokenFor }) => tokenFor).at(-1);
    if (!means || this.#isOver || isOpen() || this.#restUntil.get(spaceId) > Date.now()) return false;
    const place = { workerUrl: this.#workerUrl, spaceId };
    const before = await this.#count(spaceId);
    let left = before;
    let isThrough = false;
    let isOnItsWay = false;
    try {
      // An app may not want a room looked after, or have no token for it any more.
      let token = await askForToken(means, place);
      if (token) {
        if (isOpen() || this.#isOver) return false;
        const source = () => {
          const first = token;
          token = undefined;
          return first ?? means.tokenFor?.(spaceId);
        };
        const client = means.makeClient(spaceId, source);
        this.#current = { spaceId, client };
        // It gives tokens, and none that serves: somebody else may have signed in elsewhere. Other rooms have their turn.
        client.on('error', (error) => {
          if (error.code !== 'tokenUnavailable' || client.isConnected()) return;
          tellOfToken(means, place, 'failure', `failed (${saidOf(error)})`);
          client.close();
        });
        await client.connect({ timeoutMs: ROOM_MS_MAX });
        left = await this.#untilThrough(spaceId, client);
        isOnItsWay = sends(client);
        if (asks(client)) this.#tellOfNobodys(spaceId);
      }
      isThrough = true;
    } catch {
      // It is tried again; whoever opens the room is told why it does not work.
    }
    this.#current?.client.close();
    this.#current = undefined;
    const rests = isThrough && left >= before && !isOnItsWay;
    if (rests) this.#restUntil.set(spaceId, Date.now() + REST_MS);
    return left > 0 && !rests;
  }

  /** Waits until the room's client has sent all, or its time is over. Gives how many messages wait then. */
  async #untilThrough(spaceId, client) {
    let left = await this.#count(spaceId);
    let stillMs = 0;
    for (let ms = ROOM_MS_MAX; ms > 0 && left > 0 && stillMs < ROOM_STILL_MS; ms -= ROOM_LOOK_MS) {
      if (client.getSnapshot().state === 'idle') break;
      await sleep(ROOM_LOOK_MS);
      const before = left;
      left = await this.#count(spaceId);
      stillMs = left < before || sends(client) ? 0 : stillMs + ROOM_LOOK_MS;
    }
    return left;
  }

  #tellOfNobodys(spaceId) {
    const key = JSON.stringify([this.#workerUrl, spaceId, 'nobodys']);
    if (toldOf.has(key)) return;
    toldOf.add(key);
    console.warn(
      `kuratchi-spaces: messages wait in the room '${spaceId}' that were written before anybody was signed in (ownerUnknown). They are ` +
        'shown as failed where the room is opened, and leave by retry().',
    );
  }

  async #count(spaceId) {
    const waiting = await waitingSpaces({ workerUrl: this.#workerUrl, spaceId });
    return waiting[0]?.count ?? 0;
  }
}
