/**
 * The messages, oldest first: stored ones in the order of the log, then one's own that are on their way.
 *
 * Owns the list's DOM, each message's one place in it, and the marks between messages. What a row shows is the
 * row's business, where the reader is that of the reading place.
 */
import { isWaiting, MessageRow } from './message-row.js';
import { ReadingPlace } from './reading-place.js';
import { areBySame, dayWords, isBy, isSameDay } from './words.js';

/** Messages of one sender within this time stand together. */
const TOGETHER_MS = 5 * 60_000;

const HISTORY_WORDS = {
  none: '',
  loading: 'Loading messages…',
  start: 'This is the beginning of the conversation.',
  empty: 'Nothing here yet. Say hello!',
  failed: 'Older messages could not be loaded. Scroll up to try again.',
};

/** The order of the log; what waits stands behind it, in the order of the outbox, which is that of writing. */
function compare({ message: a }, { message: b }) {
  const later = Number(isWaiting(a)) - Number(isWaiting(b));
  if (later !== 0) return later;
  const bySeq = a.seq !== undefined && b.seq !== undefined ? a.seq - b.seq : 0;
  return bySeq || a.createdAt - b.createdAt;
}

export class MessageList {
  #log;
  #list;
  #historyState;
  #place;
  #ownId;
  #nameOf;
  #handlers;
  /** `{ message, row }` in order. */
  #entries = [];
  /** The same by the message's id, which is the sender's own until the message is stored. */
  #byId = new Map();
  #generation = 0;
  #isStart = true;
  #isOffline = false;
  /** The row whose buttons the Tab key stops at: one of all of them, so that the way to the field is short. */
  #tabRow;

  /**
   * @param {HTMLElement} view
   * @param {object} options
   * @param {AbortSignal} options.signal
   * @param {string} options.ownId
   * @param {(userId: string) => string} options.nameOf
   * @param {() => void} options.onNearStart Called while the reader is near the oldest message.
   * @param {object} options.handlers What one may do with one's own messages: see `MessageRow`.
   */
  constructor(view, { signal, ownId, nameOf, onNearStart, handlers }) {
    this.#log = view.querySelector('#log');
    this.#list = view.querySelector('#messages');
    this.#historyState = view.querySelector('#history-state');
    this.#ownId = ownId;
    this.#nameOf = nameOf;
    this.#handlers = handlers;
    this.#place = new ReadingPlace(view, { signal, onNearStart });
    this.#list.addEventListener('keydown', (event) => this.#handleKey(event), { signal });
    this.#list.addEventListener('focusin', (event) => this.#followFocus(event.target), { signal });
    view.addEventListener('pointerup', (event) => this.#handleTap(event), { signal });
    this.clear();
  }

  /** Counts up whenever the list starts afresh. */
  get generation() {
    return this.#generation;
  }

  /** How many messages are shown. */
  get count() {
    return this.#entries.length;
  }

  /** When the oldest message was stored; undefined when nothing older is to be had. */
  get oldestCreatedAt() {
    const [oldest] = this.#entries;
    return this.#isStart || !oldest || isWaiting(oldest.message) ? undefined : oldest.message.createdAt;
  }

  /** How many messages, edits and deletions wait to be sent or have failed: `{ pending, failed }`. */
  get unsent() {
    const count = (status) => this.#entries.filter(({ message }) => message.status === status).length;
    return { pending: count('pending'), failed: count('failed') };
  }

  focus() {
    this.#log.focus({ preventScroll: true });
  }

  clear() {
    this.#generation += 1;
    this.#entries = [];
    this.#byId.clear();
    this.#tabRow = undefined;
    this.#isStart = true;
    this.#list.replaceChildren();
    this.#showHistoryState('none');
    this.#place.goToEnd();
  }

  /**
   * Starts afresh with the newest messages. What is on its way stays, and so does what the reader looks at where it
   * is among them.
   *
   * @param {object[]} messages Oldest first.
   * @param {{ isStart: boolean }} options Whether nothing is older than the first of them.
   */
  replace(messages, { isStart }) {
    this.#generation += 1;
    this.#isStart = isStart;
    const known = this.#byId;
    const waiting = this.#entries.filter(({ message }) => isWaiting(message));
    this.#byId = new Map(waiting.map((entry) => [entry.message.id, entry]));
    const stored = messages.filter(({ id }) => !this.#byId.has(id));
    this.#entries = [...stored.map((message) => this.#entryOf(message, known)), ...waiting];
    this.#rearrange();
    // A screen taller than the page of messages has nothing to scroll: no event would tell.
    this.#place.look();
  }

  /** Puts older messages before the others; what the reader looks at stays where it is. */
  prepend(messages, { isStart }) {
    this.#isStart = isStart;
    const fresh = messages.filter(({ id }) => !this.#byId.has(id));
    this.#entries.unshift(...fresh.map((message) => this.#entryOf(message)));
    this.#rearrange();
  }

  /** Shows a message that was stored, once. */
  add(message) {
    if (this.#byId.has(message.id)) return;
    const entry = this.#entryOf(message);
    this.#insert(entry);
    this.#place.greet({ isOwn: isBy(message, this.#ownId) });
  }

  /** Takes what became of a message: of one's own on its way, or of anybody's that was edited or deleted. */
  follow(update) {
    const waiting = this.#byId.get(update.clientMessageId);
    if (update.dropped) {
      if (waiting) this.#remove(waiting);
    } else if (isWaiting(update)) {
      this.#followWaiting(waiting, update);
    } else if (waiting) {
      this.#settle(waiting, update);
    } else {
      const known = this.#byId.get(update.id);
      // What is not shown comes with the page that holds it. What is older than what is shown comes late.
      if (known && update.updatedAt >= known.message.updatedAt) this.#show(known, update);
    }
  }

  /** Whether there is a network: what waits says what it waits for. */
  setOffline(isOffline) {
    if (isOffline === this.#isOffline) return;
    this.#isOffline = isOffline;
    for (const entry of this.#entries) {
      if (entry.message.status === 'pending') entry.row.show(entry.message, { isOffline });
    }
  }

  /** Opens the form for the last of one's own messages that can be edited. Gives whether there is one. */
  editLast() {
    const last = this.#entries.findLast(({ row }) => row.isChangeable);
    last?.row.edit();
    return last !== undefined;
  }

  /** Messages are being loaded. */
  beginLoading() {
    this.#showHistoryState('loading');
  }

  /** They did not come. */
  endLoading(state = 'none') {
    if (this.#historyState.dataset.state === 'loading') this.#showHistoryState(state);
  }

  /** @param {keyof HISTORY_WORDS} state What stands above the oldest message. */
  #showHistoryState(state) {
    this.#historyState.dataset.state = state;
    this.#historyState.textContent = HISTORY_WORDS[state];
  }

  /** Makes an entry, with the row that `known` has for the message, if it has one. */
  #entryOf(message, known = new Map()) {
    const isOwn = isBy(message, this.#ownId);
    const row =
      known.get(message.id)?.row ??
      new MessageRow(message, { isOwn, name: this.#nameOf(message.senderId) }, this.#handlers);
    row.show(message, { isOffline: this.#isOffline });
    const entry = { message, row };
    this.#byId.set(message.id, entry);
    return entry;
  }

  #followWaiting(known, update) {
    const isTriedAgain = known?.message.status === 'failed' && update.status === 'pending';
    if (known && !isTriedAgain) {
      this.#show(known, update);
      return;
    }
    // What is tried again goes behind all others.
    if (known) this.#remove(known);
    this.#insert(this.#entryOf(update));
    this.#place.greet({ isOwn: true });
  }

  /** A message of one's own is stored: its row becomes that of the stored message. */
  #settle(waiting, message) {
    if (this.#byId.has(message.id)) {
      this.#remove(waiting);
      return;
    }
    this.#byId.delete(waiting.message.id);
    this.#byId.set(message.id, waiting);
    this.#entries.splice(this.#entries.indexOf(waiting), 1);
    waiting.message = message;
    this.#insert(waiting);
    this.#show(waiting, message);
  }

  #show(entry, message) {
    entry.message = message;
    this.#place.keep(() => entry.row.show(message, { isOffline: this.#isOffline }));
    this.#chooseTabRow();
  }

  /** Gives an entry its place. */
  #insert(entry) {
    let index = this.#entries.length;
    while (index > 0 && compare(this.#entries[index - 1], entry) > 0) index -= 1;
    this.#entries.splice(index, 0, entry);
    const next = this.#entries[index + 1]?.row.element ?? null;
    // An element that is moved loses the focus: one that is in its place is left alone.
    if (!entry.row.element.isConnected || entry.row.element.nextSibling !== next) {
      this.#list.insertBefore(entry.row.element, next);
    }
    this.#mark(index);
    this.#mark(index + 1);
    if (this.#historyState.dataset.state === 'empty') this.#showHistoryState('start');
    this.#chooseTabRow();
  }

  #remove(entry) {
    const index = this.#entries.indexOf(entry);
    this.#entries.splice(index, 1);
    this.#byId.delete(entry.message.id);
    this.#place.keep(() => entry.row.element.remove());
    this.#mark(index);
    if (this.#historyState.dataset.state === 'start') this.#showHistoryState(this.#restingState());
    this.#chooseTabRow();
  }

  /** Brings the DOM in line with the entries. */
  #rearrange() {
    this.#place.keep(() =>
      this.#quietly(() => {
        const wanted = new Set(this.#entries.map(({ row }) => row.element));
        for (const element of [...this.#list.children]) if (!wanted.has(element)) element.remove();
        let next = this.#list.firstChild;
        for (const element of wanted) {
          if (element === next) next = next.nextSibling;
          else this.#list.insertBefore(element, next);
        }
        for (let index = 0; index < this.#entries.length; index += 1) this.#mark(index);
        this.#showHistoryState(this.#restingState());
      }),
    );
    this.#chooseTabRow();
  }

  #restingState() {
    if (!this.#isStart) return 'none';
    return this.#entries.length === 0 ? 'empty' : 'start';
  }

  /** Day and sender are shown where they change. */
  #mark(index) {
    const entry = this.#entries[index];
    if (!entry) return;
    const { message, row } = entry;
    const previous = this.#entries[index - 1]?.message;
    const isNewDay = !previous || !isSameDay(previous.createdAt, message.createdAt);
    const isTogether =
      !isNewDay && areBySame(previous, message) && message.createdAt - previous.createdAt < TOGETHER_MS;
    row.showDay(isNewDay ? dayWords(message.createdAt) : undefined);
    row.element.classList.toggle('continued', isTogether);
  }

  /** The Tab key stops at the row that was last used, else at the last one. */
  #chooseTabRow() {
    const isUsed = this.#tabRow?.element.contains(document.activeElement) && this.#tabRow.isChangeable;
    if (!isUsed) this.#setTabRow(this.#entries.findLast(({ row }) => row.isChangeable)?.row);
  }

  #setTabRow(row) {
    if (row === this.#tabRow) return;
    this.#tabRow?.actions.setTabbable(false);
    this.#tabRow = row;
    row?.actions.setTabbable(true);
  }

  #followFocus(target) {
    const entry = this.#entries.find(({ row }) => row.actions?.element.contains(target));
    if (entry) this.#setTabRow(entry.row);
  }

  /** From one message's buttons the arrows lead to the next one's. */
  #handleKey(event) {
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    const rows = this.#entries.map(({ row }) => row).filter(({ isChangeable }) => isChangeable);
    const index = rows.findIndex(({ actions }) => actions.element.contains(event.target));
    if (step === undefined || index === -1) return;
    event.preventDefault();
    rows[index + step]?.actions.takeFocusFrom(rows[index].actions);
  }

  /** A finger can not hover: it shows a message's buttons by a tap on it, and hides them by one elsewhere. */
  #handleTap({ pointerType, target }) {
    if (pointerType === 'mouse') return;
    const touched = target.closest('.message.own');
    for (const { row } of this.#entries) {
      row.element.classList.toggle('touched', row.element === touched);
    }
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
