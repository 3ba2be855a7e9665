/**
 * The outbox on disk: one row for each entry, in IndexedDB.
 *
 * Owns the database, its keys, and how long an answer is waited for. Each change is one short transaction of its
 * own, committed at once; the engine runs them in the order in which they were made, and none waits for another's
 * answer here. Must not know lanes' owners, nor what a row says. Nothing is opened before the first operation.
 *
 * Browsers close connections of pages in the background, and their storage process may end, while what is on disk is there
 * still: what fails on one connection is done once more on another. A database that fails then is not asked again: what failed
 * it (no space left, deleted or upgraded by another tab, a browser that never answers) would fail the next row as well, and
 * each would be waited for.
 */

import { openDB } from 'idb';

const NAME = 'kuratchi-spaces';
const VERSION = 1;
const STORE = 'outbox';
/** Sorts behind every text and number that may stand in a key. */
const BEYOND = [];
/**
 * How long the browser may answer nothing at all, in steps: a machine that slept through one of them gets the others. All
 * databases of a page count, because the browser works one queue off for them.
 */
const STEP_MS = 1_000;
const STEPS_MAX = 3;
/** Operations of this page that were answered. */
let answered = 0;

/**
 * Whether the environment has an IndexedDB and lets us at it, as far as can be told without trying. Frames of foreign pages that
 * may keep nothing are refused by an exception, if not here, then at the tab's own storage; a sandboxed one has an origin that
 * is nobody's.
 */
export function hasIndexedDb() {
  try {
    const { origin, location, sessionStorage } = globalThis;
    const isSandboxed = origin === 'null' && location?.protocol !== 'file:';
    return !isSandboxed && sessionStorage !== null && Boolean(globalThis.indexedDB);
  } catch {
    return false;
  }
}

/**
 * The spaces of a Worker in which something waits to be sent, and how much; what failed does not wait.
 *
 * @param {{ workerUrl: string, spaceId?: string }} place Without `spaceId` all of the Worker's.
 * @returns {Promise<{ spaceId: string, count: number }[]>} Nothing where there is no database.
 */
export async function waitingSpaces({ workerUrl, spaceId }, open = openDB) {
  if (!hasIndexedDb()) return [];
  const database = await withinBound(
    open(NAME, VERSION, { upgrade: (made) => void made.createObjectStore(STORE) }),
  );
  try {
    const range = rangeOf(spaceId === undefined ? [workerUrl] : [workerUrl, spaceId]);
    const read = (store) => Promise.all([store.getAllKeys(range), store.getAll(range)]);
    const [keys, rows] = await withinBound(transact(database, 'readonly', read));
    const counts = new Map();
    rows.forEach((row, index) => {
      const space = keys[index][1];
      if (!row.failure) counts.set(space, (counts.get(space) ?? 0) + 1);
    });
    return [...counts].map(([space, count]) => ({ spaceId: space, count }));
  } finally {
    database.close();
  }
}

/**
 * The rows of one space on one Worker.
 *
 * Keys are `[workerUrl, spaceId, lane, position, id]`: a lane is a range, and its order is the keys' order. The id
 * keeps two tabs apart that were duplicated with one lane where there are no locks.
 */
export class OutboxDatabase {
  #prefix;
  #open = openDB;
  #opening;
  #events;
  #failure;
  /** The newest change of each row that is under way. */
  #newest = new Map();

  /**
   * @param {object} place
   * @param {string} place.workerUrl
   * @param {string} place.spaceId
   * @param {object} events
   * @param {(error: unknown) => void} events.onLost Called once, when the database can not be used any more.
   * @param {() => void} events.onDeleted Called when somebody deleted it, or the browser closed it, as it does where the site's data
   *   are cleared: there may be a new one, in which nothing is yet.
   * @param {typeof openDB} [open] What opens the database; tests bring their own.
   */
  constructor({ workerUrl, spaceId }, events, open = openDB) {
    this.#prefix = [workerUrl, spaceId];
    this.#events = events;
    this.#open = open;
  }

  /** Names of the lanes that hold rows. */
  lanes() {
    return this.#operate('readonly', async (store) => {
      const keys = await store.getAllKeys(rangeOf(this.#prefix));
      return [...new Set(keys.map(([, , lane]) => lane))];
    });
  }

  /** What a lane holds, in order: `{ position, row }` for each. */
  read(lane) {
    return this.#operate('readonly', async (store) => {
      const range = rangeOf([...this.#prefix, lane]);
      const [keys, rows] = await Promise.all([store.getAllKeys(range), store.getAll(range)]);
      return rows.map((row, index) => ({ position: keys[index][3], row }));
    });
  }

  /** Writes a row; `from` is the place that it leaves, if it moves. */
  put(row, { lane, position }, from) {
    const leave = (store) => (from ? store.delete(this.#key(from, row.id)) : undefined);
    const act = (store) => Promise.all([leave(store), store.put(row, this.#key({ lane, position }, row.id))]);
    return this.#change(row.id, act, leave);
  }

  /** Takes a row out. */
  remove(id, place) {
    return this.#change(id, (store) => store.delete(this.#key(place, id)));
  }

  /** Takes out all rows, of every lane. */
  clear() {
    return this.#operate('readwrite', (store) => store.delete(rangeOf(this.#prefix)));
  }

  /** Lets go of the database; operations that are under way end first. */
  close() {
    this.#opening?.then(
      (database) => database.close(),
      () => {},
    );
    this.#failure ??= new Error('the database was closed');
  }

  #key({ lane, position }, id) {
    return [...this.#prefix, lane, position, id];
  }

  /**
   * Changes a row. A change that is done once more does not come behind a later one of the same row: then it does only what
   * `late` does.
   */
  async #change(id, act, late = () => {}) {
    const turn = {};
    this.#newest.set(id, turn);
    let isAgain = false;
    const once = (store) => {
      const isDue = !isAgain || this.#newest.get(id) === turn;
      isAgain = true;
      return isDue ? act(store) : late(store);
    };
    try {
      await this.#operate('readwrite', once);
    } finally {
      if (this.#newest.get(id) === turn) this.#newest.delete(id);
    }
  }

  async #operate(mode, act) {
    if (this.#failure) {
      throw this.#failure;
    }
    try {
      return await this.#twice((opening) => withinBound(transact(opening, mode, act)));
    } catch (error) {
      this.#lose(error);
      throw error;
    }
  }

  /**
   * Does it once more on another connection where the browser fails it, or the connection. Which error stands for a connection that is over is
   * another one in each browser, and by the reason (`InvalidStateError`, `AbortError`, WebKit's `UnknownError`).
   */
  async #twice(operate) {
    const opening = this.#connection();
    let connection;
    const noted = opening.then((database) => {
      connection = database;
      return database;
    });
    try {
      return await operate(noted);
    } catch (error) {
      if (this.#failure || error instanceof NoAnswer) throw error;
      this.#forget(opening);
      connection?.close();
      return operate(this.#connection());
    }
  }

  #connection() {
    if (!this.#opening) {
      const opening = this.#connect(() => this.#forget(opening));
      this.#opening = opening;
    }
    return this.#opening;
  }

  #forget(opening) {
    if (this.#opening === opening) this.#opening = undefined;
  }

  async #connect(onTerminated) {
    const lose = (what) => () => this.#lose(new Error(`the database ${what}`));
    const database = await this.#open(NAME, VERSION, {
      upgrade: (upgraded) => void upgraded.createObjectStore(STORE),
      blocked: lose('is held by another tab in an older version'),
      blocking: (_from, to, event) => {
        // Whoever deletes or upgrades it waits for us.
        event.target.close();
        if (to === null) {
          onTerminated();
          this.#events.onDeleted();
        } else {
          this.#lose(new Error('the database was upgraded by another tab'));
        }
      },
      terminated: () => {
        onTerminated();
        this.#events.onDeleted();
      },
    });
    if (this.#failure) {
      database.close();
      throw this.#failure;
    }
    return database;
  }

  #lose(error) {
    if (!this.#failure) {
      this.close();
      this.#failure = error;
      this.#events.onLost(error);
    }
  }
}

class NoAnswer extends Error {}

/** What `act` makes of the store in one transaction. Of one that is aborted nobody else hears. */
async function transact(opening, mode, act) {
  const database = await opening;
  const transaction = database.transaction(STORE, mode);
  // Where `act` throws at once, nobody else waits for how the transaction ends.
  transaction.done.catch(() => {});
  // An aborted transaction ends by its own error, and its requests by theirs.
  const result = Promise.resolve(act(transaction.objectStore(STORE)));
  result.catch(() => {});
  // Reads ask for more in the same transaction; a write is all that there is.
  if (mode === 'readwrite') {
    transaction.commit?.();
  }
  const [value] = await Promise.all([result, transaction.done]);
  return value;
}

/** All keys that start so. */
function rangeOf(prefix) {
  return IDBKeyRange.bound(prefix, [...prefix, BEYOND]);
}

/** Waits until nothing was answered for as long as the bound. What came too late is not heard. */
function withinBound(promise) {
  return new Promise((resolve, reject) => {
    let steps = 0;
    let before = answered;
    let timer;
    const step = () => {
      // Behind many others an answer takes its time.
      steps = before === answered ? steps + 1 : 1;
      before = answered;
      if (steps > STEPS_MAX) {
        reject(new NoAnswer(`the database did not answer within ${STEPS_MAX * STEP_MS} ms`));
      } else {
        timer = setTimeout(step, STEP_MS);
      }
    };
    step();
    promise
      .then((value) => {
        answered += 1;
        resolve(value);
      }, reject)
      .finally(() => clearTimeout(timer));
  });
}
