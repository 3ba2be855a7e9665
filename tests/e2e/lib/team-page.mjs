/** The team room as a visitor uses it: by labels and words, not by its insides. */
import assert from 'node:assert/strict';
import { lookAt } from './looks.mjs';

export class TeamPage {
  /**
   * @param {import('playwright-core').Page} tab
   * @param {string} url
   */
  constructor(tab, url) {
    this.tab = tab;
    this.url = url;
    this.log = tab.getByRole('log');
    this.message = tab.getByRole('textbox', { name: 'Message', exact: true });
    this.editor = tab.getByRole('textbox', { name: 'New text' });
    this.status = tab.locator('.connection');
    this.banner = tab.locator('.conversation > .banner');
    this.typing = tab.locator('.typing');
    this.people = tab.locator('.person-name');
    this.texts = tab.locator('.message .text');
    this.pill = tab.locator('.new-pill');
  }

  async enter(name, team, room = 'general') {
    await this.tab.goto(`${this.url}/#${room}`);
    await this.fillIn(name, team);
    await this.connected();
  }

  async fillIn(name, team) {
    await this.tab.getByLabel('Your name').fill(name);
    await this.tab.getByLabel('Team', { exact: true }).fill(team);
    await this.tab.getByRole('button', { name: 'Enter' }).click();
  }

  async connected() {
    await this.tab.locator('.connection[data-state="connected"]').waitFor({ state: 'attached' });
  }

  async say(text) {
    await this.message.fill(text);
    await this.message.press('Enter');
  }

  /** The row of the message with this text, in whatever state. */
  row(text) {
    return this.tab.locator('.message').filter({ has: this.tab.getByText(text, { exact: true }) });
  }

  /** Waits until a message is shown that is stored. */
  async sees(text) {
    await this.row(text).and(this.tab.locator('[data-stored="true"]:not([data-status="pending"])')).waitFor();
  }

  /** Waits until a message of one's own is shown that is not stored. */
  async seesWaiting(text, words = 'Sending…') {
    await this.row(text).locator('.progress').getByText(words, { exact: true }).waitFor();
  }

  async seesFailed(text, words) {
    await this.row(text).locator('.failure').getByText(words).waitFor();
  }

  /** Presses a button of one message, found by its text. */
  async press(text, name) {
    await this.row(text).hover();
    await this.row(text).getByRole('button', { name, exact: true }).click();
  }

  async assertTexts(expected) {
    assert.deepEqual(await this.texts.allTextContents(), expected);
  }

  room(name) {
    return this.tab.getByRole('link', { name });
  }

  lookAt(view) {
    return lookAt(this.tab, `team-${view}`);
  }
}
