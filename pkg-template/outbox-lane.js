/**
 * Lanes: which part of the outbox on disk is whose.
 *
 * A lane is a queue of its own with a random name. A tab writes to one lane, and nobody sends from a lane without
 * its Web Lock: the browser gives the lock up when the tab dies, never while it lives, frozen or not. So a lane
 * has one sender at most, and none waits for a tab that sleeps. Owns the locks and the tab's memory of its lane.
 * Must not know what lanes hold.
 *
 * Without Web Locks (a page that is no secure context) a lane is its tab's alone: nobody else takes it over. Locks that are
 * refused, or do not answer whether one is free (a browser that lost track of them, a page that is being prerendered), count
 * as none.
 */

import { randomId, recall, remember } from './tab-memory.js';

const NAME = 'lane';
/** How long an answer may take whether a lock is free, in milliseconds. */
const ANSWER_MS_MAX = 2_000;

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
  /** Called once when locks turn out to be none. */
  onLost = () => {};

  /**
   * @param {{ workerUrl: string, spaceId: string }} place
   * @param {LockManager | null} [manager] Null for none.
   */
  constructor(place, manager = lockManager()) {
    this.#place = place;
    this.#manager = manager;
  }

  /** Whether another tab may take over what this one leaves. */
  get areShared() {
    return Boolean(this.#manager);
  }

  /** Lanes whose lock is held, in the order of taking. */
  get held() {
    return [...this.#held.keys()];
  }

  /**
   * Takes the lane that the client or the tab had before, or a new one if that is somebody else's: of another client
   * of this tab, or of the tab that this one was duplicated from.
   *
   * @param {string} [previous] The lane that this client had.
   * @returns {Promise<{ lane: string, refused: string | undefined }>} The lane that is held now, and the one that
   *   could not be had.
   */
  async takeOwn(previous) {
    const known = previous ?? recall(NAME, this.#place);
    const isOurs = known !== undefined && (await this.take(known));
    const lane = isOurs ? known : randomId();
    if (!isOurs) {
      await this.take(lane);
      remember(NAME, this.#place, lane);
    }
    return { lane, refused: isOurs ? undefined : known };
  }

  /** Takes a lane's lock if it is free. Gives whether it is held now. */
  take(lane) {
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

  /** Whether a lane's lock is held or waited for. */
  has(lane) {
    return this.#held.has(lane) || this.#waiting.has(lane);
  }

  /** Gives a lane's lock back. */
  release(lane) {
    this.#held.get(lane)?.();
    this.#held.delete(lane);
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
