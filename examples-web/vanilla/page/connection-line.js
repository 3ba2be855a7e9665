/**
 * What the connection is doing, in the header.
 *
 * Owns the line, its countdown, what is said while there is no network, and what of all that a screen reader hears:
 * a loss that lasts, and its end, each once. What the states mean is the client's business.
 */
import { connectionSpeech, connectionWords, OFFLINE_WORDS } from './words.js';

/** A pause shorter than this is no news: nobody counts one second down. */
const COUNTDOWN_MS_MIN = 1_500;
/** A loss that is over sooner is not announced. */
const LASTING_MS = 1_000;

export class ConnectionLine {
  #line;
  #words;
  #now;
  #notice;
  #speech;
  #onDone;
  #change = { state: 'connecting' };
  /** What is about to be said, or was said last. */
  #next;
  #tick;
  #speaking;

  /**
   * @param {HTMLElement} view
   * @param {object} options
   * @param {AbortSignal} options.signal
   * @param {() => void} options.onNow The visitor does not want to wait for the next attempt.
   * @param {() => void} options.onDone The button that has the focus goes away.
   */
  constructor(view, { signal, onNow, onDone }) {
    this.#line = view.querySelector('#connection');
    this.#words = view.querySelector('#connection-words');
    this.#now = view.querySelector('#connection-now');
    this.#notice = view.querySelector('#notice');
    this.#speech = view.querySelector('#connection-speech');
    this.#onDone = onDone;
    this.#now.addEventListener('click', () => onNow(), { signal });
    document.addEventListener('visibilitychange', () => this.#count(), { signal });
    signal.addEventListener('abort', () => this.#stop());
    this.#speech.textContent = '';
    this.show({ state: 'connecting' });
  }

  /** @param {{ state: string, retryAt?: number }} change As the client tells it. */
  show(change) {
    const isLong = change.retryAt !== undefined && change.retryAt - Date.now() >= COUNTDOWN_MS_MIN;
    this.#change = isLong ? change : { state: change.state };
    this.#line.dataset.state = change.state;
    this.#notice.textContent = change.state === 'offline' ? OFFLINE_WORDS : '';
    this.#count();
    this.#speakSoon(change.state);
  }

  /** Writes the seconds that are left, and comes back when there is one less. */
  #count() {
    clearTimeout(this.#tick);
    const { state, retryAt } = this.#change;
    const isCounting = retryAt !== undefined && state !== 'offline' && retryAt > Date.now();
    const leftMs = isCounting ? retryAt - Date.now() : undefined;
    this.#words.textContent = connectionWords(state, leftMs);
    if (!isCounting && this.#now === document.activeElement) this.#onDone();
    this.#now.hidden = !isCounting;
    if (isCounting && !document.hidden) {
      this.#tick = setTimeout(() => this.#count(), leftMs % 1_000 || 1_000);
    }
  }

  /** The seconds are for the eye. The ear is told when something has become different for long. */
  #speakSoon(state) {
    const speech = connectionSpeech(state);
    // Each attempt is told. It is still the same loss, and its time runs.
    if (speech === this.#next) return;
    this.#next = speech;
    clearTimeout(this.#speaking);
    if (speech === undefined) return;
    this.#speaking = setTimeout(
      () => {
        // A text that stands there is not written again: that there is a connection is no news after a short loss.
        if (this.#speech.textContent !== speech) this.#speech.textContent = speech;
      },
      state === 'connected' ? 0 : LASTING_MS,
    );
  }

  #stop() {
    clearTimeout(this.#tick);
    clearTimeout(this.#speaking);
  }
}
