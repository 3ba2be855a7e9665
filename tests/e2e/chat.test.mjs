/**
 * Two people on the page: talk, type, come, go, scroll back.
 */
import assert from 'node:assert/strict';
import { attachToHistory, UNREADABLE } from './lib/attachments.mjs';
import { ChatPage } from './lib/chat-page.mjs';
import { assertListStaysAtEnd } from './lib/list-end.mjs';
import { LONG_TEXT, showAllByKeyboard } from './lib/long-text.mjs';
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

test('two pages talk, and each sees every message once, in order', async () => {
  const space = stack.newSpace();
  const ada = await join('Ada', space);
  const grace = await join('Grace', space);
  await ada.say('Hello, is anybody there?');
  await grace.sees('Hello, is anybody there?');
  await grace.say('I am');
  await ada.sees('I am');
  await ada.say('Two\nlines');
  await grace.sees('Two lines');
  const expected = ['Hello, is anybody there?', 'I am', 'Two\nlines'];
  await until(async () => (await ada.tab.locator('.pending').count()) === 0, 'Ada has nothing to send');
  await ada.assertTexts(expected);
  await grace.assertTexts(expected);
  assert.deepEqual(await grace.tab.locator('.message.other .sender').allTextContents(), ['Ada', 'Ada']);
  await end(ada, grace);
});

test('a text is shown as text, whatever it holds', async () => {
  const space = stack.newSpace();
  const ada = await join('<b>Ada</b>', space);
  const text = '<img src=x onerror="throw 1"> & <script>throw 2</script>';
  await ada.say(text);
  await ada.sees(text);
  assert.equal(await ada.log.locator('img, script, b').count(), 0);
  await end(ada);
});

test('each sees the other in presence and while typing', async () => {
  const space = stack.newSpace();
  const ada = await join('Ada', space);
  await ada.seesPeople('Ada');
  const grace = await join('Grace', space);
  await ada.seesPeople('Ada', 'Grace');
  await grace.seesPeople('Ada', 'Grace');
  await grace.message.pressSequentially('I am wri');
  await ada.seesTyping('Grace is typing…');
  assert.equal(await grace.typing.textContent(), '', 'nobody is told of their own typing');
  await grace.message.fill('');
  await ada.seesTyping('');
  await grace.message.pressSequentially('Done');
  await ada.seesTyping('Grace is typing…');
  await grace.message.press('Enter');
  await ada.sees('Done');
  await ada.seesTyping('');
  await end(ada, grace);
});

test('who leaves is gone from presence, and finds everything on coming back', async () => {
  const space = stack.newSpace();
  const ada = await join('Ada', space);
  const grace = await join('Grace', space);
  await grace.say('Before I go');
  await ada.sees('Before I go');
  await grace.leave();
  await ada.seesPeople('Ada');
  await ada.say('While you were away');
  await ada.sees('While you were away');
  await grace.fillIn('Grace', space);
  await grace.connected();
  await grace.sees('While you were away');
  await ada.seesPeople('Ada', 'Grace');
  await grace.say('And back');
  await ada.sees('And back');
  const expected = ['Before I go', 'While you were away', 'And back'];
  await grace.sees('And back');
  await grace.assertTexts(expected);
  await ada.assertTexts(expected);
  await grace.tab.close();
  await ada.seesPeople('Ada');
  await end(ada);
});

test('an address in a text is a link', async () => {
  const ada = await join('Ada', stack.newSpace());
  const text = 'Look at https://example.com/a?b=1, not at javascript:alert(1)';
  await ada.say(text);
  await ada.sees(text);
  const link = ada.tab.getByRole('link', { name: 'https://example.com/a?b=1' });
  await link.waitFor();
  assert.deepEqual(await link.evaluate(({ href, rel, target }) => [href, rel, target]), [
    'https://example.com/a?b=1',
    'noopener noreferrer nofollow',
    '_blank',
  ]);
  assert.equal(await ada.tab.locator('.text a').count(), 1);
  await end(ada);
});

test('a long text is shown in full by a button, and the focus stays in it', async () => {
  const ada = await join('Ada', stack.newSpace());
  await ada.say(LONG_TEXT);
  await showAllByKeyboard(ada.tab);
  await end(ada);
});

test('who is not verified is marked, and a name stands by itself', async () => {
  const space = stack.newSpace();
  await stack.newStranger(space, 'Mallory').post('Trust me');
  const ada = await join('Ada', space);
  await ada.sees('Trust me');
  await ada.tab.getByText('not verified').waitFor();
  assert.equal(await ada.tab.locator('bdi', { hasText: 'Mallory' }).count(), 1);
  await end(ada);
});

test('an address that no browser can read is a text', async () => {
  const space = stack.newSpace();
  await stack.newPeer(space).post('The plan');
  const tab = await stack.newTab();
  await attachToHistory(tab, [UNREADABLE]);
  const ada = new ChatPage(tab, stack.url);
  await ada.join('Ada', space);
  await tab.locator('.attachment', { hasText: 'plan.pdf' }).waitFor();
  assert.equal(await tab.locator('.attachment[href]').count(), 0);
  await end(ada);
});

test('a reload is the same person with the same history', async () => {
  const space = stack.newSpace();
  const ada = await join('Ada', space);
  await ada.say('Mine');
  await ada.sees('Mine');
  const userId = await ada.tab.locator('.person').getAttribute('data-user-id');
  await ada.tab.reload();
  await ada.connected();
  await ada.sees('Mine');
  assert.equal(await ada.tab.locator('.message.own').count(), 1);
  await ada.seesPeople('Ada');
  assert.equal(await ada.tab.locator('.person').getAttribute('data-user-id'), userId);
  await ada.say('Still me');
  await ada.sees('Still me');
  assert.equal(await ada.tab.locator('.message.own').count(), 2);
  await end(ada);
});

test('two windows of one browser are two people under two names', async () => {
  const space = stack.newSpace();
  const ada = await join('Ada', space);
  const tab = await ada.tab.context().newPage();
  const grace = new ChatPage(tab, stack.url);
  await grace.join('Grace', space);
  await ada.seesPeople('Ada', 'Grace');
  await grace.say('Hello from the other window');
  await ada.sees('Hello from the other window');
  assert.equal(await ada.tab.locator('.message.other').count(), 1);
  await end(ada);
});

test('history is scrolled back page by page to its beginning, and what one reads stays in place', async () => {
  const space = stack.newSpace();
  const texts = Array.from({ length: 120 }, (_, index) => `line ${index + 1}`);
  await stack.newPeer(space, 'archivist').postAll(texts);
  const ada = await join('Ada', space);
  await ada.sees('line 120');
  await ada.assertTexts(texts.slice(-50));
  const isAtEnd = () =>
    ada.log.evaluate((log) => Math.abs(log.scrollHeight - log.clientHeight - log.scrollTop) < 2);
  assert.ok(await isAtEnd(), 'a chat opens at its end');

  for (const shown of [100, 120]) {
    const anchor = `line ${120 - (shown === 100 ? 50 : 100) + 1}`;
    await ada.log.evaluate((log) => {
      log.scrollTop = 100;
    });
    const before = await topOf(ada, anchor);
    await until(async () => (await ada.messages.count()) === shown, `${shown} messages are shown`);
    await until(async () => Math.abs((await topOf(ada, anchor)) - before) <= 30, `${anchor} stays in place`);
  }
  await ada.assertTexts(texts);
  await ada.tab.getByText('This is the beginning of the conversation.').waitFor();
  await end(ada);
});

test('who reads further up is not moved, but told of new messages', async () => {
  const space = stack.newSpace();
  const texts = Array.from({ length: 40 }, (_, index) => `line ${index + 1}`);
  const peer = stack.newPeer(space, 'archivist');
  await peer.postAll(texts);
  const ada = await join('Ada', space);
  await ada.sees('line 40');
  await ada.log.evaluate((log) => {
    log.scrollTop = 300;
  });
  await until(() => ada.log.evaluate((log) => log.scrollTop === 300), 'the log has scrolled');
  // The scroll event comes with the next frame.
  await ada.tab.evaluate(
    () => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))),
  );
  await peer.postAll(['new 1', 'new 2']);
  const pill = ada.tab.getByRole('button', { name: '2 new messages' });
  await pill.waitFor();
  assert.equal(await ada.log.evaluate((log) => log.scrollTop), 300);
  await pill.click();
  await until(
    () => ada.log.evaluate((log) => log.scrollHeight - log.clientHeight - log.scrollTop < 2),
    'the end is shown',
  );
  assert.equal(await pill.count(), 0);
  await end(ada);
});

test('a text that is too long says so and stays where it was written', async () => {
  const ada = await join('Ada', stack.newSpace());
  const long = 'x'.repeat(17_000);
  await ada.say(long);
  await ada.problem.getByText('Not sent. The message is too long: at most 16 KB.').waitFor();
  assert.equal(await ada.message.inputValue(), long);
  assert.equal(await ada.messages.count(), 0);
  await ada.message.fill('Short');
  assert.equal(await ada.problem.textContent(), '');
  await ada.message.press('Enter');
  await ada.sees('Short');
  await ada.assertTexts(['Short']);
  await end(ada);
});

test('a list that was read to its end stays there, however high the field is', async () => {
  const space = stack.newSpace();
  await stack
    .newPeer(space, 'archivist')
    .postAll(Array.from({ length: 30 }, (_, index) => `line ${index + 1}`));
  const ada = await join('Ada', space);
  await ada.sees('line 30');
  await assertListStaysAtEnd(ada, ada.message);
  await end(ada);
});

test('a request that was answered is not cancelled afterwards', async () => {
  const space = stack.newSpace();
  await stack
    .newPeer(space, 'archivist')
    .postAll(Array.from({ length: 30 }, (_, index) => `line ${index + 1}`));
  const ada = await join('Ada', space);
  const devtools = await ada.tab.context().newCDPSession(ada.tab);
  const urls = new Map();
  const ended = [];
  devtools.on('Network.requestWillBeSent', ({ requestId, request }) => urls.set(requestId, request.url));
  devtools.on('Network.loadingFinished', ({ requestId }) => ended.push([urls.get(requestId), 'finished']));
  devtools.on('Network.loadingFailed', ({ requestId, errorText }) =>
    ended.push([urls.get(requestId), errorText]),
  );
  await devtools.send('Network.enable');
  const ofHistory = () => ended.filter(([url]) => url?.includes('/messages?'));
  for (let visit = 1; visit <= 8; visit += 1) {
    await ada.tab.reload();
    await ada.sees('line 30');
    await until(() => ofHistory().length === visit, 'the browser says how the request ended');
  }
  assert.deepEqual(
    ofHistory().filter(([, how]) => how !== 'finished'),
    [],
  );
  await end(ada);
});

test('a name or space that will not do is said beside its field', async () => {
  const page = new ChatPage(await stack.newTab(), stack.url);
  await page.tab.goto(stack.url);
  await page.fillIn('  ', 'somewhere');
  await page.tab.getByText('Please enter a name.').waitFor();
  assert.equal(await page.tab.getByLabel('Your name').getAttribute('aria-invalid'), 'true');
  assert.ok(await page.tab.getByLabel('Your name').evaluate((input) => input === document.activeElement));
  await page.fillIn('Ada', '');
  await page.tab.getByText('Please enter a space.').waitFor();
  await page.fillIn('Ada', stack.newSpace());
  await page.connected();
  await page.tab.context().close();
});

function topOf(page, text) {
  return page.tab
    .locator('.text')
    .getByText(text, { exact: true })
    .evaluate((element) => element.getBoundingClientRect().top);
}
