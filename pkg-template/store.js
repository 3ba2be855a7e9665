/**
 * The store: what a chat view shows, as one immutable snapshot.
 *
 * Owns the merging of live messages with pages of history, and when subscribers are told. Must not know where
 * any of it comes from. A snapshot and everything in it stays the same object until it changes.
 */

import { callSafely } from './events.js';

/** Most messages that are kept; beyond it the oldest go, because memory has to end somewhere. */
export const STORE_MESSAGES_MAX = 10_000;

const NOTHING = Object.freeze([]);
const IDLE = Object.freeze({
  state: 'idle',
  connected: false,
  retryInMs: undefined,
  messages: NOTHING,
  typing: NOTHING,
  presence: NOTHING,
  error: undefined,
});

/** Messages in the order of the log. Other servers' messages have no `seq`: their time has to do. */
function compare(a, b) {
  return a.seq - b.seq || a.createdAt - b.createdAt || 0;
}

/** Collects what a view shows. */
export class Store {
  #messages = [];
  #ids = new Set();
  #snapshot = IDLE;
  #subscribers = new Set();
  #scheduled = false;
  #messagesChanged = false;

  /** Calls `listener` after changes, once for all of a task's. Returns the function that ends it. */
  subscribe(listener) {
    const entry = { listener };
    this.#subscribers.add(entry);
    return () => {
      this.#subscribers.delete(entry);
    };
  }

  /** The present snapshot. */
  snapshot() {
    if (this.#messagesChanged) {
      this.#messagesChanged = false;
      this.#snapshot = Object.freeze({ ...this.#snapshot, messages: Object.freeze([...this.#messages]) });
    }
    return this.#snapshot;
  }

  /** The snapshot of a client that has done nothing, which is all that a server can render. */
  static idle() {
    return IDLE;
  }

  /** Merges messages in, live ones and pages of history alike; each id is kept once. */
  addMessages(messages) {
    let unsorted = false;
    const before = this.#messages.length;
    for (const message of messages) {
      if (this.#ids.has(message.id)) {
        continue;
      }
      const last = this.#messages.at(-1);
      unsorted ||= last !== undefined && compare(last, message) > 0;
      this.#ids.add(message.id);
      this.#messages.push(message);
    }
    if (this.#messages.length === before) {
      return;
    }
    if (unsorted) {
      this.#messages.sort(compare);
    }
    for (const { id } of this.#messages.splice(0, this.#messages.length - STORE_MESSAGES_MAX)) {
      this.#ids.delete(id);
    }
    this.#messagesChanged = true;
    this.#schedule();
  }

  /** Forgets all messages: the log that they were of is no more. */
  clearMessages() {
    this.#messages = [];
    this.#ids.clear();
    this.#messagesChanged = true;
    this.#schedule();
  }

  /** Somebody types or stopped. */
  setTyping(userId, isTyping) {
    const { typing } = this.#snapshot;
    if (typing.includes(userId) !== isTyping) {
      const others = typing.filter((other) => other !== userId);
      this.#change({ typing: Object.freeze(isTyping ? [...others, userId] : others) });
    }
  }

  /** Who is here, whole. */
  setPresence(users) {
    this.#change({ presence: Object.freeze([...users]) });
  }

  /** Nobody is known to type or to be here. */
  clearPeople() {
    this.#change({ typing: NOTHING, presence: NOTHING });
  }

  /** What the connection is doing. A connection clears the error that stood before it. */
  setState({ state, retryInMs, reason }) {
    const connected = state === 'connected';
    const error = connected ? undefined : (reason ?? this.#snapshot.error);
    this.#change({ state, connected, retryInMs, error });
  }

  /** Something went wrong. */
  setError(error) {
    this.#change({ error });
  }

  #change(changes) {
    this.#snapshot = Object.freeze({ ...this.#snapshot, ...changes });
    this.#schedule();
  }

  /** One notification for all changes of a burst, when whoever makes them is through. */
  #schedule() {
    if (this.#scheduled) {
      return;
    }
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      for (const entry of [...this.#subscribers]) {
        if (this.#subscribers.has(entry)) {
          callSafely(entry.listener);
        }
      }
    });
  }
}
