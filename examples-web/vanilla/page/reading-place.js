/**
 * Where in the messages the reader is, and how they stay there.
 *
 * Owns the scroll position and the button that tells of messages further down. Knows nothing about messages.
 */
import { FIELD_HEIGHT } from './field-height.js';
import { newMessagesWords } from './words.js';

/** Closer to the end than this, and the reader follows what comes. */
const END_PX = 64;
/** Closer to the start than this, and older messages are wanted. */
const START_PX = 240;

export class ReadingPlace {
  #log;
  #list;
  #pill;
  #onNearStart;
  #followsEnd = true;
  #newCount = 0;

  /**
   * @param {HTMLElement} view
   * @param {object} options
   * @param {AbortSignal} options.signal
   * @param {() => void} options.onNearStart Called while the reader is near the oldest message.
   */
  constructor(view, { signal, onNearStart }) {
    this.#log = view.querySelector('#log');
    this.#list = view.querySelector('#messages');
    this.#pill = view.querySelector('#new-pill');
    this.#onNearStart = onNearStart;
    this.#log.addEventListener('scroll', () => this.look(), { signal, passive: true });
    this.#pill.addEventListener(
      'click',
      () => {
        this.goToEnd();
        // The pill goes away; focus must not go with it.
        this.#log.focus({ preventScroll: true });
      },
      { signal },
    );
    // A keyboard that opens, a field or a message that grows: whoever was at the end stays there.
    const stay = () => {
      if (this.#followsEnd) this.goToEnd();
    };
    const observer = new ResizeObserver(stay);
    observer.observe(this.#log);
    observer.observe(this.#list);
    // A field that shrinks and grows again within one frame: nothing has another size, and yet the end was moved away.
    document.addEventListener(FIELD_HEIGHT, stay, { signal });
    signal.addEventListener('abort', () => observer.disconnect());
  }

  /** Looks again where the reader is: near the end, or near the start. */
  look() {
    this.#followsEnd = this.#log.scrollHeight - this.#log.clientHeight - this.#log.scrollTop < END_PX;
    if (this.#followsEnd) this.#showNewCount(0);
    if (this.#log.scrollTop < START_PX) this.#onNearStart();
  }

  /** Runs a change of the list. What the reader looks at stays where it is: the end, or the rows in sight. */
  keep(change) {
    if (this.#followsEnd) {
      change();
      this.goToEnd();
      return;
    }
    const top = this.#log.getBoundingClientRect().top;
    const inSight = [...this.#list.children]
      .map((row) => ({ row, place: row.getBoundingClientRect() }))
      .filter(({ place }) => place.bottom > top && place.top < top + this.#log.clientHeight)
      // By their lower edges: a day's name that comes and goes stands above.
      .map(({ row, place }) => ({ row, bottom: place.bottom }));
    change();
    const anchor = inSight.find(({ row }) => row.isConnected);
    if (anchor) this.#log.scrollTop += anchor.row.getBoundingClientRect().bottom - anchor.bottom;
  }

  /** Something came at the end. Whoever follows sees it; others are told. */
  greet({ isOwn }) {
    if (isOwn || this.#followsEnd) this.goToEnd();
    else this.#showNewCount(this.#newCount + 1);
  }

  goToEnd() {
    this.#followsEnd = true;
    this.#log.scrollTop = this.#log.scrollHeight;
    this.#showNewCount(0);
  }

  #showNewCount(count) {
    this.#newCount = count;
    this.#pill.hidden = count === 0;
    this.#pill.textContent = count === 0 ? '' : newMessagesWords(count);
  }
}
