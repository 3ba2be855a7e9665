/**
 * One client in the place of several, one after the other: whoever looks at it sees the latest.
 *
 * Owns that subscribers and listeners go over to the next one. Must not know why there is another.
 */

const METHODS = [
  ...[
    'connect',
    'disconnect',
    'isConnected',
    'setToken',
    'close',
    'sendMessage',
    'editMessage',
    'deleteMessage',
  ],
  ...['retry', 'discard', 'clearLocal', 'getMessages', 'loadOlder', 'setTyping', 'getParticipants'],
  ...['getMetadata', 'setMetadata'],
];

/** See the module's text. */
export class Following {
  /** The client that is looked at. */
  current;
  /** What is to be done with each client: each gives what undoes it. */
  #attached = new Set();

  constructor(space) {
    this.current = space;
    for (const name of METHODS) {
      this[name] = (...values) => this.current[name](...values);
    }
  }

  /** Looks at another client from now on. */
  follow(space) {
    for (const each of this.#attached) each.detach();
    this.current = space;
    for (const each of this.#attached) each.detach = each.attach();
    for (const { tell } of [...this.#attached]) tell?.();
  }

  get persistence() {
    return this.current.persistence;
  }

  get transport() {
    return this.current.transport;
  }

  getSnapshot = () => this.current.getSnapshot();
  getServerSnapshot = () => this.current.getServerSnapshot();
  subscribe = (listener) => this.#attach(() => this.current.subscribe(listener), listener);

  on(event, listener) {
    return this.#attach(() => this.current.on(event, listener));
  }

  #attach(attach, tell) {
    const each = { attach, detach: attach(), tell };
    this.#attached.add(each);
    return () => {
      each.detach();
      this.#attached.delete(each);
    };
  }

  [Symbol.dispose ?? Symbol.for('Symbol.dispose')]() {
    this.close();
  }
}
