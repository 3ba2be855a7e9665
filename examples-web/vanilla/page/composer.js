/**
 * Where a message is written.
 *
 * Owns the text field, its keys and growth, what it says when a text will not do, and when to say that somebody
 * types. What becomes of a text is not its business; one that becomes nothing is given back.
 */
import { fitHeight } from './field-height.js';
import { isBlank } from './texts.js';

/** No key for this long, and one has stopped typing. */
const TYPING_IDLE_MS = 4_000;
/** While one types, it is said again no more often than this. */
const TYPING_REPEAT_MS = 2_000;

export class Composer {
  #field;
  #button;
  #problem;
  #onSend;
  #onTyping;
  #onEditLast;
  #onDraft;
  #idleTimer;
  #toldTypingAt = -Infinity;

  /**
   * @param {HTMLElement} view
   * @param {object} options
   * @param {AbortSignal} options.signal
   * @param {string} options.draft What stood in the field when the page was left.
   * @param {(text: string) => void} options.onSend Gets a text that is not blank.
   * @param {(isTyping: boolean) => void} options.onTyping
   * @param {() => boolean} options.onEditLast Opens the last message for editing; gives whether there is one.
   * @param {(text: string) => void} options.onDraft Gets what stands in the field, to be remembered.
   */
  constructor(view, { signal, draft, onSend, onTyping, onEditLast, onDraft }) {
    const form = view.querySelector('#composer');
    this.#field = view.querySelector('#composer-text');
    this.#button = view.querySelector('#send-button');
    this.#problem = view.querySelector('#composer-problem');
    this.#onSend = onSend;
    this.#onTyping = onTyping;
    this.#onEditLast = onEditLast;
    this.#onDraft = onDraft;
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
    this.#problem.textContent = '';
    this.#show(draft);
  }

  focus() {
    this.#field.focus();
  }

  end() {
    clearTimeout(this.#idleTimer);
  }

  /** A text became nothing: it is here again, before what was written since, with the reason. */
  giveBack(text, words) {
    const since = this.#field.value;
    this.#write(isBlank(since) ? text : `${text}\n${since}`);
    this.#problem.textContent = words;
    this.#field.focus();
  }

  #handleKey(event) {
    // While an input method composes, Enter chooses a word.
    if (event.isComposing) return;
    if (event.key === 'Enter' && !event.shiftKey) {
      event.preventDefault();
      this.#send();
    } else if (event.key === 'ArrowUp' && this.#field.value === '' && this.#onEditLast()) {
      event.preventDefault();
    }
  }

  #handleEdit() {
    this.#problem.textContent = '';
    this.#write(this.#field.value);
    this.#tellTyping(!isBlank(this.#field.value));
  }

  #send() {
    const text = this.#field.value.trim();
    this.#field.focus();
    if (isBlank(text)) return;
    this.#problem.textContent = '';
    this.#write('');
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

  #write(text) {
    this.#show(text);
    this.#onDraft(text);
  }

  #show(text) {
    if (this.#field.value !== text) this.#field.value = text;
    fitHeight(this.#field);
    this.#button.setAttribute('aria-disabled', String(isBlank(text)));
  }
}
