/**
 * The outbox of a page that may keep nothing on disk: the rows of each space, behind the interface of `outbox-database.js`.
 *
 * Owns what outlives a client there, and nothing else does. Ids are random, so that an id has one row.
 */

/** By space and id, each row and its place: `{ row, lane, position }`. */
const spaces = /* @__PURE__ */ new Map();

/** The rows of one space on one Worker. */
export class MemoryDatabase {
  #key;

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
    if (!spaces.has(this.#key)) spaces.set(this.#key, new Map());
    spaces.get(this.#key).set(row.id, { row, lane, position });
  }

  async remove(id) {
    const rows = spaces.get(this.#key);
    rows?.delete(id);
    if (rows?.size === 0) spaces.delete(this.#key);
  }

  async clear() {
    spaces.delete(this.#key);
  }

  /** Nothing is open. */
  close() {}

  #entries() {
    return [...(spaces.get(this.#key)?.values() ?? [])];
  }
}
