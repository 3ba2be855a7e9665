/**
 * Loads the history into the store, page by page from the newest message backwards.
 *
 * Owns how far back the store reaches without a hole, and that one page is asked for at a time. Must not know how
 * messages are got.
 */

import { ChatError } from './errors.js';
import { HISTORY_MESSAGES_MAX } from './options.js';
import { createDeferred } from './waiting.js';

/** A page with fewer messages, and fewer than were asked for, is the last one; longer ones may end by their bytes. */
const PAGE_MESSAGES_MIN = 128;
/** So many pages in a row may hold nothing new, beyond those that hold what the store has. */
const KNOWN_PAGES_MAX = 20;

/** See the module's text. */
export class Older {
  #store;
  #ask;
  /** Since when the store has every message; undefined before the first page. */
  #reach;
  /** Which of the store's lists that is about. */
  #generation;
  /** What all calls wait for while a page is on its way. */
  #loading;

  /**
   * @param {import('./store.js').Store} store
   * @param {(query: object) => Promise<object[]>} ask Gets a page; without `before` one that joins live messages.
   */
  constructor(store, ask) {
    this.#store = store;
    this.#ask = ask;
  }

  /** Loads a page of about `limit` messages. A call while one is on its way waits for that. */
  load(limit) {
    this.#store.look();
    if (!this.#loading) {
      const { promise, resolve, reject } = createDeferred();
      const end = (settle) => (value) => {
        this.#loading = undefined;
        this.#store.setHistory({ isLoadingOlder: false });
        settle(value);
      };
      this.#loading = promise;
      this.#load(limit).then(end(resolve), end(reject));
    }
    return this.#loading;
  }

  /** Asks until there is something new to show: the app may have loaded parts of the history by itself. */
  async #load(limit) {
    let wanted = limit;
    let isPast = false;
    let pages = 0;
    while (this.#store.hasOlder && !this.#store.isFull) {
      if (pages > KNOWN_PAGES_MAX + this.#store.size / wanted) {
        throw new ChatError('Failed to get messages: the server gives the same messages again and again', {
          code: 'protocol',
        });
      }
      pages += 1;
      this.#store.setHistory({ isLoadingOlder: true });
      const { generation } = this.#store;
      const reach = this.#reachOf(generation);
      const query = queryOf(reach, wanted, isPast);
      const page = await this.#ask(query);
      if (generation !== this.#store.generation) {
        // The list that this page belongs to is no more: the next one begins with the newest messages again.
        continue;
      }
      this.#reach = page[0]?.createdAt ?? reach;
      this.#generation = generation;
      const hasOlder = page.length >= Math.min(query.limit, PAGE_MESSAGES_MIN);
      this.#store.setHistory({ isLoaded: true, hasOlder });
      if (this.#store.addMessages(page) > 0) {
        return;
      }
      const isStuck = this.#reach === reach;
      isPast = isStuck && query.limit === HISTORY_MESSAGES_MAX;
      wanted = isStuck ? HISTORY_MESSAGES_MAX : limit;
    }
  }

  #reachOf(generation) {
    if (generation !== this.#generation || this.#reach === undefined) {
      return undefined;
    }
    // The store may have dropped its oldest messages.
    return Math.max(this.#reach, this.#store.oldestAt ?? 0);
  }
}

/**
 * The next page, with what shares the oldest message's millisecond: a page may have cut through it. `isPast`, when
 * no page is large enough for all of that, leaves it behind.
 */
function queryOf(reach, wanted, isPast) {
  if (reach === undefined) {
    return { limit: wanted, order: 'asc' };
  }
  const limit = Math.min(wanted + 1, HISTORY_MESSAGES_MAX);
  return { limit, before: isPast ? reach : reach + 1, order: 'asc' };
}
