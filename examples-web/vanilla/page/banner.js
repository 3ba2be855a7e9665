/**
 * What went wrong, in words and with a way out: the banner.
 *
 * Owns the banner. What errors mean is the client's business.
 */
export class Banner {
  #banner;
  #words;
  #button;
  #onRetry;

  /**
   * @param {HTMLElement} view
   * @param {object} options
   * @param {AbortSignal} options.signal
   * @param {() => void} options.onDone The button was pressed and goes away: focus must not go with it.
   */
  constructor(view, { signal, onDone }) {
    this.#banner = view.querySelector('#banner');
    this.#words = view.querySelector('#banner-words');
    this.#button = view.querySelector('#banner-button');
    this.#button.addEventListener(
      'click',
      () => {
        const retry = this.#onRetry;
        this.hide();
        onDone();
        retry?.();
      },
      { signal },
    );
    this.hide();
  }

  /**
   * @param {string} words
   * @param {() => void} [retry] What the banner's button does; without it the button dismisses the banner.
   */
  show(words, retry) {
    // What stands there with a way out is worth more than a remark.
    if (this.#onRetry && !retry) return;
    this.#onRetry = retry;
    this.#button.textContent = retry ? 'Try again' : 'Dismiss';
    this.#words.textContent = words;
    this.#banner.hidden = false;
  }

  hide() {
    this.#onRetry = undefined;
    this.#banner.hidden = true;
    this.#words.textContent = '';
  }
}
