/**
 * What one may do with a message of one's own: edit it, or delete it after being asked once more.
 *
 * Owns the buttons and the question. They are always there for the keyboard and for screen readers; the style
 * sheet shows them to the eye when a pointer or the focus is near.
 */
import { button, element, iconButton } from './elements.js';

export class MessageActions {
  /** Floats at the bubble. */
  element = element('div', 'actions');
  /** Stands below the bubble while it is asked. */
  question = element('div', 'question');
  #edit;
  #delete;
  #keep;

  /**
   * @param {object} handlers
   * @param {() => void} handlers.onEdit
   * @param {() => void} handlers.onDelete It was asked, and answered.
   */
  constructor({ onEdit, onDelete }) {
    this.#edit = iconButton('action', 'edit', 'Edit message', onEdit);
    this.#delete = iconButton('action', 'delete', 'Delete message', () => this.#ask());
    this.element.append(this.#edit, this.#delete);
    this.#keep = button('quiet small', 'Keep', () => this.#endQuestion());
    const words = element('p', '', 'Delete this for everybody?');
    const answers = element('div', 'answers');
    const confirm = button('danger small', 'Delete', () => {
      this.question.hidden = true;
      onDelete();
    });
    this.question.role = 'group';
    this.question.ariaLabel = words.textContent;
    this.question.hidden = true;
    answers.append(this.#keep, confirm);
    this.question.append(words, answers);
    this.question.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape') return;
      event.stopPropagation();
      this.#endQuestion();
    });
    this.setTabbable(false);
  }

  /** Whether the buttons are stops of the Tab key. */
  setTabbable(isTabbable) {
    for (const one of [this.#edit, this.#delete]) one.tabIndex = isTabbable ? 0 : -1;
  }

  /** Moves the focus here, to the button that corresponds to `other`'s focused one. */
  takeFocusFrom(other) {
    const isDelete = other.#delete === document.activeElement;
    (isDelete ? this.#delete : this.#edit).focus();
  }

  /** Takes the buttons, and a question that stands there, away or back. */
  setAvailable(isAvailable) {
    this.element.hidden = !isAvailable;
    if (!isAvailable) this.question.hidden = true;
  }

  focus() {
    this.#edit.focus();
  }

  #ask() {
    this.question.hidden = false;
    // Not the button that deletes: a key that is held down would press it, too.
    this.#keep.focus();
    this.question.scrollIntoView({ block: 'nearest' });
  }

  #endQuestion() {
    this.question.hidden = true;
    this.#delete.focus();
  }
}
