/**
 * One message as an element, in whatever state it is: on its way, refused, stored, edited, deleted.
 *
 * Owns a row's inside, and changes it in place, so that nothing flickers and a screen reader does not hear an old
 * message again. Where the row stands among others is the list's business; what becomes of a message, the client's.
 */
import { avatar } from './avatar.js';
import { button, element, paragraph } from './elements.js';
import { find } from './linkify.mjs';
import { LINK_ATTRIBUTES, partsOf } from './links.js';
import { MessageActions } from './message-actions.js';
import { MessageEditor } from './message-editor.js';
import { beginning, focusText, readable } from './texts.js';
import {
  editedWords,
  fileWords,
  isoOf,
  momentWords,
  notChangedWords,
  notSentWords,
  progressWords,
  timeWords,
  UNVERIFIED_HINT,
  UNVERIFIED_WORDS,
} from './words.js';

const KINDS = ['pending', 'failed', 'refused', 'deleted'];

/** Whether a message is one's own and not stored yet. */
export function isWaiting({ id, clientMessageId }) {
  return id === clientMessageId;
}

export class MessageRow {
  element = element('li', 'message');
  /** Present on messages of one's own. */
  actions;
  #line = element('div', 'line');
  #bubble = element('div', 'bubble');
  #text = paragraph('text', '');
  #attachments = element('div', 'attachments');
  #edited = element('span', 'edited', 'edited');
  #time = element('time', 'time');
  #progress = element('span', 'progress');
  #note;
  #day;
  #editor;
  #message;
  #handlers;

  /**
   * @param {object} message As the client shows it: see `ShownMessage`.
   * @param {object} options
   * @param {boolean} options.isOwn
   * @param {string} options.name What to call the sender.
   * @param {object} handlers For messages of one's own.
   * @param {(message: object, text: string) => Promise<void>} handlers.onEdit
   * @param {(message: object) => void} handlers.onDelete
   * @param {(message: object) => void} handlers.onRetry
   * @param {(message: object) => void} handlers.onDiscard
   * @param {(text: string | undefined) => void} handlers.onEditEnd Editing ended; with a text that was not saved
   *   because the message is no more.
   */
  constructor(message, { isOwn, name }, handlers) {
    this.#handlers = handlers;
    this.element.classList.add(message.senderType === 'system' ? 'system' : isOwn ? 'own' : 'other');
    const meta = element('p', 'meta');
    meta.append(this.#edited, this.#progress, this.#time);
    this.#bubble.append(senderLine(message, isOwn, name), this.#text, this.#attachments, meta);
    this.#line.append(this.#bubble);
    if (!isOwn) this.#line.prepend(avatar(message.senderId, name));
    this.element.append(this.#line);
    if (isOwn && message.senderType !== 'system') this.#addActions();
  }

  /** Whether it can be edited and deleted now. */
  get isChangeable() {
    return this.actions !== undefined && !this.actions.element.hidden;
  }

  /**
   * Shows the message as it is now.
   *
   * @param {object} message
   * @param {{ isOffline: boolean }} circumstances
   */
  show(message, { isOffline }) {
    this.#message = message;
    const { text, status, createdAt, editedAt, deletedAt, attachments = [] } = message;
    const isStored = !isWaiting(message);
    const isDeleted = deletedAt !== undefined;
    const kinds = {
      pending: status === 'pending',
      failed: status === 'failed' && !isStored,
      refused: status === 'failed' && isStored,
      deleted: isDeleted,
    };
    for (const kind of KINDS) this.element.classList.toggle(kind, kinds[kind]);
    this.element.dataset.id = message.id;

    writeLinked(this.#text, isDeleted ? 'Message deleted' : text);
    this.#attachments.replaceChildren(...attachments.map(attachmentLink));
    // What is being saved has been edited, that goes without saying.
    this.#edited.hidden = editedAt === undefined || isDeleted || status === 'pending';
    this.#edited.title = editedAt === undefined ? '' : editedWords(editedAt);
    write(this.#progress, status === 'pending' ? progressWords({ isStored, isDeleted, isOffline }) : '');
    this.#time.hidden = !isStored || status === 'pending';
    this.#time.dateTime = isoOf(createdAt);
    this.#time.title = momentWords(createdAt);
    write(this.#time, timeWords(createdAt));

    this.#showFailure(message, isStored);
    this.actions?.setAvailable(isStored && !isDeleted && this.#editor === undefined);
    if (isDeleted && this.#editor) this.#endEditing(this.#editor.isChanged ? this.#editor.text : undefined);
  }

  /** @param {string | undefined} words The day that begins with this message. */
  showDay(words) {
    if (this.#day?.textContent === words) return;
    this.#day?.remove();
    this.#day = words === undefined ? undefined : element('p', 'day', words);
    if (this.#day) this.element.prepend(this.#day);
  }

  /** Opens the form in the bubble's place. */
  edit() {
    if (this.#editor || !this.isChangeable) return;
    this.#editor = new MessageEditor(this.#message.text, {
      onSave: (text) => this.#handlers.onEdit(this.#message, text),
      onEnd: () => this.#endEditing(),
    });
    this.#bubble.hidden = true;
    this.actions.setAvailable(false);
    this.#line.append(this.#editor.element);
    this.#editor.focus();
  }

  #addActions() {
    this.actions = new MessageActions({
      onEdit: () => this.edit(),
      onDelete: () => this.#handlers.onDelete(this.#message),
    });
    this.#bubble.append(this.actions.element);
    this.element.append(this.actions.question);
  }

  #endEditing(unsaved) {
    if (!this.#editor) return;
    this.#editor.element.remove();
    this.#editor = undefined;
    this.#bubble.hidden = false;
    this.actions.setAvailable(this.#message.deletedAt === undefined);
    this.#handlers.onEditEnd(unsaved);
  }

  /** Why it was refused, and the two ways on. */
  #showFailure({ status, error }, isStored) {
    const say = isStored ? notChangedWords : notSentWords;
    const words = status === 'failed' ? say(error) : '';
    // The same note is left alone: its buttons may have the focus.
    if (this.#note?.firstChild.textContent === words) return;
    this.#note?.remove();
    this.#note = undefined;
    if (words === '') return;
    this.#note = element('div', 'note');
    this.#note.append(
      element('p', 'note-words', words),
      button('link-button', 'Try again', () => this.#handlers.onRetry(this.#message)),
      button('link-button', 'Discard', () => this.#handlers.onDiscard(this.#message)),
    );
    this.element.append(this.#note);
  }
}

function senderLine({ verified }, isOwn, name) {
  const line = paragraph('sender', '');
  line.append(isOwn ? 'You' : element('bdi', '', name));
  if (verified === false) {
    const mark = element('span', 'unverified', UNVERIFIED_WORDS);
    mark.title = UNVERIFIED_HINT;
    line.append(' ', mark);
  }
  return line;
}

/** Writing the same text again would have it read out again. */
function write(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

/** The text that stands in an element, and whether all of it is shown. */
const written = new WeakMap();

/** The same for what somebody wrote: addresses in it are links, and of a long one the beginning is shown at first. */
function writeLinked(target, text) {
  const before = written.get(target);
  if (before?.text === text) return;
  showLinked(target, text, before?.isWhole ?? false);
}

function showLinked(target, text, isWhole) {
  written.set(target, { text, isWhole });
  const whole = readable(text);
  const shown = isWhole ? whole : beginning(whole);
  const parts = partsOf(shown, find).map(({ text, href }) =>
    href === undefined ? text : Object.assign(element('a', '', text), { href, ...LINK_ATTRIBUTES }),
  );
  target.replaceChildren(...parts);
  if (shown.length === whole.length) return;
  const button = Object.assign(element('button', 'link-button', 'Show all'), { type: 'button' });
  button.addEventListener('click', () => {
    focusText(button);
    showLinked(target, text, true);
  });
  target.append('… ', button);
}

function attachmentLink({ url, filename }) {
  const link = element('a', 'attachment', fileWords(filename));
  link.dir = 'auto';
  // The Worker stores no other schemes; a page that shows what strangers wrote looks again.
  link.href = url;
  if (link.protocol !== 'http:' && link.protocol !== 'https:') link.removeAttribute('href');
  link.target = '_blank';
  link.rel = 'noopener noreferrer nofollow';
  return link;
}
