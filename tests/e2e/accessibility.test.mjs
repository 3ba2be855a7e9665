/**
 * The page for everybody: axe on each view, light and dark, wide and narrow; and the keyboard alone.
 * Leaves pictures in `.build/screenshots/`, for people to look at.
 */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { before } from 'node:test';
import { ChatPage } from './lib/chat-page.mjs';
import { PICTURES } from './lib/looks.mjs';
import { assertNoProblems, test, until, useStack } from './lib/stack.mjs';

const stack = useStack();

const SCREENS = {
  phone: { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true },
  desktop: { viewport: { width: 1200, height: 760 } },
};

before(() => mkdirSync(PICTURES, { recursive: true }));

for (const [screen, options] of Object.entries(SCREENS)) {
  for (const colorScheme of ['light', 'dark']) {
    test(`axe finds nothing on a ${colorScheme} ${screen}`, async () => {
      const space = stack.newSpace('design review');
      const peer = stack.newPeer(space, 'Grace-0123456789ab');
      await peer.postAll([
        'Morning! Did the build come through?',
        'x'.repeat(300),
        'Shall we ship on Thursday?',
      ]);
      const grace = new ChatPage(await stack.newTab(), stack.url);
      const ada = new ChatPage(await stack.newTab({ ...options, colorScheme }), stack.url);
      const shoot = (view) =>
        ada.tab.screenshot({ path: join(PICTURES, `${screen}-${colorScheme}-${view}.png`) });

      await ada.tab.goto(stack.url);
      await ada.tab.getByLabel('Your name').waitFor();
      await ada.assertAccessible('the form');
      await ada.assertFits();
      await shoot('join');
      await ada.fillIn(' ', space);
      await ada.tab.getByText('Please enter a name.').waitFor();
      await ada.assertAccessible('the form with a problem');
      await ada.fillIn('Ada', space);
      await ada.connected();
      await ada.say('It did. Tests are green in both browsers.');
      await ada.sees('It did. Tests are green in both browsers.');
      await ada.say('y'.repeat(17_000));
      await ada.problem.getByText('Not sent. The message is too long').waitFor();
      await ada.assertAccessible('a text that will not do');
      await ada.message.fill('');
      await grace.join('Grace', space);
      await grace.message.pressSequentially('Thursday it');
      await ada.seesTyping('Grace is typing…');
      await ada.message.fill('A message\nof two lines');
      await ada.assertAccessible('the chat');
      await ada.assertFits();
      await shoot('chat');
      if (screen === 'phone') {
        await ada.tab.getByRole('button', { name: 'people here' }).click();
        await ada.tab.getByRole('heading', { name: 'Here now' }).waitFor();
        await ada.assertAccessible('the list of people');
        await shoot('people');
        await ada.tab.keyboard.press('Escape');
        await ada.tab.getByRole('heading', { name: 'Here now' }).waitFor({ state: 'hidden' });
      }
      assertNoProblems(ada.tab, grace.tab);
      for (const { tab } of [ada, grace]) await tab.context().close();
    });
  }
}

test('the keyboard alone is enough', async () => {
  const space = stack.newSpace();
  const texts = Array.from({ length: 30 }, (_, index) => `line ${index + 1}`);
  await stack.newPeer(space).postAll(texts);
  const ada = new ChatPage(await stack.newTab(SCREENS.phone), stack.url);
  const { keyboard } = ada.tab;
  const focused = () => ada.tab.evaluate(() => document.activeElement.id);
  await ada.tab.goto(stack.url);
  await until(async () => (await focused()) === 'join-name', 'the form begins at the name');
  await keyboard.type('Ada');
  await keyboard.press('Tab');
  assert.equal(await focused(), 'join-space');
  await keyboard.press('Control+A');
  await keyboard.type(space);
  await keyboard.press('Enter');
  await ada.connected();
  assert.equal(await focused(), 'composer-text');

  await keyboard.type('First line');
  await keyboard.press('Shift+Enter');
  await keyboard.type('second line');
  await keyboard.press('Enter');
  await ada.sees('First line second line');
  assert.equal((await ada.texts()).at(-1), 'First line\nsecond line');
  assert.equal(await focused(), 'composer-text', 'one can go on writing');

  const focusedLabel = () => ada.tab.evaluate(() => document.activeElement.ariaLabel);
  await keyboard.press('Shift+Tab');
  assert.equal(await focusedLabel(), 'Delete message');
  await keyboard.press('Shift+Tab');
  assert.equal(await focusedLabel(), 'Edit message');
  await keyboard.press('Shift+Tab');
  assert.equal(await focused(), 'log');
  const scrollTop = () => ada.log.evaluate((log) => log.scrollTop);
  const atEnd = await scrollTop();
  await keyboard.press('PageUp');
  await until(async () => (await scrollTop()) < atEnd, 'the log scrolls by keyboard');

  await keyboard.press('Shift+Tab');
  assert.equal(await focused(), 'leave-button');
  await keyboard.press('Shift+Tab');
  assert.equal(await focused(), 'people-button');
  await keyboard.press('Enter');
  await ada.tab.getByRole('heading', { name: 'Here now' }).waitFor();
  await keyboard.press('Escape');
  assert.equal(await focused(), 'people-button');
  await keyboard.press('Tab');
  await keyboard.press('Enter');
  await until(async () => (await focused()) === 'join-name', 'leaving leads back to the form');
  assertNoProblems(ada.tab);
  await ada.tab.context().close();
});

test('what a screen reader is told', async () => {
  const space = stack.newSpace();
  const ada = new ChatPage(await stack.newTab(), stack.url);
  await ada.join('Ada', space);
  await stack.newPeer(space, 'Grace-0123456789ab').post('Good morning');
  await ada.sees('Good morning');
  // History is not announced; what comes after it is.
  await until(async () => (await ada.log.getAttribute('aria-live')) === 'polite', 'the log is live');
  assert.equal(await ada.speech.getAttribute('role'), 'status');
  assert.equal(await ada.speech.textContent(), 'Connected');
  assert.equal(await ada.typing.getAttribute('role'), 'status');
  // A message is read with its sender and time, also where the eye needs neither.
  const text = await ada.messages.last().evaluate((row) => row.innerText);
  assert.match(text, /Grace[\s\S]*Good morning[\s\S]*\d\d:\d\d/);
  for (const role of ['banner', 'main', 'complementary']) await ada.tab.getByRole(role).waitFor();
  await ada.tab.context().close();
});
