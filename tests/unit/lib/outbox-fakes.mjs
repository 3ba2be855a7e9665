/**
 * Stand-ins for what the outbox needs of a browser: a disk behind the interface of `idb`, Web Locks, a page.
 *
 * They behave as the standards say in what the outbox relies on: keys are sorted as IndexedDB sorts them,
 * transactions run in the order in which they were made, a lock has one holder. The real ones are used by the
 * tests in browsers.
 */

/** Sorts keys as IndexedDB does: numbers before strings before arrays. */
export function compareKeys(a, b) {
  const kind = (key) => ['number', 'string', 'object'].indexOf(typeof key);
  if (kind(a) !== kind(b)) {
    return kind(a) - kind(b);
  }
  if (!Array.isArray(a)) {
    return a < b ? -1 : Number(a > b);
  }
  for (let index = 0; index < Math.min(a.length, b.length); index += 1) {
    const order = compareKeys(a[index], b[index]);
    if (order !== 0) {
      return order;
    }
  }
  return a.length - b.length;
}

/** A database that several tabs share. */
export class FakeDisk {
  /** `[key, value]`, sorted. */
  entries = [];
  /** What was asked of it, one word each. */
  log = [];
  /** `'hangs'`, or what reading, writing or opening fails with. */
  trouble = {};
  /** Called once when rows have been read, before whoever asked has them. */
  whenRead = () => {};
  /** How often all connections were closed. */
  closings = 0;
  #callbacks = [];

  /** What stands in for `openDB`. */
  open = async (name, version, callbacks) => {
    this.log.push(`open ${name} ${version}`);
    if (this.trouble.open) {
      throw this.trouble.open;
    }
    this.#callbacks.push(callbacks);
    const { closings } = this;
    const transaction = (_store, mode) => {
      if (this.closings > closings) throw new DOMException('the connection is closing', 'InvalidStateError');
      return this.#transaction(mode);
    };
    return { transaction, close: () => this.log.push('close') };
  };

  /** Closes all connections, as browsers do with those of pages in the background. */
  closeConnections() {
    this.closings += 1;
  }

  /** Does to all who have it open what browsers do. */
  happen(event, to = 2) {
    for (const callbacks of this.#callbacks) {
      callbacks[event](1, to, { target: { close: () => this.log.push('closed for others') } });
    }
  }

  ids() {
    return this.entries.map(([, row]) => row.id);
  }

  #transaction(mode) {
    const within = ({ lower, upper }) =>
      this.entries.filter(([key]) => compareKeys(key, lower) >= 0 && compareKeys(key, upper) <= 0);
    const remove = (entries) => {
      this.entries = this.entries.filter((entry) => !entries.includes(entry));
    };
    const find = (key) => this.entries.filter(([other]) => compareKeys(other, key) === 0);
    const run = (act) => {
      if (this.trouble.hangs) {
        return new Promise(() => {});
      }
      if (mode === 'readwrite' && this.trouble.write) {
        const { write, once } = this.trouble;
        if (once) this.trouble = {};
        return Promise.reject(write);
      }
      if (mode === 'readonly' && this.trouble.read) return Promise.reject(this.trouble.read);
      return Promise.resolve(act());
    };
    this.log.push(mode);
    return {
      commit: () => this.log.push('commit'),
      done: run(() => undefined),
      objectStore: () => ({
        getAllKeys: (range) => run(() => within(range).map(([key]) => key)),
        getAll: async (range) => {
          const rows = await run(() => structuredClone(within(range).map(([, row]) => row)));
          this.whenRead();
          return rows;
        },
        put: (row, key) =>
          run(() => {
            remove(find(key));
            this.entries = [...this.entries, [key, structuredClone(row)]].sort(([a], [b]) =>
              compareKeys(a, b),
            );
          }),
        delete: (what) => run(() => remove(Array.isArray(what) ? find(what) : within(what))),
      }),
    };
  }
}

/** Web Locks of one browser. */
export class FakeLocks {
  #held = new Map();
  #queues = new Map();

  names() {
    return [...this.#held.keys()];
  }

  async request(name, { ifAvailable, signal } = {}, whileHeld) {
    if (this.#held.has(name)) {
      if (ifAvailable) {
        return whileHeld(null);
      }
      await this.#wait(name, signal);
    }
    signal?.throwIfAborted();
    this.#held.set(name, true);
    try {
      return await whileHeld({ name });
    } finally {
      this.#held.delete(name);
      this.#queues.get(name)?.shift()?.();
    }
  }

  #wait(name, signal) {
    return new Promise((resolve, reject) => {
      const queue = this.#queues.get(name) ?? [];
      this.#queues.set(name, queue);
      queue.push(resolve);
      signal?.addEventListener('abort', () => {
        queue.splice(queue.indexOf(resolve), 1);
        reject(signal.reason);
      });
    });
  }
}

/** What `sessionStorage` is to one tab. */
export class FakeStorage {
  items = new Map();

  getItem(key) {
    return this.items.get(key) ?? null;
  }

  setItem(key, value) {
    this.items.set(key, value);
  }
}

/** A row as the core writes it. */
export function row(id, more = {}) {
  return {
    id,
    operation: 'message',
    body: { text: `text of ${id}` },
    owner: 'user:ada',
    scope: 's',
    epoch: null,
    addedAt: 1_000,
    failure: null,
    ...more,
  };
}
