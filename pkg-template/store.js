/**
 * The store: what a chat view shows, as one immutable snapshot.
 *
 * Owns the snapshot and when subscribers are told. Must not know where any of it comes from. A snapshot and
 * everything in it stays the same object until it changes.
 */

import { callSafely } from './events.js';
import { MessageList } from './message-list.js';

const NOTHING = Object.freeze([]);
const IDLE = Object.freeze({
  state: 'idle',
  connected: false,
  transport: undefined,
  retryInMs: undefined,
  retryAt: undefined,
  persistence: 'memory',
  messages: NOTHING,
  isLoaded: false,
  hasOlder: true,
  isLoadingOlder: false,
  typing: NOTHING,
  presence: NOTHING,
  error: undefined,
});

/** What is kept for a view. A message of the greatest length counts as 32 kB. */
export const STORE_LIMITS = Object.freeze({ messages: 100_000, bytes: 64 * 1024 * 1024 });
/** What an app without a view that hears of updates gets: an edit on its way is told as a whole message. */
const TAIL_LIMITS = Object.freeze({ messages: 1_000, bytes: 4 * 1024 * 1024 });
/** What any other app without a view gets. */
const NO_LIMITS = Object.freeze({ messages: 0, bytes: 0 });

/** Collects what a view shows, from the moment on that somebody looks. */
export class Store {
  #hearsUpdates;
  #messages = new MessageList(NO_LIMITS, () => this.setHistory({ hasOlder: true }));
  #isLookedAt = false;
  #snapshot = IDLE;
  #subscribers = new Set();
  #scheduled = false;
  #messagesChanged = false;
  #generation = 0;

  /** @param {() => boolean} hearsUpdates Whether somebody is told of edits. */
  constructor(hearsUpdates) {
    this.#hearsUpdates = hearsUpdates;
  }

  /** Counts how often the messages were forgotten: what was asked for before belongs to another list. */
  get generation() {
    return this.#generation;
  }

  /** How many stored messages are here. */
  get size() {
    return this.#messages.size;
  }

  /** When the oldest stored message here was stored. */
  get oldestAt() {
    return this.#messages.oldest?.createdAt;
  }

  /** Whether there may be older messages in the log. */
  get hasOlder() {
    return this.#snapshot.hasOlder;
  }

  /** Whether there is no room for older messages. */
  get isFull() {
    return this.#messages.isFull;
  }

  /** Whether somebody looks at the messages, or has looked and some are there. */
  get isInUse() {
    return this.#subscribers.size > 0 || (this.#isLookedAt && !this.#messages.isEmpty);
  }

  /** Somebody wants to see what is here: from now on messages are kept. */
  look() {
    this.#isLookedAt = true;
    this.#messages.setLimits(STORE_LIMITS);
  }

  /** Calls `listener` after changes, once for all of a task's. Returns the function that ends it. */
  subscribe(listener) {
    this.look();
    const entry = { listener };
    this.#subscribers.add(entry);
    return () => {
      this.#subscribers.delete(entry);
    };
  }

  /** The present snapshot. */
  snapshot() {
    this.look();
    if (this.#messagesChanged) {
      this.#messagesChanged = false;
      this.#snapshot = Object.freeze({ ...this.#snapshot, messages: Object.freeze(this.#messages.view()) });
    }
    return this.#snapshot;
  }

  /** The snapshot of a client that has done nothing, which is all that a server can render. */
  static idle() {
    return IDLE;
  }

  /** What is shown of the stored message with this id. */
  find(id) {
    return this.#messages.find(id);
  }

  /**
   * Merges messages in, live ones and pages of history alike; each id is kept once. The oldest go when there are
   * too many, and can be loaded again.
   *
   * @returns {number} How many were not there.
   */
  addMessages(messages) {
    if (!this.#keepsAny()) {
      return 0;
    }
    const { isChanged, added } = this.#messages.add(messages);
    if (isChanged) {
      this.#touchMessages();
    }
    return added;
  }

  /**
   * What is known of the history before the messages that are here.
   *
   * @param {{ isLoaded?: boolean, hasOlder?: boolean, isLoadingOlder?: boolean }} changes As in the snapshot.
   */
  setHistory(changes) {
    if (Object.entries(changes).some(([name, value]) => this.#snapshot[name] !== value)) {
      this.#change(changes);
    }
  }

  /** Takes the present state of a message that was edited or deleted. */
  updateMessage(message) {
    if (this.#messages.update(message)) {
      this.#touchMessages();
    }
  }

  /** These rows come from the disk: they stand before what was added since. */
  reserveOutbox(rows) {
    this.#messages.reserve(rows);
  }

  /** Takes news of an entry of the outbox. */
  followOutbox(news) {
    this.#keepsAny();
    this.#messages.follow(news);
    this.#touchMessages();
  }

  /** Whether something of one's own is not stored yet. Does not count as a look. */
  hasWaiting() {
    return this.#messages.hasWaiting;
  }

  /** Forgets all stored messages: the log that they were of is no more, or some are missing among them. */
  clearMessages() {
    this.#generation += 1;
    this.#messages.clear();
    this.setHistory({ isLoaded: false, hasOlder: true });
    this.#touchMessages();
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
  setState({ state, transport, retryInMs, retryAt, reason }) {
    const connected = state === 'connected';
    const error = connected ? undefined : (reason ?? this.#snapshot.error);
    this.#change({ state, connected, transport, retryInMs, retryAt, error });
  }

  /** How far what waits in the outbox reaches. */
  setPersistence(persistence) {
    if (persistence !== this.#snapshot.persistence) {
      this.#change({ persistence });
    }
  }

  /** Something went wrong. */
  setError(error) {
    // While there is a connection, it would be said of that: a message has its own, and `onError` hears each.
    if (!this.#snapshot.connected) this.#change({ error });
  }

  /** Whether messages are kept at all. Listeners come and go, so it is asked each time. */
  #keepsAny() {
    if (this.#isLookedAt) {
      return true;
    }
    const hearsUpdates = this.#hearsUpdates();
    this.#messages.setLimits(hearsUpdates ? TAIL_LIMITS : NO_LIMITS);
    return hearsUpdates;
  }

  #touchMessages() {
    this.#messagesChanged = true;
    this.#schedule();
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
