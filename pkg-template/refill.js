/**
 * Brings the store the newest messages again after some of the log went missing.
 *
 * Owns whether they are lacking, and when a request that failed is repeated: by itself while there is a link, and
 * else with the next one. Must not know how messages are got.
 */

/** How long to wait after the first failure, in milliseconds; each further one doubles it. */
const RETRY_MS = 1_000;
/** The longest wait between two requests, in milliseconds. */
const RETRY_MS_MAX = 30_000;

/** See the module's text. */
export class Refill {
  #store;
  #ask;
  #isLacking = false;
  #isConnected = false;
  #failures = 0;
  /** The latest request, while nothing came after it: only its failure is followed by another. */
  #latest;
  #timer;

  /**
   * @param {import('./store.js').Store} store
   * @param {(take: (messages: object[]) => void, fail: () => void) => void} ask Asks for the newest messages.
   */
  constructor(store, ask) {
    this.#store = store;
    this.#ask = ask;
  }

  /** Messages may be missing: what the store has is dropped, and the newest are asked for if anybody looks. */
  start() {
    this.#isLacking ||= this.#store.isInUse;
    this.#store.clearMessages();
    this.#begin();
  }

  /** Whether there is a link. The first moment of each is one to ask again. */
  setConnected(isConnected) {
    this.#isConnected = isConnected;
    if (isConnected) {
      this.#begin();
    } else {
      this.#rest();
    }
  }

  #begin() {
    this.#failures = 0;
    this.#load();
  }

  #rest() {
    clearTimeout(this.#timer);
    this.#latest = undefined;
  }

  #load() {
    this.#rest();
    if (!this.#isLacking) {
      return;
    }
    const { generation } = this.#store;
    const request = {};
    this.#latest = request;
    this.#ask(
      (messages) => {
        if (generation === this.#store.generation) {
          this.#rest();
          this.#isLacking = false;
          this.#store.addMessages(messages);
          this.#store.setHistory({ isLoaded: true });
        }
      },
      () => {
        if (request === this.#latest && this.#isConnected) {
          this.#timer = setTimeout(
            () => this.#load(),
            Math.min(RETRY_MS * 2 ** this.#failures, RETRY_MS_MAX),
          );
          this.#failures += 1;
        }
      },
    );
  }
}
