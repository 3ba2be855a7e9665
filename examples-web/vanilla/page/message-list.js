/**
 * The messages, oldest first, and where in them the reader is.
 *
 * Owns the list's DOM, the scroll position, and the marks between messages. Every text goes in as text.
 */
import { messageRow, pendingRow } from './message-row.js';
import { dayWords, isSameDay, newMessagesWords } from './words.js';

/** Closer to the end than this, and the reader follows what comes. */
const END_PX = 64;
/** Closer to the start than this, and older messages are wanted. */
const START_PX = 240;
/** Messages of one sender within this time stand together. */
const TOGETHER_MS = 5 * 60_000;

const HISTORY_WORDS = {
  none: '',
  loading: 'Loading messages…',
  start: 'This is the beginning of the conversation.',
  empty: 'Nothing here yet. Say hello!',
  failed: 'Older messages could not be loaded. Scroll up to try again.',
};

export class MessageList {
  #log;
  #list;
  #historyState;
  #pill;
  #ownId;
  #nameOf;
  #onNearStart;
  /** `{ message, row }`, oldest first. */
  #entries = [];
  #ids = new Set();
  /** Messages of ours that are not stored yet: `{ text, row }`. */
  #pending = [];
  #generation = 0;
  #isStart = true;
  #followsEnd = true;
  #newCount = 0;

  /**
   * @param {HTMLElement} view
   * @param {object} options
   * @param {AbortSignal} options.signal
   * @param {string} options.ownId
   * @param {(userId: string) => string} options.nameOf
   * @param {() => void} options.onNearStart Called while the reader is near the oldest message.
   */
  constructor(view, { signal, ownId, nameOf, onNearStart }) {
    this.#log = view.querySelector('#log');
    this.#list = view.querySelector('#messages');
    this.#historyState = view.querySelector('#history-state');
    this.#pill = view.querySelector('#new-pill');
    this.#ownId = ownId;
    this.#nameOf = nameOf;
    this.#onNearStart = onNearStart;
    this.#log.addEventListener('scroll', () => this.#handleScroll(), { signal, passive: true });
    this.#pill.addEventListener(
      'click',
      () => {
        this.#scrollToEnd();
        // The pill goes away; focus must not go with it.
        this.#log.focus({ preventScroll: true });
      },
      { signal },
    );
    // A keyboard that opens, a field that grows: whoever was at the end stays there.
    const observer = new ResizeObserver(() => {
      if (this.#followsEnd) this.#scrollToEnd();
    });
    observer.observe(this.#log);
    signal.addEventListener('abort', () => observer.disconnect());
    this.clear();
    this.showHistoryState('loading');
  }

  /** Counts up whenever the list starts afresh. */
  get generation() {
    return this.#generation;
  }

  /** When the oldest message was stored; undefined when nothing older is to be had. */
  get oldestCreatedAt() {
    return this.#isStart ? undefined : this.#entries[0]?.message.createdAt;
  }

  clear() {
    this.#generation += 1;
    this.#entries = [];
    this.#ids.clear();
    this.#pending = [];
    this.#isStart = true;
    this.#list.replaceChildren();
    this.showHistoryState('none');
    this.#scrollToEnd();
  }

  /**
   * Starts afresh with the newest messages; those that are being sent stay.
   *
   * @param {object[]} messages Oldest first.
   * @param {{ isStart: boolean }} options Whether nothing is older than the first of them.
   */
  replace(messages, { isStart }) {
    this.#generation += 1;
    this.#isStart = isStart;
    this.#entries = [];
    this.#ids.clear();
    for (const message of messages) {
      if (!this.#ids.has(message.id)) this.#entries.push(this.#entryOf(message));
    }
    const rows = [...this.#entries, ...this.#pending].map(({ row }) => row);
    this.#quietly(() => this.#list.replaceChildren(...rows));
    for (let index = 0; index < this.#entries.length; index += 1) this.#mark(index);
    this.showHistoryState(this.#restingState());
    this.#scrollToEnd();
    // A screen taller than the page of messages has nothing to scroll: no event would tell.
    this.#handleScroll();
  }

  /** Puts older messages before the others; what the reader looks at stays where it is. */
  prepend(messages, { isStart }) {
    this.#isStart = isStart;
    const fresh = messages.filter(({ id }) => !this.#ids.has(id));
    const entries = fresh.map((message) => this.#entryOf(message));
    const fromEnd = this.#log.scrollHeight - this.#log.scrollTop;
    this.#quietly(() => this.#list.prepend(...entries.map(({ row }) => row)));
    this.#entries.unshift(...entries);
    for (let index = 0; index <= entries.length; index += 1) this.#mark(index);
    this.showHistoryState(this.#restingState());
    this.#log.scrollTop = this.#log.scrollHeight - fromEnd;
  }

  /** Shows a message that was stored, once. */
  add(message) {
    if (this.#ids.has(message.id)) return;
    const isOwn = message.senderId === this.#ownId;
    if (isOwn) this.#dropPendingLike(message);
    const entry = this.#entryOf(message);
    this.#entries.push(entry);
    this.#list.insertBefore(entry.row, this.#pending[0]?.row ?? null);
    this.#mark(this.#entries.length - 1);
    if (this.#historyState.dataset.state === 'empty') this.showHistoryState('start');
    this.#followOrCount(isOwn);
  }

  /** Shows a message of ours that is on its way. */
  addPending(text) {
    const pending = { text, row: pendingRow(text) };
    this.#pending.push(pending);
    this.#list.append(pending.row);
    this.#followOrCount(true);
    return pending;
  }

  /** The message is stored. It may have come by itself already. */
  confirm(pending, message) {
    this.#dropPending(pending);
    if (message) this.add(message);
  }

  /** The message was refused: says why, and offers another try. */
  fail(pending, words, onRetry) {
    if (!this.#pending.includes(pending)) return;
    const failed = pendingRow(pending.text, {
      problem: words,
      onRetry: () => {
        const again = pendingRow(pending.text);
        pending.row.replaceWith(again);
        pending.row = again;
        onRetry();
      },
      onDiscard: () => this.#dropPending(pending),
    });
    pending.row.replaceWith(failed);
    pending.row = failed;
    this.#followOrCount(true);
  }

  /** @param {keyof HISTORY_WORDS} state What stands above the oldest message. */
  showHistoryState(state) {
    this.#historyState.dataset.state = state;
    this.#historyState.textContent = HISTORY_WORDS[state];
  }

  #entryOf(message) {
    this.#ids.add(message.id);
    const isOwn = message.senderId === this.#ownId;
    return { message, row: messageRow(message, { isOwn, name: this.#nameOf(message.senderId) }) };
  }

  #restingState() {
    if (!this.#isStart) return 'none';
    return this.#entries.length === 0 ? 'empty' : 'start';
  }

  /** The first of ours that waits with the same text: its own answer may come later than the message itself. */
  #dropPendingLike({ senderId, text }) {
    if (senderId !== this.#ownId) return;
    const pending = this.#pending.find((candidate) => candidate.text === text);
    if (pending) this.#dropPending(pending);
  }

  #dropPending(pending) {
    if (!this.#pending.includes(pending)) return;
    this.#pending = this.#pending.filter((other) => other !== pending);
    pending.row.remove();
  }

  /** Day and sender are shown where they change. */
  #mark(index) {
    const entry = this.#entries[index];
    if (!entry) return;
    const { message, row } = entry;
    const previous = this.#entries[index - 1]?.message;
    const isNewDay = !previous || !isSameDay(previous.createdAt, message.createdAt);
    const isTogether =
      !isNewDay &&
      previous.senderId === message.senderId &&
      message.createdAt - previous.createdAt < TOGETHER_MS;
    row.showDay(isNewDay ? dayWords(message.createdAt) : undefined);
    row.classList.toggle('continued', isTogether);
  }

  #handleScroll() {
    this.#followsEnd = this.#distanceToEnd() < END_PX;
    if (this.#followsEnd) this.#showNewCount(0);
    if (this.#log.scrollTop < START_PX) this.#onNearStart();
  }

  #followOrCount(isOwn) {
    if (isOwn || this.#followsEnd) this.#scrollToEnd();
    else this.#showNewCount(this.#newCount + 1);
  }

  #showNewCount(count) {
    this.#newCount = count;
    this.#pill.hidden = count === 0;
    this.#pill.textContent = count === 0 ? '' : newMessagesWords(count);
  }

  #scrollToEnd() {
    this.#followsEnd = true;
    this.#log.scrollTop = this.#log.scrollHeight;
    this.#showNewCount(0);
  }

  #distanceToEnd() {
    return this.#log.scrollHeight - this.#log.clientHeight - this.#log.scrollTop;
  }

  /** Runs a change that a screen reader is not to read out: history is there to be read, not announced. */
  #quietly(change) {
    this.#log.ariaLive = 'off';
    change();
    setTimeout(() => {
      this.#log.ariaLive = 'polite';
    }, 100);
  }
}
