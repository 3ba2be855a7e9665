/**
 * Lanes: which part of the outbox on disk is whose.
 *
 * A lane is a queue of its own with a random name. A tab writes to one lane, and nobody sends from a lane without
 * its Web Lock: the browser gives the lock up when the tab dies, never while it lives, frozen or not. So a lane
 * has one sender at most, and none waits for a tab that sleeps. Owns the locks, the tab's memory of its lanes, and which
 * client of a page has which of them. Must not know what lanes hold.
 *
 * Clients of one space in one page each have a place in the tab's memory, in the order in which they came; who goes leaves
 * its place to the next. So a client finds what it wrote after a reload, and a view what it left. Another client of the page
 * may have taken that over meanwhile, or the client of a view that is gone may still be there: they are asked for it.
 *
 * Without Web Locks (a page that is no secure context) a lane is its tab's alone: only the clients of the page keep each other out,
 * and learn of each other what is free. Locks that are
 * refused, or do not answer whether one is free (a browser that lost track of them, a page that is being prerendered), count
 * as none.
 */

import { randomId, recall, remember } from './tab-memory.js';

const NAME = 'lane';
/** How long an answer may take whether a lock is free, in milliseconds. */
const ANSWER_MS_MAX = 2_000;
/** How long another client of the page may take to give a lane up, in milliseconds. */
const HANDOVER_MS_MAX = 1_000;
/** After which time a client knows that it was given a lane, in milliseconds. */
const GRANTED_MS = 50;
/** How often a lane is asked for that one after the other lined up for. */
const TAKEN_BACK_TIMES = 3;
/** The lanes of this page's clients. */
const ofThisPage = /* @__PURE__ */ new Set();

/** The environment's lock manager, if there is one. */
export function lockManager() {
  try {
    return globalThis.navigator?.locks;
  } catch {
    return undefined;
  }
}

/** The lanes of one space on one Worker, as one client sees them. */
export class Lanes {
  #place;
  #manager;
  /** How to give a lane's lock back, by lane. */
  #held = new Map();
  /** How to stop waiting for a lane's lock, by lane. */
  #waiting = new Map();
  /** Those of all clients of the page. */
  #page;
  /** Our place in the tab's memory, while we have one. */
  #slot;
  /** The lane that is our own. */
  #own;
  /** Whether the view of the client is gone. */
  #isGone = false;
  /** The lanes that it had when it was closed. */
  #left = [];
  /** Who uses the client, where the app says so. */
  user;
  /** Called once when locks turn out to be none. */
  onLost = () => {};
  /** Whether rows may be of who uses the client: it sends what a client of somebody else leaves no sooner than that would. */
  owns = (_rows) => true;
  /** Called where there are no locks, and another client of the page gave a lane up. */
  onFreed = () => {};
  /**
   * Called where another client of the page has more of a claim to a lane that is held, or comes after this one, whose view is
   * gone: resolves once it is given up. `owns` says which rows that one would send.
   */
  onWanted = async (_lane, _owns) => {};

  /**
   * @param {{ workerUrl: string, spaceId: string }} place
   * @param {LockManager | null} [manager] Null for none.
   * @param {Set<Lanes>} [page] The lanes of the page's clients.
   */
  constructor(place, manager = lockManager(), page = ofThisPage) {
    this.#place = place;
    this.#manager = manager;
    this.#page = page;
  }

  /** Whether another tab may take over what this one leaves. */
  get areShared() {
    return Boolean(this.#manager);
  }

  /** Lanes whose lock is held, in the order of taking. */
  get held() {
    return [...this.#held.keys()];
  }

  /** What is kept is the page's own: there is nobody outside to keep out. */
  keepToPage() {
    this.#manager = undefined;
  }

  /** Whether the page has another client of the space that sends what this one leaves. */
  hasSuccessor(rows) {
    const sends = (other) => !this.#isAnothers(other) && other.owns(rows);
    return this.#neighbours().some((other) => other.#slot !== undefined && sends(other));
  }

  /**
   * Takes the lane that the client had before, or one in its place before a reload, or one that a client of the page left whose
   * view is gone, or a new one if all are somebody else's: of the tab that this one was duplicated from.
   *
   * @param {string} [previous] The lane that this client had.
   * @returns {Promise<{ lane: string, refused: string | undefined, left: string[] }>} The lane that is held now, the one that
   *   could not be had, and lanes that clients of the page left whose views are gone.
   */
  async takeOwn(previous) {
    const place = this.#enter(previous);
    const left = await this.#awaitLeaving();
    const [wanted, ...others] = [previous, this.#recalled()[place]].filter(Boolean);
    let lane;
    for (const one of new Set([wanted, ...others, ...left].filter(Boolean))) {
      if (lane === undefined && (await this.#takeBack(one))) lane = one;
    }
    if (lane === undefined) lane = await this.takeNew();
    else this.#have(lane);
    return { lane, refused: wanted === lane ? undefined : wanted, left };
  }

  /**
   * Waits a moment for clients of the page whose views are gone: what was written with them leaves before what is written now.
   * Gives their lanes. Another user's sends what it has itself, as long as it is there.
   */
  async #awaitLeaving() {
    const gone = this.#neighbours().filter((other) => other.#isGone && !this.#isAnothers(other));
    await Promise.all(gone.map((other) => inTime(other.onWanted(undefined, this.owns))));
    return gone.flatMap((other) => other.#left);
  }

  /** Notes our lane in the tab's memory. One that another client of the page has is not forgotten for it. */
  #note(lane) {
    if (this.#slot === undefined) return;
    const recalled = this.#recalled();
    const before = recalled[this.#slot];
    if (before === lane) return;
    if (before && this.isNeighbours(before)) this.#slot = recalled.length;
    recalled[this.#slot] = lane;
    remember(NAME, this.#place, recalled.join());
  }

  /** Whether a lane's lock is held. */
  holds(lane) {
    return this.#held.has(lane);
  }

  /** Lanes that the tab remembers and no client of the page has. */
  left() {
    return this.#recalled().filter((lane) => lane && lane !== this.#own && !this.isNeighbours(lane));
  }

  /**
   * Leaves the place in the tab's memory to the next client. Lanes that are held stay so.
   *
   * @param {boolean} [isGone] Whether it does not come back.
   */
  leave(isGone = false) {
    this.#slot = undefined;
    this.#isGone ||= isGone;
    if (this.#held.size === 0 && !this.#isGone) this.#page.delete(this);
  }

  /** Gives everything back, for good. */
  close() {
    this.#left = [...new Set([this.#own, ...this.held].filter(Boolean))];
    this.releaseAll();
    this.leave(true);
    this.#page.delete(this);
  }

  /** Takes a lane's lock if it is free. Gives whether it is held now. */
  async take(lane) {
    // Without locks nobody else refuses it.
    if (!this.#manager && this.isNeighbours(lane)) return false;
    return this.#request(lane, { ifAvailable: true });
  }

  /** Waits for a lane's lock. Gives whether it is held now: `false` once {@link releaseAll} ended the waiting. */
  async wait(lane) {
    const controller = new AbortController();
    this.#waiting.set(lane, controller);
    try {
      return await this.#request(lane, { signal: controller.signal });
    } finally {
      if (this.#waiting.get(lane) === controller) {
        this.#waiting.delete(lane);
      }
    }
  }

  /** Leaves the own lane to others, and takes a new one. */
  async takeNew() {
    this.release(this.#own);
    const lane = randomId();
    await this.take(lane);
    this.#have(lane);
    return lane;
  }

  /** A lane is our own from now on, also after a reload. */
  #have(lane) {
    this.#own = lane;
    this.#note(lane);
  }

  /** Whether another client of the page holds a lane. */
  isNeighbours(lane) {
    return this.#neighbours().some((other) => other.holds(lane));
  }

  /** Whether a lane's lock is held or waited for. */
  has(lane) {
    return this.#held.has(lane) || this.#waiting.has(lane);
  }

  /** Gives a lane's lock back. */
  release(lane) {
    if (!this.#held.has(lane)) return;
    this.#held.get(lane)();
    this.#held.delete(lane);
    if (this.#manager) return;
    for (const other of this.#neighbours()) other.onFreed();
  }

  /** Gives all locks back, and waits for none any more. */
  releaseAll() {
    for (const controller of this.#waiting.values()) {
      controller.abort();
    }
    this.#waiting.clear();
    for (const lane of this.held) {
      this.release(lane);
    }
  }

  /** Whether a client of the page is another user's, as far as the app says. */
  #isAnothers(other) {
    return this.user !== undefined && other.user !== undefined && other.user !== this.user;
  }

  #neighbours() {
    const key = keyOf(this.#place);
    return [...this.#page].filter((other) => other !== this && keyOf(other.#place) === key);
  }

  /**
   * Takes the place in the tab's memory that a lane has, or the first free one. Gives it. Who leaves takes none where others take
   * over, and begins with what is remembered there all the same: a page's first client may have to go before it has been loaded.
   */
  #enter(lane) {
    this.#page.add(this);
    const taken = new Set(this.#neighbours().map((other) => other.#slot));
    const before = this.#recalled().indexOf(lane);
    let place = this.#slot;
    if (before >= 0 && !taken.has(before)) place ??= before;
    for (let slot = 0; place === undefined; slot += 1) {
      if (!taken.has(slot)) place = slot;
    }
    if (!this.#isGone || !this.areShared) this.#slot = place;
    return place;
  }

  /** By place, the lanes that the tab remembers; an empty text where there is none. */
  #recalled() {
    return recall(NAME, this.#place)?.split(',') ?? [];
  }

  /** Takes a lane that is ours, also from a client of the page that goes or has only taken it over. */
  async #takeBack(lane) {
    for (let times = 0; times < TAKEN_BACK_TIMES; times += 1) {
      const wasAsked = await this.#ask(lane);
      if (await this.take(lane)) return true;
      const others = this.#neighbours();
      const isGivenUp = wasAsked && !others.some((other) => other.holds(lane));
      if (!isGivenUp && !others.some((other) => other.#waiting.has(lane))) return false;
      // The browser may have given it this moment to one that had lined up for it.
      await new Promise((resolve) => setTimeout(resolve, GRANTED_MS));
    }
    return false;
  }

  /** Asks whoever holds a lane of ours for it. Gives whether somebody does that may give it up. */
  async #ask(lane) {
    const holder = this.#neighbours().find((other) => other.holds(lane));
    if (!holder || (holder.#own === lane && holder.#slot !== undefined)) return false;
    if (holder.#isGone && this.#isAnothers(holder)) return false;
    await inTime(holder.onWanted(lane, this.owns));
    return true;
  }

  #request(lane, options) {
    if (!this.#manager) {
      this.#held.set(lane, () => {});
      return Promise.resolve(true);
    }
    const { workerUrl, spaceId } = this.#place;
    const name = `kuratchi-spaces:${JSON.stringify([workerUrl, spaceId, lane])}`;
    const manager = this.#manager;
    const isAnsweredAtOnce = options.ifAvailable === true;
    return new Promise((resolve) => {
      let isOver = false;
      const goWithout = () => {
        isOver = true;
        if (this.#manager === manager) this.#lose();
        resolve(this.#request(lane, options));
      };
      const timer = isAnsweredAtOnce ? setTimeout(goWithout, ANSWER_MS_MAX) : undefined;
      const whileHeld = (lock) => {
        clearTimeout(timer);
        // What comes too late is given back at once.
        if (isOver) return undefined;
        isOver = true;
        if (!lock) {
          resolve(false);
          return undefined;
        }
        return new Promise((release) => {
          this.#held.set(lane, release);
          resolve(true);
        });
      };
      const whenRefused = () => {
        clearTimeout(timer);
        if (isOver) return;
        // Where the waiting was ended nobody holds the lane. Else the document may have no locks.
        if (isAnsweredAtOnce) goWithout();
        else resolve(false);
      };
      try {
        Promise.resolve(manager.request(name, options, whileHeld)).catch(whenRefused);
      } catch {
        whenRefused();
      }
    });
  }

  /** From now on there are no locks: nobody else is waited for, and nobody else is kept out. */
  #lose() {
    this.#manager = undefined;
    for (const controller of this.#waiting.values()) controller.abort();
    this.#waiting.clear();
    this.onLost();
  }
}

/** Resolves when a handover is through, or has taken too long. */
async function inTime(handover) {
  let timer;
  const tooLong = new Promise((resolve) => {
    timer = setTimeout(resolve, HANDOVER_MS_MAX);
  });
  await Promise.race([handover, tooLong]);
  clearTimeout(timer);
}

function keyOf({ workerUrl, spaceId }) {
  return JSON.stringify([workerUrl, spaceId]);
}
