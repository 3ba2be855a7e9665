/**
 * Editing and deleting on the page: by pointer, by keyboard, by touch; on their way, refused, done by others.
 *
 * Leaves pictures of each in `.build/screenshots/`, for people to look at.
 */
import assert from 'node:assert/strict';
import { ChatPage } from './lib/chat-page.mjs';
import { assertNoProblems, test, until, useStack } from './lib/stack.mjs';

const stack = useStack();

async function join(name, space, options) {
  const page = new ChatPage(await stack.newTab(options), stack.url);
  await page.join(name, space);
  return page;
}

async function end(...pages) {
  assertNoProblems(...pages.map(({ tab }) => tab));
  for (const { tab } of pages) await tab.context().close();
}

async function focusedLabel(page) {
  return page.tab.evaluate(() => {
    const { ariaLabel, textContent, id } = document.activeElement;
    return ariaLabel || textContent.trim() || id;
  });
}

test('one edits and deletes what one wrote, and everybody sees it', async () => {
  const space = stack.newSpace();
  const ada = await join('Ada', space);
  const grace = await join('Grace', space);
  await ada.say('Saturday at six');
  await ada.say('And bring a cake');
  await grace.sees('And bring a cake');
  assert.equal(await grace.tab.getByRole('button', { name: 'Edit message' }).count(), 0);

  await ada.press('Saturday at six', 'Edit message');
  assert.equal(await ada.editor.inputValue(), 'Saturday at six');
  await ada.editor.fill('Saturday at five');
  await ada.lookAt('edit-form');
  await ada.tab.getByRole('button', { name: 'Save' }).click();
  for (const page of [ada, grace]) {
    await page.sees('Saturday at five');
    const mark = page.row('Saturday at five').getByText('edited', { exact: true });
    await mark.waitFor();
    assert.match(await mark.getAttribute('title'), /^Edited .*\d\d:\d\d$/);
  }

  await ada.press('And bring a cake', 'Delete message');
  await ada.tab.getByRole('group', { name: 'Delete this for everybody?' }).waitFor();
  await ada.lookAt('delete-question');
  await ada.press('And bring a cake', 'Keep');
  await ada.assertTexts(['Saturday at five', 'And bring a cake']);
  await ada.press('And bring a cake', 'Delete message');
  await ada.press('And bring a cake', 'Delete');
  for (const page of [ada, grace]) {
    await page.sees('Message deleted');
    await page.assertTexts(['Saturday at five', 'Message deleted']);
  }
  await ada.lookAt('edited-and-deleted');
  await grace.lookAt('edited-and-deleted-by-others');
  await grace.tab.reload();
  await grace.sees('Message deleted');
  await grace.assertTexts(['Saturday at five', 'Message deleted']);
  await grace.row('Saturday at five').getByText('edited', { exact: true }).waitFor();
  await end(ada, grace);
});

test('the keyboard alone edits', async () => {
  const ada = await join('Ada', stack.newSpace());
  const { keyboard } = ada.tab;
  await ada.say('first');
  await ada.say('secnd');
  await ada.sees('secnd');
  await keyboard.press('ArrowUp');
  assert.equal(await focusedLabel(ada), 'New text');
  await keyboard.type(' thoughts');
  await keyboard.press('Escape');
  assert.equal(await focusedLabel(ada), 'composer-text');
  await ada.assertTexts(['first', 'secnd']);

  await keyboard.press('ArrowUp');
  await keyboard.press('Control+A');
  await keyboard.type('second');
  await keyboard.press('Shift+Enter');
  await keyboard.type('line');
  await keyboard.press('Enter');
  await ada.sees('second line');
  assert.equal(await focusedLabel(ada), 'composer-text', 'one goes on writing');
  await ada.assertTexts(['first', 'second\nline']);

  // What stands in the field is moved in, not replaced.
  await keyboard.type('draft');
  await keyboard.press('ArrowUp');
  assert.equal(await focusedLabel(ada), 'composer-text');
  assert.equal(await ada.message.inputValue(), 'draft');
  await end(ada);
});

test('the keyboard alone deletes, whichever message, after it was asked', async () => {
  const ada = await join('Ada', stack.newSpace());
  const { keyboard } = ada.tab;
  for (const text of ['one', 'two', 'three']) await ada.say(text);
  await ada.sees('three');
  await keyboard.press('Shift+Tab');
  assert.equal(await focusedLabel(ada), 'Delete message');
  await keyboard.press('ArrowUp');
  await keyboard.press('ArrowUp');
  await keyboard.press('ArrowUp');
  assert.equal(await focusedLabel(ada), 'Delete message');
  await keyboard.press('ArrowDown');
  await ada.lookAt('keyboard-actions');

  // A key that is held down must not delete.
  await keyboard.press('Enter');
  assert.equal(await focusedLabel(ada), 'Keep');
  await keyboard.press('Escape');
  assert.equal(await focusedLabel(ada), 'Delete message');
  await keyboard.press('Enter');
  await keyboard.press('Enter');
  assert.equal(await focusedLabel(ada), 'Delete message', 'Enter on "Keep" keeps');
  await keyboard.press('Enter');
  await keyboard.press('Tab');
  assert.equal(await focusedLabel(ada), 'Delete');
  await keyboard.press('Enter');
  await ada.sees('Message deleted');
  await ada.assertTexts(['one', 'Message deleted', 'three']);
  assert.equal(await focusedLabel(ada), 'composer-text');
  // Two stops for all messages together: the way from the field to the log stays short.
  for (const stop of ['Delete message', 'Edit message', 'Messages']) {
    await keyboard.press('Shift+Tab');
    assert.equal(await focusedLabel(ada), stop);
  }
  await end(ada);
});

test('a finger finds the buttons by a tap', async () => {
  const phone = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true };
  const ada = await join('Ada', stack.newSpace(), phone);
  await ada.say('written before');
  await ada.say('for a finger');
  await ada.sees('for a finger');
  const actions = ada.row('for a finger').locator('.actions');
  const opacity = () => actions.evaluate((element) => getComputedStyle(element).opacity);
  assert.equal(await opacity(), '0');
  await ada.row('for a finger').locator('.text').tap();
  assert.equal(await opacity(), '1');
  await ada.assertAccessible('the buttons on a phone');
  await ada.leavePicture('touched-phone-light');
  const sizes = await actions.locator('button').evaluateAll((buttons) =>
    buttons.map((button) => {
      const { width, height } = button.getBoundingClientRect();
      return Math.min(width, height);
    }),
  );
  assert.ok(sizes.length === 2 && sizes.every((size) => size >= 40), `large enough for a finger: ${sizes}`);
  await ada.log.tap({ position: { x: 60, y: 200 } });
  assert.equal(await opacity(), '0');
  await ada.row('for a finger').locator('.text').tap();
  await actions.getByRole('button', { name: 'Edit message' }).tap();
  await ada.editor.fill('of a finger');
  await ada.tab.getByRole('button', { name: 'Save' }).tap();
  await ada.sees('of a finger');
  await end(ada);
});

test('edits and deletions wait for the connection, and arrive', async () => {
  const space = stack.newSpace();
  const ada = await join('Ada', space);
  const grace = await join('Grace', space);
  for (const text of ['one', 'two', 'three']) await ada.say(text);
  await grace.sees('three');
  await ada.tab.context().setOffline(true);
  stack.proxy.cut();
  await grace.connected();
  await ada.seesConnection('Offline');
  await ada.press('one', 'Edit message');
  await ada.editor.fill('one, edited');
  await ada.editor.press('Enter');
  await ada.seesWaiting('one, edited', 'Waiting…');
  await ada.press('two', 'Delete message');
  await ada.press('two', 'Delete');
  await ada.seesWaiting('Message deleted', 'Waiting…');
  await ada.say('four');
  await ada.lookAt('changes-waiting');
  await grace.assertTexts(['one', 'two', 'three']);
  await ada.tab.context().setOffline(false);
  await ada.sees('four');
  for (const page of [ada, grace]) {
    await page.sees('one, edited');
    await page.sees('four');
    await page.assertTexts(['one, edited', 'Message deleted', 'three', 'four']);
  }
  await end(ada, grace);
});

test('a change that is refused falls back, says why over a reload, and can be given up', async () => {
  const space = stack.newSpace();
  const mallory = 'Mallory-0123456789ab';
  const grace = stack.newPeer(space, mallory);
  await grace.post('written by Mallory');
  const ada = new ChatPage(await stack.newTab(), stack.url);
  // The page's server mistakes Ada for Mallory, so that Mallory's message looks like her own.
  await ada.tab.route('**/api/chat/init?**', async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, json: { ...(await response.json()), userId: mallory } });
  });
  await ada.join('Ada', space);
  await ada.press('written by Mallory', 'Edit message');
  await ada.editor.fill('forged');
  await ada.editor.press('Enter');
  const why = 'Not changed. Only who wrote a message may change it.';
  await ada.seesFailed('written by Mallory', why);
  await ada.assertTexts(['written by Mallory']);
  await ada.lookAt('change-refused');
  // It is told before the history is there that it belongs to.
  await ada.tab.reload();
  await ada.connected();
  await ada.seesFailed('written by Mallory', why);
  await ada.press('written by Mallory', 'Try again');
  await ada.seesFailed('written by Mallory', why);
  await ada.press('written by Mallory', 'Discard');
  await ada.tab.locator('.note').waitFor({ state: 'detached' });
  await ada.press('written by Mallory', 'Delete message');
  await ada.press('written by Mallory', 'Delete');
  await ada.seesFailed('written by Mallory', why);
  await ada.assertTexts(['written by Mallory']);
  assert.deepEqual(
    (await grace.messages()).map(({ text }) => text),
    ['written by Mallory'],
  );
  await ada.tab.context().close();
});

test('an edit of a message that was deleted meanwhile is refused, and its text is not lost', async () => {
  const space = stack.newSpace();
  const ada = await join('Ada', space);
  const again = new ChatPage(await stack.newTabIn(ada.tab.context()), stack.url);
  await again.join('Ada', space);
  await ada.say('one');
  await ada.say('two');
  await again.sees('two');

  // The deletion is told while the form is open.
  await ada.press('one', 'Edit message');
  await ada.editor.fill('a better one');
  await again.press('one', 'Delete message');
  await again.press('one', 'Delete');
  await ada.sees('Message deleted');
  await ada.problem.getByText('The message you were editing was deleted.').waitFor();
  assert.equal(await ada.message.inputValue(), 'a better one');
  await ada.message.fill('');

  // The deletion is stored and not told yet when the edit is sent.
  stack.proxy.holdFrames();
  await again.press('two', 'Delete message');
  await again.press('two', 'Delete');
  await stack.proxy.said('deletedAt');
  await ada.press('two', 'Edit message');
  await ada.editor.fill('a better two');
  await ada.editor.press('Enter');
  await ada.seesWaiting('a better two', 'Saving…');
  await stack.proxy.said('the message was deleted');
  stack.proxy.releaseFrames();
  const row = ada.messages.last();
  await row.getByText('Not changed. The message is not there any more.').waitFor();
  await ada.assertTexts(['Message deleted', 'Message deleted']);
  await row.getByRole('button', { name: 'Discard' }).click();
  await ada.tab.locator('.note').waitFor({ state: 'detached' });
  await ada.assertTexts(['Message deleted', 'Message deleted']);
  await until(async () => (await ada.tab.locator('.pending').count()) === 0, 'nothing waits');
  await end(ada, again);
});

test('a new text that is too long is said in the form, which stays open', async () => {
  const ada = await join('Ada', stack.newSpace());
  await ada.say('short');
  await ada.sees('short');
  await ada.press('short', 'Edit message');
  const long = 'x'.repeat(17_000);
  await ada.editor.fill(long);
  await ada.editor.press('Enter');
  await ada.tab.locator('.edit-form .problem').getByText('The message is too long').waitFor();
  assert.equal(await ada.editor.inputValue(), long);
  await ada.lookAt('edit-too-long');
  await ada.editor.press('Escape');
  await ada.assertTexts(['short']);
  await end(ada);
});
