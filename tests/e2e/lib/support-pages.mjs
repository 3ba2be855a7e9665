/** The shop with its widget, and the support desk, as people use them: by labels and words, not by their insides. */
import assert from 'node:assert/strict';
import { lookAt } from './looks.mjs';

/** What both have: a conversation. */
class Conversation {
  constructor(tab, fieldName) {
    this.tab = tab;
    this.log = tab.getByRole('log');
    this.field = tab.getByRole('textbox', { name: fieldName, exact: true });
    this.texts = tab.locator('.message .text');
  }

  async say(text) {
    await this.field.fill(text);
    await this.field.press('Enter');
  }

  /** The row of the message with this text, in whatever state. */
  row(text) {
    return this.tab.locator('.message').filter({ has: this.tab.getByText(text, { exact: true }) });
  }

  /** Waits until a message is shown that is stored. */
  async sees(text) {
    await this.row(text).and(this.tab.locator('[data-stored="true"]:not([data-status="pending"])')).waitFor();
  }

  async seesWaiting(text, words) {
    await this.row(text).locator('.progress').getByText(words, { exact: true }).waitFor();
  }

  async assertTexts(expected) {
    assert.deepEqual(await this.texts.allTextContents(), expected);
  }

  lookAt(view) {
    return lookAt(this.tab, `support-${view}`);
  }
}

export class ShopPage extends Conversation {
  constructor(tab, url) {
    super(tab, 'Message');
    this.url = url;
    this.launcher = tab.locator('.launcher');
    this.panel = tab.getByRole('dialog', { name: 'Fern & Field support' });
  }

  async visit() {
    await this.tab.goto(this.url);
    await this.launcher.waitFor();
  }

  async open() {
    await this.tab.getByRole('button', { name: /^Chat with us/ }).click();
    await this.tab.getByText('What can we do for you?').waitFor();
  }

  async minimise() {
    await this.tab.getByRole('button', { name: 'Minimise', exact: true }).click();
    await this.panel.waitFor({ state: 'hidden' });
  }

  /** The name by which agents know this visitor. */
  async name() {
    const { spaceId } = await this.tab.evaluate(async () => {
      const headers = { 'content-type': 'application/json' };
      return (await fetch('/api/visit', { method: 'POST', headers, body: '{}' })).json();
    });
    return { spaceId, name: `Visitor ${spaceId.slice('support-'.length, 'support-'.length + 4)}` };
  }
}

export class DeskPage extends Conversation {
  constructor(tab, url) {
    super(tab, 'Answer');
    this.url = `${url}/agent`;
  }

  async signIn(name, password) {
    await this.tab.goto(this.url);
    await this.tab.getByLabel('Your name').fill(name);
    await this.tab.getByLabel('Password').fill(password);
    await this.tab.getByRole('button', { name: 'Sign in' }).click();
  }

  /** The entry of a visitor in the list. */
  entry(name) {
    return this.tab.getByRole('navigation').getByRole('button', { name });
  }
}
