/**
 * Where a message is written.
 *
 * Owns the text field, its keys and growth, and when to say that somebody types. What becomes of a text is
 * not its business.
 */

/** No key for this long, and one has stopped typing. */
const TYPING_IDLE_MS = 4_000;
/** While one types, it is said again no more often than this. */
const TYPING_REPEAT_MS = 2_000;

export class Composer {
  #field;
  #button;
  #onSend;
  #onTyping;
  #idleTimer;
  #toldTypingAt = -Infinity;

  /**
   * @param {HTMLElement} view
   * @param {object} options
   * @param {AbortSignal} options.signal
   * @param {(text: string) => void} options.onSend Gets a text that is not blank.
   * @param {(isTyping: boolean) => void} options.onTyping
   */
  constructor(view, { signal, onSend, onTyping }) {
    const form = view.querySelector('#composer');
    this.#field = view.querySelector('#composer-text');
    this.#button = view.querySelector('#send-button');
    this.#onSend = onSend;
    this.#onTyping = onTyping;
    form.addEventListener(
      'submit',
      (event) => {
        event.preventDefault();
        this.#send();
      },
      { signal },
    );
    this.#field.addEventListener('keydown', (event) => this.#handleKey(event), { signal });
    this.#field.addEventListener('input', () => this.#handleEdit(), { signal });
    this.#field.addEventListener('blur', () => this.#tellTyping(false), { signal });
    this.#field.value = '';
    this.#fit();
  }

  focus() {
    this.#field.focus();
  }

  end() {
    clearTimeout(this.#idleTimer);
  }

  #handleKey(event) {
    // While an input method composes, Enter chooses a word.
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.#send();
  }

  #handleEdit() {
    this.#fit();
    this.#tellTyping(this.#field.value.trim() !== '');
  }

  #send() {
    const text = this.#field.value.trim();
    this.#field.focus();
    if (text === '') return;
    this.#field.value = '';
    this.#fit();
    this.#tellTyping(false);
    this.#onSend(text);
  }

  #tellTyping(isTyping) {
    clearTimeout(this.#idleTimer);
    const wasTyping = this.#toldTypingAt !== -Infinity;
    if (isTyping) {
      this.#idleTimer = setTimeout(() => this.#tellTyping(false), TYPING_IDLE_MS);
      if (performance.now() - this.#toldTypingAt < TYPING_REPEAT_MS) return;
      this.#toldTypingAt = performance.now();
    } else {
      if (!wasTyping) return;
      this.#toldTypingAt = -Infinity;
    }
    this.#onTyping(isTyping);
  }

  /** As high as its text, up to what the style sheet allows. */
  #fit() {
    this.#field.style.height = 'auto';
    this.#field.style.height = `${this.#field.scrollHeight}px`;
    this.#button.setAttribute('aria-disabled', String(this.#field.value.trim() === ''));
  }
}
