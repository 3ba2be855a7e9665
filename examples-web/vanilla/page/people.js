/**
 * Who is here, who types, and what everybody is called.
 *
 * Owns the panel, the typing line and the table of names. A message carries only its sender's id; the names
 * come from presence, and from the id itself for those who have left.
 */
import { avatar } from './avatar.js';
import { nameInUserId, peopleInList, typingWords } from './words.js';

export class People {
  #ownId;
  #names = new Map();
  /** User ids, in the order in which they began. */
  #typists = new Set();
  #panel;
  #list;
  #count;
  #button;
  #typingLine;

  /**
   * @param {HTMLElement} view
   * @param {string} ownId
   * @param {{ signal: AbortSignal }} options
   */
  constructor(view, ownId, { signal }) {
    this.#ownId = ownId;
    this.#panel = view.querySelector('#people');
    this.#list = view.querySelector('#people-list');
    this.#count = view.querySelector('#people-count');
    this.#button = view.querySelector('#people-button');
    this.#typingLine = view.querySelector('#typing');
    this.#button.addEventListener('click', () => this.#openPanel(!this.#isOpen()), { signal });
    view.addEventListener(
      'keydown',
      (event) => {
        if (event.key !== 'Escape' || !this.#isOpen()) return;
        this.#openPanel(false);
        this.#button.focus();
      },
      { signal },
    );
    view.addEventListener(
      'pointerdown',
      (event) => {
        const isInside = this.#panel.contains(event.target) || this.#button.contains(event.target);
        if (!isInside) this.#openPanel(false);
      },
      { signal },
    );
    this.#openPanel(false);
    this.setPresent([]);
    this.clearTyping();
  }

  /** What to call somebody. */
  nameOf(userId) {
    return this.#names.get(userId) ?? nameInUserId(userId);
  }

  /** @param {{ userId: string, name?: string, role: string }[]} users All who are here. */
  setPresent(users) {
    for (const { userId, name } of users) {
      if (name) this.#names.set(userId, name);
    }
    const named = users.map(({ userId }) => ({ userId, name: this.nameOf(userId) }));
    const { listed, othersWords } = peopleInList(named, this.#ownId);
    const rows = listed.map((person) => personRow(person, person.userId === this.#ownId));
    if (othersWords) rows.push(othersRow(othersWords));
    this.#list.replaceChildren(...rows);
    this.#count.textContent = String(users.length);
    this.#button.hidden = users.length === 0;
    const here = new Set(users.map(({ userId }) => userId));
    for (const userId of this.#typists) {
      if (!here.has(userId)) this.#typists.delete(userId);
    }
    this.#showTyping();
  }

  setTyping(userId, isTyping) {
    if (userId === this.#ownId) return;
    if (isTyping) this.#typists.add(userId);
    else this.#typists.delete(userId);
    this.#showTyping();
  }

  clearTyping() {
    this.#typists.clear();
    this.#showTyping();
  }

  #showTyping() {
    const words = typingWords([...this.#typists].map((userId) => this.nameOf(userId)));
    // Writing the same text again would have it read out again.
    if (this.#typingLine.textContent !== words) this.#typingLine.textContent = words;
  }

  #isOpen() {
    return this.#button.getAttribute('aria-expanded') === 'true';
  }

  #openPanel(open) {
    this.#button.setAttribute('aria-expanded', String(open));
    this.#panel.classList.toggle('open', open);
  }
}

function personRow({ userId, name }, isOwn) {
  const row = document.createElement('li');
  row.className = 'person';
  row.dataset.userId = userId;
  const label = document.createElement('span');
  label.dir = 'auto';
  label.className = 'person-name';
  label.textContent = name;
  row.append(avatar(userId, name), label);
  if (isOwn) {
    const own = document.createElement('span');
    own.className = 'person-own';
    own.textContent = '(you)';
    row.append(own);
  }
  return row;
}

function othersRow(words) {
  const row = document.createElement('li');
  row.className = 'others';
  row.textContent = words;
  return row;
}
