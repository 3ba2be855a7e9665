/**
 * What a person sees of the connection and of what they send, each state by its real cause.
 *
 * Leaves pictures of each in `.build/screenshots/`, for people to look at.
 */
import assert from 'node:assert/strict';
import { ChatPage } from './lib/chat-page.mjs';
import { assertNoProblems, test, until, useStack } from './lib/stack.mjs';

/** A source of tokens is asked for half a minute before a refusal is for good. */
const TOKEN_MS_MAX = 45_000;
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

async function textsOf(space) {
  return (await stack.newPeer(space).messages()).map(({ text }) => text);
}

/** What a live region has said from now on, oldest first. */
async function record(region) {
  await region.evaluate((element) => {
    element.said = [];
    const options = { childList: true, characterData: true, subtree: true };
    new MutationObserver(() => element.said.push(element.textContent)).observe(element, options);
  });
  return () => region.evaluate((element) => element.said);
}

/** What the countdown says; 0 when there is none. */
async function secondsLeft(page) {
  return Number(/\d+/.exec(await page.status.textContent())?.[0] ?? 0);
}

/** Lets everybody into the space in a new epoch, as after a restore. */
async function renewEpoch(spaceId) {
  const { url, gatewayKey } = stack.backend;
  const response = await fetch(`${url}/admin/epoch`, {
    method: 'POST',
    headers: { authorization: `Bearer ${gatewayKey}`, 'x-space-id': spaceId },
  });
  assert.ok(response.ok, `a new epoch: ${response.status} ${await response.text()}`);
}

/** From now on the page's server mistakes the visitor for somebody else: the Worker knows better. */
async function mistake(page, userId) {
  await page.tab.route('**/api/chat/init?**', async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, json: { ...(await response.json()), userId } });
  });
}

test('a loss is counted down for the eye, told once to the ear, and "Now" does not wait', async () => {
  const space = stack.newSpace();
  const ada = await join('Ada', space);
  await ada.say('before');
  await ada.sees('before');
  const said = await record(ada.speech);
  const startAgain = await stack.stopBackend();
  await ada.seesConnection(/^Reconnecting in \d+ s…$/);
  await until(async () => (await secondsLeft(ada)) === 3, 'a pause of seconds', 60_000);
  // The next attempt would jump over them.
  for (const seconds of [2, 1]) await until(async () => (await secondsLeft(ada)) === seconds, `${seconds} s`);
  await ada.say('on its way');
  await ada.seesWaiting('on its way');
  assert.deepEqual(await said(), ['Connection lost. Reconnecting…'], 'the seconds are not read out');

  await ada.seesConnection(/^Reconnecting in \d+ s…$/);
  await ada.lookAt('reconnecting');
  await startAgain();
  const now = ada.tab.getByRole('button', { name: 'Now', exact: true });
  // Each attempt takes the button away until the next pause.
  await until(async () => {
    if (await now.isVisible()) await now.click({ timeout: 1_000 }).catch(() => {});
    return (await ada.status.getAttribute('data-state')) === 'connected';
  }, 'the page is connected');
  await ada.sees('on its way');
  assert.deepEqual(await said(), ['Connection lost. Reconnecting…', 'Connected']);
  assert.deepEqual(await textsOf(space), ['before', 'on its way']);
  await end(ada);
});

test('now_reconnects_at_once', async () => {
  const ada = await join('Ada', stack.newSpace());
  const startAgain = await stack.stopBackend();
  const now = ada.tab.getByRole('button', { name: 'Now', exact: true });
  await until(
    async () => (await secondsLeft(ada)) >= 4,
    'a pause that one might not want to wait for',
    60_000,
  );
  const upgrades = stack.proxy.upgradeCount;
  await now.focus();
  await ada.tab.keyboard.press('Enter');
  await until(() => stack.proxy.upgradeCount > upgrades, 'there is an attempt', 2_000);
  assert.ok(await ada.message.evaluate((field) => field === document.activeElement), 'the focus is not lost');
  await startAgain();
  await ada.connected();
  await end(ada);
});

test('offline says what happens with what one writes, and it does', async () => {
  const space = stack.newSpace();
  const ada = await join('Ada', space);
  await ada.say('before');
  await ada.sees('before');
  const said = await record(ada.speech);
  await ada.tab.context().setOffline(true);
  stack.proxy.cut();
  const words = 'You are offline. What you send waits here and goes out when you are back.';
  await ada.notice.getByText(words).waitFor();
  await ada.seesConnection('Offline');
  await ada.say('one');
  await ada.say('two');
  await ada.seesWaiting('one', 'Waiting…');
  await ada.seesWaiting('two', 'Waiting…');
  await ada.message.fill('three, half writ');
  await until(async () => (await said()).length > 0, 'it is said');
  await ada.lookAt('offline');
  await ada.tab.context().setOffline(false);
  await ada.sees('two');
  assert.equal(await ada.notice.textContent(), '');
  assert.equal(await ada.message.inputValue(), 'three, half writ');
  assert.deepEqual(await said(), [words, 'Connected']);
  assert.deepEqual(await textsOf(space), ['before', 'one', 'two']);
  await ada.assertTexts(['before', 'one', 'two']);
  await end(ada);
});

test('what the server refuses stays with its reason, over a reload, until it is discarded', async () => {
  const space = stack.newSpace();
  const ada = new ChatPage(await stack.newTab(), stack.url);
  await mistake(ada, 'Mallory-0123456789ab');
  await ada.join('Ada', space);
  await ada.say('as somebody else');
  const why = 'Not sent. The server knows you under another name.';
  await ada.seesFailed('as somebody else', why);
  await ada.tab.reload();
  await ada.connected();
  await ada.seesFailed('as somebody else', why);
  await ada.press('as somebody else', 'Try again');
  await ada.seesFailed('as somebody else', why);
  await ada.press('as somebody else', 'Discard');
  await ada.row('as somebody else').waitFor({ state: 'detached' });
  await ada.tab.reload();
  await ada.connected();
  assert.equal(await ada.messages.count(), 0);
  assert.deepEqual(await textsOf(space), []);
  await ada.tab.context().close();
});

test('what was written before the space began anew fails, and "Try again" sends it', async () => {
  const space = stack.newSpace();
  const ada = await join('Ada', space);
  await ada.say('before');
  await ada.sees('before');
  stack.proxy.upgrades.shut();
  stack.proxy.cut();
  await ada.say('written in the old epoch');
  await ada.seesWaiting('written in the old epoch');
  await renewEpoch(space);
  stack.proxy.release();
  await ada.seesFailed('written in the old epoch', 'Not sent. The conversation began anew meanwhile.');
  assert.ok(await ada.banner.isHidden(), 'it is told beside the message alone');
  await ada.lookAt('failed');
  stack.proxy.upgrades.shut();
  stack.proxy.cut();
  await ada.say('written in the new epoch');
  await ada.seesWaiting('written in the new epoch');
  await ada.lookAt('failed-and-pending');
  stack.proxy.release();
  await ada.sees('written in the new epoch');
  await ada.press('written in the old epoch', 'Try again');
  await ada.sees('written in the old epoch');
  const expected = ['before', 'written in the new epoch', 'written in the old epoch'];
  await ada.assertTexts(expected);
  assert.deepEqual(await textsOf(space), expected);
  await end(ada);
});

test('what waits is there again after a reload, is sent once, and a draft is not lost', async () => {
  const space = stack.newSpace();
  const ada = await join('Ada', space);
  await ada.say('before');
  await ada.sees('before');
  const startAgain = await stack.stopBackend();
  await ada.seesConnection(/Reconnecting/);
  const texts = ['one', 'two', 'three'];
  for (const text of texts) {
    await ada.say(text);
    await ada.seesWaiting(text);
  }
  await ada.message.fill('half a sen');
  await ada.tab.reload();
  for (const text of texts) await ada.seesWaiting(text);
  await ada.assertTexts(texts);
  assert.equal(await ada.message.inputValue(), 'half a sen');
  await ada.lookAt('waiting-after-reload');
  await startAgain();
  await ada.connected();
  await ada.sees('three');
  await until(async () => (await ada.tab.locator('.pending').count()) === 0, 'all is sent');
  await ada.assertTexts(['before', ...texts]);
  assert.deepEqual(await textsOf(space), ['before', ...texts]);
  await end(ada);
});

test('an_optimistic_message_and_its_stored_one_never_stand_together', async () => {
  const space = stack.newSpace();
  const ada = await join('Ada', space);
  await ada.tab.evaluate(() => {
    globalThis.doubles = [];
    globalThis.changes = 0;
    new MutationObserver(() => {
      const texts = [...document.querySelectorAll('#messages .text')].map((e) => e.textContent);
      globalThis.changes += 1;
      if (new Set(texts).size !== texts.length) globalThis.doubles.push(texts);
    }).observe(document.querySelector('#messages'), { childList: true, subtree: true });
  });
  const texts = Array.from({ length: 30 }, (_, index) => `line ${index + 1}`);
  for (const [index, text] of texts.entries()) {
    if (index === 10 || index === 20) stack.proxy.cut();
    await ada.say(text);
  }
  await ada.sees('line 30');
  await until(async () => (await ada.tab.locator('.pending').count()) === 0, 'all is sent');
  await ada.assertTexts(texts);
  const { doubles, changes } = await ada.tab.evaluate(() => ({ doubles, changes }));
  assert.deepEqual(doubles, []);
  assert.ok(changes >= 30, `the list was watched: ${changes} changes`);
  await end(ada);
});

test('what waits in memory alone says so, and only while something waits', async () => {
  const ada = await join('Ada', stack.newSpace());
  stack.proxy.upgrades.shut();
  stack.proxy.cut();
  await ada.seesConnection('Reconnecting…');
  await ada.say('kept by the browser');
  await ada.seesWaiting('kept by the browser');
  assert.equal(await ada.hint.textContent(), '');
  await ada.tab.evaluate(
    () =>
      new Promise((resolve) => {
        // As a later version of the package does.
        const request = indexedDB.open('kuratchi-spaces', 99);
        request.onsuccess = request.onerror = resolve;
      }),
  );
  await ada.say('kept in memory');
  await ada.hint
    .getByText('Unsent messages wait in this tab only: keep it open until they are sent.')
    .waitFor();
  await ada.lookAt('memory-only');
  stack.proxy.release();
  await ada.sees('kept in memory');
  await until(async () => (await ada.hint.textContent()) === '', 'the hint is gone');
  await ada.assertTexts(['kept by the browser', 'kept in memory']);
  await end(ada);
});

test('without Web Locks what waits says that it waits in this tab', async () => {
  const ada = new ChatPage(await stack.newTab(), stack.url);
  // As on a page over plain http: there the browser has none.
  await ada.tab.addInitScript(() => Object.defineProperty(navigator, 'locks', { value: undefined }));
  await ada.join('Ada', stack.newSpace());
  assert.equal(await ada.hint.textContent(), '');
  stack.proxy.upgrades.shut();
  stack.proxy.cut();
  await ada.seesConnection('Reconnecting…');
  await ada.say('waits');
  await ada.hint.getByText('Unsent messages wait in this tab only.', { exact: true }).waitFor();
  stack.proxy.release();
  await ada.sees('waits');
  await end(ada);
});

test('messages that wait are shown to nobody but their sender', async () => {
  const space = stack.newSpace();
  const ada = await join('Ada', space);
  stack.proxy.upgrades.shut();
  stack.proxy.cut();
  await ada.seesConnection('Reconnecting…');
  await ada.say('for my eyes');
  await ada.seesWaiting('for my eyes');
  await ada.message.fill('my draft');
  await ada.leave();
  stack.proxy.release();
  await ada.fillIn('Bob', space);
  await ada.connected();
  assert.equal(await ada.messages.count(), 0);
  assert.equal(await ada.message.inputValue(), '');
  await ada.say('Bob here');
  await ada.sees('Bob here');
  await ada.assertTexts(['Bob here']);
  await ada.leave();
  await ada.fillIn('Ada', space);
  await ada.connected();
  await ada.sees('for my eyes');
  assert.equal(await ada.message.inputValue(), 'my draft');
  await ada.assertTexts(['Bob here', 'for my eyes']);
  assert.equal(await ada.tab.locator('.message.own').count(), 1);
  await end(ada);
});

test('a refusal for good has a way out, and a text that goes nowhere is given back', async () => {
  const space = stack.newSpace();
  const ada = new ChatPage(await stack.newTab(), stack.url);
  let isWrong = true;
  let wrong;
  await ada.tab.route('**/api/chat/init?**', async (route) => {
    const response = await route.fetch();
    const session = await response.json();
    // Signed by somebody else, and always the same.
    wrong ??= `${session.spaceToken.slice(0, -8)}AAAAAAAA`;
    const spaceToken = isWrong ? wrong : session.spaceToken;
    await route.fulfill({ response, json: { ...session, spaceToken } });
  });
  await ada.tab.goto(ada.url);
  await ada.fillIn('Ada', space);
  await ada.banner.getByText('The server does not accept this visit. Join again.').waitFor();
  // The page's function for tokens is given half a minute to have another one.
  await ada.seesConnection('Not connected', { timeout: TOKEN_MS_MAX });
  await ada.say('not lost');
  await until(async () => (await ada.message.inputValue()) === 'not lost', 'the text is given back');
  await ada.problem.getByText('Not sent. The server does not accept this visit.').waitFor();
  assert.equal(await ada.tab.locator('#history-state').textContent(), '', 'nothing is being loaded');
  await ada.lookAt('refused');
  isWrong = false;
  await ada.banner.getByRole('button', { name: 'Try again' }).click();
  await ada.connected();
  assert.ok(await ada.banner.isHidden());
  await ada.message.press('Enter');
  await ada.sees('not lost');
  await ada.assertTexts(['not lost']);
  await ada.tab.context().close();
});

test('after a discontinuity the list is whole again, and who reads further up is not moved', async () => {
  const space = stack.newSpace();
  const texts = Array.from({ length: 80 }, (_, index) => `line ${index + 1}`);
  const peer = stack.newPeer(space, 'archivist');
  await peer.postAll(texts);
  const ada = await join('Ada', space);
  await ada.sees('line 80');
  await ada.log.evaluate((log) => {
    log.scrollTop = 100;
  });
  await until(async () => (await ada.messages.count()) === 80, 'older messages are there');
  await ada.log.evaluate((log) => {
    log.scrollTop = 900;
  });
  const anchor = ada.tab.locator('.text').getByText('line 25', { exact: true });
  const place = () => anchor.evaluate((element) => element.getBoundingClientRect().top);
  await ada.tab.evaluate(
    () => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))),
  );
  const before = await place();
  await anchor.evaluate((element) => {
    element.isTheSame = true;
  });
  stack.proxy.upgrades.shut();
  stack.proxy.cut();
  await renewEpoch(space);
  await peer.post('line 81');
  stack.proxy.release();
  await ada.sees('line 81');
  await until(async () => (await ada.messages.count()) > 50, 'as much is shown as before');
  const shown = await ada.texts();
  assert.deepEqual(shown, [...texts, 'line 81'].slice(-shown.length));
  assert.ok(Math.abs((await place()) - before) <= 2, `moved from ${before} to ${await place()}`);
  assert.equal(await anchor.evaluate((element) => element.isTheSame), true, 'what stays is not made anew');
  await end(ada);
});
