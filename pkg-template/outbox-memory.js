/**
 * The outbox of a page that may keep nothing on disk: the rows of each space, behind the interface of `outbox-database.js`.
 *
 * Owns what outlives a client there, and nothing else does. In a server nothing does: its clients are many people's, and what one
 * leaves is not for the next. Ids are random, so that an id has one row.
 */

/** By space and id, each row and its place: `{ row, lane, position }`. Those of the page. */
const ofThisPage = /* @__PURE__ */ new Map();

/** Whether the program is a page, with one person before it. */
export function isPage() {
  return Boolean(globalThis.window && globalThis.document);
}

/** The rows of one space on one Worker. */
export class MemoryDatabase {
  #key;
  #spaces = isPage() ? ofThisPage : new Map();

  /** @param {{ workerUrl: string, spaceId: string }} place */
  constructor({ workerUrl, spaceId }) {
    this.#key = JSON.stringify([workerUrl, spaceId]);
  }

  async lanes() {
    return [...new Set(this.#entries().map(({ lane }) => lane))];
  }

  async read(lane) {
    const entries = this.#entries().filter((entry) => entry.lane === lane);
    return entries.sort((a, b) => a.position - b.position).map(({ row, position }) => ({ row, position }));
  }

  async put(row, { lane, position }) {
    if (!this.#spaces.has(this.#key)) this.#spaces.set(this.#key, new Map());
    this.#spaces.get(this.#key).set(row.id, { row, lane, position });
  }

  async remove(id) {
    const rows = this.#spaces.get(this.#key);
    rows?.delete(id);
    if (rows?.size === 0) this.#spaces.delete(this.#key);
  }

  async clear() {
    this.#spaces.delete(this.#key);
  }

  /** Nothing is open. */
  close() {}

  #entries() {
    return [...(this.#spaces.get(this.#key)?.values() ?? [])];
  }
}
