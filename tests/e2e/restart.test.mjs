/**
 * The Worker stops and starts again on the same data; links fall silent or break.
 */
import assert from 'node:assert/strict';
import { ChatPage } from './lib/chat-page.mjs';
import { assertNoProblems, test, until, useStack } from './lib/stack.mjs';

const stack = useStack();

test('after a restart the page comes back by itself, with its history, and talks on', async () => {
  const space = stack.newSpace();
  const ada = new ChatPage(await stack.newTab(), stack.url);
  const grace = new ChatPage(await stack.newTab(), stack.url);
  await ada.join('Ada', space);
  await grace.join('Grace', space);
  await ada.say('before');
  await grace.sees('before');

  const startAgain = await stack.stopBackend();
  await ada.tab.getByText('Connection lost. Reconnecting…').waitFor();
  await ada.say('written meanwhile');
  await ada.tab.getByText('Sending…').waitFor();
  await startAgain();

  await ada.connected();
  await grace.connected();
  await grace.sees('written meanwhile');
  await grace.say('after');
  await ada.sees('after');
  const expected = ['before', 'written meanwhile', 'after'];
  await until(async () => (await ada.tab.locator('.pending').count()) === 0, 'nothing is left to send');
  await ada.assertTexts(expected);
  await grace.sees('after');
  await grace.assertTexts(expected);
  await ada.seesPeople('Ada', 'Grace');

  await ada.tab.reload();
  await ada.connected();
  await ada.sees('after');
  await ada.assertTexts(expected);
  assertNoProblems(ada.tab, grace.tab);
  for (const { tab } of [ada, grace]) await tab.context().close();
});

test('a_broken_link_is_made_again_and_nothing_is_shown_twice', async () => {
  const space = stack.newSpace();
  const peer = stack.newPeer(space);
  const ada = new ChatPage(await stack.newTab(), stack.url);
  await ada.join('Ada', space);
  const expected = [];
  for (let round = 1; round <= 5; round += 1) {
    const text = `round ${round}`;
    stack.proxy.cut();
    await peer.post(text);
    expected.push(text);
    await ada.connected();
    await ada.sees(text);
  }
  await ada.assertTexts(expected);
  await ada.tab.context().close();
});

test('a_silent_link_does_not_count_as_connected_once_the_page_wakes', async () => {
  const space = stack.newSpace();
  const peer = stack.newPeer(space);
  const ada = new ChatPage(await stack.newTab(), stack.url);
  await ada.join('Ada', space);
  stack.proxy.silence();
  const upgrades = stack.proxy.upgradeCount;
  await peer.post('unheard');
  const started = Date.now();
  await ada.tab.evaluate(() => dispatchEvent(new Event('online')));
  await until(() => stack.proxy.upgradeCount > upgrades, 'the client connects anew');
  const waited = Date.now() - started;
  assert.ok(waited < 6_000, `noticed after ${waited} ms, expected about 2,000`);
  await ada.sees('unheard');
  await ada.say('heard');
  await ada.sees('heard');
  await ada.assertTexts(['unheard', 'heard']);
  await ada.tab.context().close();
});
