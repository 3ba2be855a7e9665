/**
 * The page as a visitor uses it: by labels and words, not by its insides.
 */
import assert from 'node:assert/strict';
import { assertAccessible, assertFits, leavePicture, lookAt } from './looks.mjs';

export class ChatPage {
  /**
   * @param {import('playwright-core').Page} tab
   * @param {string} url
   */
  constructor(tab, url) {
    this.tab = tab;
    this.url = url;
    this.log = tab.getByRole('log');
    this.message = tab.getByRole('textbox', { name: 'Message' });
    this.status = tab.locator('#connection');
    /** What a screen reader is told of the connection. */
    this.speech = tab.locator('#connection-speech');
    this.notice = tab.locator('#notice');
    this.hint = tab.locator('#waiting-hint');
    this.problem = tab.locator('#composer-problem');
    this.banner = tab.locator('#banner');
    this.editor = tab.getByRole('textbox', { name: 'New text' });
    this.messages = tab.locator('#messages > .message');
    this.typing = tab.locator('#typing');
    this.people = tab.locator('#people-list .person-name');
  }

  /** Opens the page, joins, and waits until it is connected. */
  async join(name, space) {
    await this.tab.goto(this.url);
    await this.fillIn(name, space);
    await this.connected();
  }

  async fillIn(name, space) {
    await this.tab.getByLabel('Your name').fill(name);
    await this.tab.getByLabel('Space', { exact: true }).fill(space);
    await this.tab.getByRole('button', { name: 'Join' }).click();
  }

  async connected() {
    await this.tab.locator('#connection[data-state="connected"]').waitFor();
    await this.tab.locator('#history-state:not([data-state="loading"])').waitFor({ state: 'attached' });
  }

  async say(text) {
    await this.message.fill(text);
    await this.message.press('Enter');
  }

  /** Waits until a message is shown that is stored. */
  async sees(text) {
    await this.tab
      .locator('.message:not(.pending):not(.failed) .text')
      .getByText(text, { exact: true })
      .first()
      .waitFor();
  }

  /** The row of the message with this text, in whatever state. */
  row(text) {
    return this.tab.locator('.message').filter({ has: this.tab.getByText(text, { exact: true }) });
  }

  /** Waits until a message of one's own is shown that is not stored. */
  async seesWaiting(text, words = 'Sending…') {
    await this.row(text).locator('.progress').getByText(words, { exact: true }).waitFor();
  }

  async seesFailed(text, words) {
    await this.row(text).locator('.note-words').getByText(words).waitFor();
  }

  /** Presses a button of one message, found by its text. */
  async press(text, name) {
    const row = this.row(text);
    await row.hover();
    await row.getByRole('button', { name, exact: true }).click();
  }

  /** Resolves when the connection line says this. */
  async seesConnection(words, options) {
    await this.status.getByText(words).waitFor(options);
  }

  assertAccessible(view) {
    return assertAccessible(this.tab, view);
  }

  assertFits() {
    return assertFits(this.tab);
  }

  /** Looks at one state on each screen: see looks.mjs. */
  lookAt(view) {
    return lookAt(this.tab, view);
  }

  leavePicture(view) {
    return leavePicture(this.tab, view);
  }

  async seesPeople(...names) {
    await this.tab.waitForFunction(
      (wanted) => {
        const shown = [...document.querySelectorAll('#people-list .person-name')].map((e) => e.textContent);
        return JSON.stringify(shown.sort()) === wanted;
      },
      JSON.stringify([...names].sort()),
    );
  }

  async seesTyping(words) {
    await this.tab.waitForFunction(
      (wanted) => document.querySelector('#typing').textContent === wanted,
      words,
    );
  }

  /** The texts of all messages that are shown, in order. */
  texts() {
    return this.tab.locator('#messages .text').allTextContents();
  }

  async assertTexts(expected) {
    assert.deepEqual(await this.texts(), expected);
  }

  async leave() {
    await this.tab.getByRole('button', { name: 'Leave' }).click();
    await this.tab.getByLabel('Your name').waitFor();
  }
}
