/**
 * The form in which a message of one's own is written anew, in the place of its bubble.
 *
 * Owns the form, its keys and what it says when the new text will not do. What becomes of the text is not its
 * business.
 */
import { button, element } from './elements.js';
import { fitHeight } from './field-height.js';
import { isBlank } from './texts.js';
import { errorWords } from './words.js';

export class MessageEditor {
  element = element('form', 'edit-form');
  #field = element('textarea', '');
  #problem = element('p', 'problem');
  #save = element('button', 'primary small', 'Save');
  #before;
  #onSave;
  #onEnd;
  #isSaving = false;

  /**
   * @param {string} text What the message says.
   * @param {object} options
   * @param {(text: string) => Promise<void>} options.onSave Gets a text that is new and not blank. A rejection
   *   leaves the form open and is told in it.
   * @param {() => void} options.onEnd The form is done with: its text is saved or given up.
   */
  constructor(text, { onSave, onEnd }) {
    this.#before = text;
    this.#onSave = onSave;
    this.#onEnd = onEnd;
    this.element.ariaLabel = 'Edit message';
    this.#field.ariaLabel = 'New text';
    this.#field.rows = 1;
    this.#field.dir = 'auto';
    this.#field.value = text;
    this.#problem.role = 'alert';
    const foot = element('div', 'edit-foot');
    const hint = element('span', 'edit-hint', 'Enter saves, Escape cancels');
    foot.append(hint, button('quiet small', 'Cancel', onEnd), this.#save);
    this.element.append(this.#field, this.#problem, foot);
    this.element.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.element.addEventListener('keydown', (event) => this.#handleKey(event));
    this.#field.addEventListener('input', () => this.#fit());
  }

  /** What stands in the form. */
  get text() {
    return this.#field.value.trim();
  }

  /** Whether something was written that would get lost. */
  get isChanged() {
    return !isBlank(this.text) && this.text !== this.#before;
  }

  /** To be called once the form is on the page. */
  focus() {
    this.#fit();
    this.#field.focus();
    this.#field.setSelectionRange(this.#field.value.length, this.#field.value.length);
    this.element.scrollIntoView({ block: 'nearest' });
  }

  #handleKey(event) {
    // While an input method composes, Enter chooses a word and Escape gives it up.
    if (event.isComposing) return;
    if (event.key === 'Escape') {
      // Escape closes one thing at a time.
      event.stopPropagation();
      this.#onEnd();
    } else if (event.key === 'Enter' && !event.shiftKey && event.target === this.#field) {
      event.preventDefault();
      this.#submit();
    }
  }

  async #submit() {
    if (isBlank(this.text) || this.#isSaving) return;
    if (!this.isChanged) {
      this.#onEnd();
      return;
    }
    this.#isSaving = true;
    this.#problem.textContent = '';
    try {
      await this.#onSave(this.text);
      this.#onEnd();
    } catch (error) {
      this.#problem.textContent = errorWords(error);
    } finally {
      this.#isSaving = false;
    }
  }

  #fit() {
    fitHeight(this.#field);
    this.#save.setAttribute('aria-disabled', String(isBlank(this.text)));
  }
}
