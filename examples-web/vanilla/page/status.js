/**
 * How the connection does, and what went wrong, in words.
 *
 * Owns the status line and the banner. What the states mean is the client's business.
 */
import { connectionWords, errorWords } from './words.js';

export class Status {
  #line;
  #lineWords;
  #banner;
  #bannerWords;
  #button;
  #onRetry;

  /**
   * @param {HTMLElement} view
   * @param {{ signal: AbortSignal }} options
   */
  constructor(view, { signal }) {
    this.#line = view.querySelector('#connection');
    this.#lineWords = view.querySelector('#connection-words');
    this.#banner = view.querySelector('#banner');
    this.#bannerWords = view.querySelector('#banner-words');
    this.#button = view.querySelector('#banner-button');
    this.#button.addEventListener(
      'click',
      () => {
        const retry = this.#onRetry;
        this.hideError();
        retry?.();
      },
      { signal },
    );
    this.hideError();
    this.#showLine('connecting');
  }

  /**
   * Shows what the client's connection is doing.
   *
   * @param {{ state: string, reason?: Error }} change
   * @param {() => void} retry For a state that does not end by itself.
   */
  showState({ state, reason }, retry) {
    this.#showLine(state);
    if (state === 'connected') this.hideError();
    if (state === 'failed') this.showError(errorWords(reason), retry);
  }

  /**
   * @param {string} words
   * @param {() => void} [retry] What the banner's button does; without it the button dismisses the banner.
   */
  showError(words, retry) {
    // What stands there with a way out is worth more than a remark.
    if (this.#onRetry && !retry) return;
    this.#onRetry = retry;
    this.#button.textContent = retry ? 'Try again' : 'Dismiss';
    this.#bannerWords.textContent = words;
    this.#banner.hidden = false;
  }

  hideError() {
    this.#onRetry = undefined;
    this.#banner.hidden = true;
    this.#bannerWords.textContent = '';
  }

  #showLine(state) {
    if (this.#line.dataset.state === state && this.#lineWords.textContent !== '') return;
    this.#line.dataset.state = state;
    this.#lineWords.textContent = connectionWords(state);
  }
}
