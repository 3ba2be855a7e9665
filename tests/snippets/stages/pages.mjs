/** What every page of the guides is asked for, whatever it is written with. */
import assert from 'node:assert/strict';

const PHONE = { width: 390, height: 844 };

/** Somebody writes into the form and sends; both hear each other, once and in order. */
export async function chatsByForm({ tab, guest }) {
  const person = await guest();
  await tab.getByLabel('Message').fill('Hello from the page');
  await tab.getByRole('button', { name: 'Send' }).click();
  await person.heard('Hello from the page');
  await person.say('Hello to the page');
  await tab.getByText('Hello to the page').waitFor();
  const items = await tab.getByRole('listitem').allTextContents();
  assert.equal(items.length, 2, items.join(' | '));
  assert.match(items[0], /Hello from the page/);
  assert.match(items[1], /Hello to the page/);
  await isolates(tab, 'grace');
  // All of the room is there.
  assert.equal(await tab.getByRole('button', { name: 'Older messages' }).count(), 0);
}

/** The name of somebody who types, by the name that their token gives. */
export async function typesToo({ tab, guest }) {
  await (await guest()).space.setTyping('grace', true);
  await tab.getByText('Grace typing …').waitFor();
}

/** A name that turns the direction of writing turns nothing but itself, wherever names stand. */
export async function isolatesNames({ tab, theatre, spaceId }) {
  const name = 'Mal\u202elory';
  const { space, say, leave } = await theatre.guest(spaceId, 'mallory', name);
  await say('Who is this?');
  await space.setTyping('mallory', true);
  for (const text of ['Here: ', ' typing …'])
    await tab.locator('p', { hasText: text }).filter({ hasText: name }).waitFor();
  await isolates(tab, name);
  leave();
}

/** Wherever this name stands on the page, it is all the text of an element that is isolated from what stands about it. */
async function isolates(tab, name) {
  const places = await tab.evaluate((wanted) => {
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const found = [];
    while (texts.nextNode()) {
      const { parentElement, data } = texts.currentNode;
      if (!data.toLowerCase().includes(wanted)) continue;
      found.push(
        `${parentElement.textContent.toLowerCase()}: ${getComputedStyle(parentElement).unicodeBidi}`,
      );
    }
    return found;
  }, name.toLowerCase());
  assert.ok(places.length > 0, `${name} is on the page`);
  assert.deepEqual([...new Set(places)], [`${name.toLowerCase()}: isolate`]);
}

/** A message that is refused leaves the page, and what was written, where they are. */
export async function refusesWell({ tab }) {
  const thrown = [];
  tab.on('pageerror', (error) => thrown.push(error.message));
  const field = tab.getByLabel('Message');
  await field.fill('x'.repeat(20_000));
  await tab.getByRole('button', { name: 'Send' }).click();
  await tab.getByRole('alert').filter({ hasText: 'The message is too long' }).waitFor();
  assert.equal((await field.inputValue()).length, 20_000);
  assert.deepEqual(thrown, []);
}

/**
 * A message that the room refuses is marked, with its reason and the ways on, also one that was written offline: it does not look
 * sent. Its text stands once, in the list. What was deleted says so.
 *
 * @param {object} scene
 * @param {() => Promise<{ space: object, heard: (text: string) => Promise<void> }>} scene.guest
 * @param {import('playwright-core').Locator} [scene.rows] Of messages.
 * @param {boolean} [scene.isDiscardable] Whether the page offers that.
 */
export async function marksRefused({ tab, guest, rows = tab.getByRole('listitem'), isDiscardable = true }) {
  const { space, heard } = await guest();
  const field = tab.getByLabel('Message');
  const say = async (text) => {
    await field.fill(text);
    await tab.getByRole('button', { name: 'Send' }).click();
  };
  const row = (text) => rows.filter({ hasText: text });
  const isRefused = async (text) => {
    await row(text)
      .filter({ hasText: /not sent.*the space is full/i })
      .waitFor();
    assert.equal(await row(text).count(), 1);
    assert.equal(await field.inputValue(), '');
  };

  await tab.context().setOffline(true);
  await say('written offline');
  await row('written offline').filter({ hasText: '…' }).waitFor();
  const fillers = await fills(space);
  await tab.context().setOffline(false);
  await isRefused('written offline');
  await say('written online');
  await isRefused('written online');
  await tab.reload();
  for (const text of ['written offline', 'written online']) await isRefused(text);

  for (const id of fillers.slice(-FREED)) await space.deleteMessage(id, { until: 'stored' });
  await row('deleted').first().waitFor();
  await row('written offline').getByRole('button', { name: 'Try again' }).click();
  await heard('written offline');
  await row('written offline')
    .filter({ hasNotText: /not sent|…/i })
    .waitFor();
  if (!isDiscardable) return;
  await row('written online').getByRole('button', { name: 'Discard' }).click();
  await row('written online').waitFor({ state: 'detached' });
}

/** Writes until the room takes no more. Gives the ids of what it took. */
async function fills(space) {
  const ids = [];
  for (;;) {
    try {
      ids.push((await space.sendMessage({ text: FILLER }, { until: 'stored' })).id);
    } catch (error) {
      assert.equal(error.code, 'quotaExceeded');
      return ids;
    }
  }
}

/** Long, and laid out at once: blanks are shown as one. */
const FILLER = `filled${' '.repeat(16_000)}up`;
/** Of what fills a room: the last ones, which are on a page. */
const FREED = 5;

/** One long word does not widen the page, and a text has its own direction. */
export async function showsLongWords({ tab, guest }) {
  const long = 'x'.repeat(2_000);
  await (await guest()).say(long);
  const text = tab.getByText(long);
  await text.waitFor();
  assert.equal(await text.getAttribute('dir'), 'auto');
  await fitsPhone(tab);
}

/** The page is no wider than a phone. */
export async function fitsPhone(tab) {
  const before = tab.viewportSize();
  await tab.setViewportSize(PHONE);
  assert.ok((await tab.evaluate(() => document.documentElement.scrollWidth)) <= PHONE.width);
  await tab.setViewportSize(before);
}

/** A page whose token route refuses shows what it answered. */
export async function showsRefusal({ tab, refuse }) {
  refuse(503, 'The chat is closed today');
  await tab.reload();
  await tab.getByText('The chat is closed today').waitFor();
  refuse();
  await tab.reload();
  await tab.getByLabel('Message').waitFor();
}

/** Older messages are offered once there are some to load, and a failure to load them is told. */
export async function loadsOlder({ tab, guest }) {
  const { space } = await guest();
  for (let index = 0; index < OLDER_COUNT; index += 1) await space.sendMessage({ text: `${index} of many` });
  await space.sendMessage({ text: 'the last of many' }, { until: 'stored' });
  await tab.reload();
  await tab.getByText('the last of many').waitFor();
  const older = tab.getByRole('button', { name: 'Older messages' });
  await older.waitFor();
  await tab.context().setOffline(true);
  await older.click();
  await tab.getByRole('alert').filter({ hasText: /\w/ }).waitFor();
  await tab.context().setOffline(false);
  await older.click();
  await tab.getByText('Hello from the page').waitFor();
}

/** More than a page of history holds. */
const OLDER_COUNT = 60;
