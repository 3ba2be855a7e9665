/**
 * One client in the place of several, one after the other: whoever looks at it sees the latest.
 *
 * Owns that subscribers and listeners go over to the next one. Must not know why there is another.
 */

import { ChatError } from './errors.js';
import { createRejected } from './waiting.js';

const ignore = () => {};
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

/** What stands in the place of a client that was left: nothing is shown, and nobody writes there. */
function emptyAfter(space) {
  if (space.isEmpty) return space;
  const { getServerSnapshot } = space;
  const refuse = () => createRejected(new ChatError('there is no room at the moment', { code: 'closed' }));
  return {
    ...Object.fromEntries(METHODS.map((name) => [name, refuse])),
    isEmpty: true,
    // What waits in the room that was left is removed by whoever signs out, also where the config goes first.
    clearLocal: () => space.clearLocal(),
    isConnected: () => false,
    persistence: 'memory',
    getSnapshot: getServerSnapshot,
    getServerSnapshot,
    subscribe: () => ignore,
    on: () => ignore,
  };
}

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

  /** Looks at another client from now on; where there is none, at an empty room. */
  follow(space = emptyAfter(this.current)) {
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

  on = (event, listener) => this.#attach(() => this.current.on(event, listener));

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
