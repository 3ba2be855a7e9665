/**
 * The Svelte functions in a real app: runes and classic stores, remounts, hot reloads and server rendering, in
 * Chromium against the real Worker.
 */
import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { startApp } from './lib/app.mjs';
import { startNetwork } from './lib/network.mjs';
import { assertNoProblems, test, until, useStack } from './lib/stack.mjs';

const stack = useStack();
let app;
let tab;

before(async () => {
  app = await startApp('svelte');
});
after(() => app?.close());

/** Opens the app; gives the space and how many sockets have been opened since. */
async function open({ kind = 'svelte', more, history = [] } = {}) {
  const space = stack.newSpace(kind);
  const peer = stack.newPeer(space);
  await peer.postAll(history);
  tab ??= await stack.newTab();
  const query = await app.query(stack, space, 'ada', more);
  const sockets = stack.proxy.upgradeCount;
  await tab.goto(app.url(query));
  return { space, peer, query, opened: () => stack.proxy.upgradeCount - sockets };
}

const show = (changes) => tab.evaluate((changes) => page.show(changes), changes);
const text = (selector) => tab.locator(selector).textContent();
const shown = () => tab.locator('#messages li').allTextContents();
const renders = () => tab.evaluate(() => ({ ...page.renders }));
const connected = () =>
  tab.waitForFunction(() => document.querySelector('#state')?.textContent === 'connected');

/** Waits until the list is as it should be, and gives it a chance to become something else. */
async function shows(expected) {
  await until(async () => (await shown()).length >= expected.length, `${expected.length} messages are shown`);
  await tab.evaluate(() => new Promise((resolve) => setTimeout(resolve, 50)));
  assert.deepEqual(await shown(), expected);
}

async function send(message) {
  await tab.getByLabel('Message').fill(message);
  await tab.getByLabel('Message').press('Enter');
}

/** What is stored in a room, each with its sender. */
async function stored(peer) {
  return (await peer.messages()).map(({ senderId, text }) => `${senderId}: ${text}`);
}

test('one_socket_shows_each_message_once_in_runes_and_in_stores', async () => {
  const { peer, opened } = await open({ history: ['one', 'two', 'three'] });
  await connected();
  await peer.post('four');
  await send('five');
  await tab.locator('#messages li[data-status="sent"]').waitFor();
  await peer.post('six');
  await shows(['one', 'two', 'three', 'four', 'five', 'six']);
  assert.deepEqual(
    [await text('#store-state'), await text('#store-count'), await text('#store-last')],
    ['connected', '6', 'six'],
  );
  assert.equal(opened(), 1);
  assert.deepEqual(await tab.evaluate(() => page.told), ['four', 'five', 'six']);
  assertNoProblems(tab);
});

test('a_remount_makes_one_socket_more_and_leaves_one_and_an_unmount_leaves_none', async () => {
  const { peer, opened } = await open({ history: ['before'] });
  await connected();
  await tab.evaluate(() => page.remount());
  await connected();
  await peer.post('after');
  await shows(['before', 'after']);
  assert.equal(opened(), 2);
  await until(() => stack.proxy.socketCount === 1, 'the first socket is closed');
  await tab.evaluate(() => page.unmount());
  await until(() => stack.proxy.socketCount === 0, 'nobody is connected any more');
  assertNoProblems(tab);
});

test('a_client_of_the_apps_keeps_its_socket_through_a_remount_and_is_let_go_of_in_the_end', async () => {
  const { opened } = await open({ more: { scene: 'given' }, history: ['before'] });
  await connected();
  await show({ key: 'another' });
  await shows(['before']);
  assert.equal(opened(), 1);
  await show({ isAway: true });
  await until(() => stack.proxy.socketCount === 0, 'the client is let go of');
  await show({ isAway: false });
  await connected();
  await shows(['before']);
  assert.equal(opened(), 2);
  assertNoProblems(tab);
});

test('a_client_that_the_app_connected_itself_stays_connected', async () => {
  const { opened } = await open({ more: { scene: 'given', connects: 'app' } });
  await connected();
  await show({ isAway: true });
  await tab.evaluate(() => new Promise((resolve) => setTimeout(resolve, 100)));
  assert.equal(await tab.evaluate(() => page.client.isConnected()), true);
  assert.equal(opened(), 1);
});

test('another_space_in_a_key_block_is_another_client_and_the_old_one_is_closed', async () => {
  const { peer, opened } = await open({ history: ['of the first'] });
  await connected();
  await shows(['of the first']);
  const spaceId = stack.newSpace('other');
  await stack.newPeer(spaceId).post('of the second');
  const { spaceToken } = await app.query(stack, spaceId, 'ada');
  await show({ spaceId, spaceToken });
  await connected();
  await until(() => stack.proxy.socketCount === 1, 'the first socket is closed');
  await peer.post('nobody hears this');
  await shows(['of the second']);
  assert.equal(opened(), 2);
  assert.deepEqual(await tab.evaluate(() => page.told), []);
  assertNoProblems(tab);
});

test('what_waits_in_a_room_is_there_at_once_after_a_switch_away_and_back_without_a_link', async () => {
  // Straight to the Worker: sockets that are cut would be counted for the tests behind.
  const network = stack.keep(await startNetwork(stack.backend.url));
  const { query } = await open({ more: { workerUrl: network.url } });
  await connected();
  network.goDown();
  await until(async () => (await text('#state')) !== 'connected', 'the link is lost');
  await send('waits');
  await tab.locator('#messages li[data-status="pending"]').waitFor();
  const spaceId = stack.newSpace('other');
  const { spaceToken } = await app.query(stack, spaceId, 'ada');
  await show({ spaceId, spaceToken });
  await until(async () => (await shown()).length === 0, 'the other room is shown');
  await show({ spaceId: query.spaceId, spaceToken: query.spaceToken });
  await tab.locator('#messages li[data-status="pending"]').waitFor({ timeout: 1_500 });
  await shows(['waits']);
  network.heal();
  await tab.locator('#messages li[data-status="sent"]').waitFor();
  await shows(['waits']);
});

test('a_component_that_stays_shows_and_writes_to_the_room_that_it_is_given', async () => {
  const { peer, opened } = await open({ more: { stays: 'yes' }, history: ['in the first'] });
  await connected();
  await shows(['in the first']);
  const spaceId = stack.newSpace('other');
  const other = stack.newPeer(spaceId);
  await other.post('in the second');
  const { spaceToken } = await app.query(stack, spaceId, 'ada');
  await show({ spaceId, spaceToken });
  await shows(['in the second']);
  await connected();
  await send('written in the second');
  await tab.locator('#messages li[data-status="sent"]').waitFor();
  await other.post('told in the second');
  await shows(['in the second', 'written in the second', 'told in the second']);
  const texts = async (room) => (await room.messages()).map((message) => message.text);
  assert.deepEqual(await texts(peer), ['in the first']);
  assert.deepEqual(await texts(other), ['in the second', 'written in the second', 'told in the second']);
  await until(() => stack.proxy.socketCount === 1, 'the first socket is closed');
  assert.deepEqual([opened(), await text('#store-last')], [2, 'told in the second']);
  assert.deepEqual(await tab.evaluate(() => page.told), ['written in the second', 'told in the second']);
  assertNoProblems(tab);
});

test('a_list_that_was_folded_while_messages_came_does_not_stay_in_the_next_room', async () => {
  const { peer } = await open({ more: { scene: 'folded', stays: 'yes' } });
  await tab.locator('#messages').waitFor({ state: 'attached' });
  await show({ isFolded: 'yes' });
  await peer.post('in the first');
  await tab.waitForTimeout(500);
  await show({ isFolded: '' });
  await shows(['in the first']);
  const spaceId = stack.newSpace('other');
  const { spaceToken } = await app.query(stack, spaceId, 'ada');
  await show({ spaceId, spaceToken });
  await until(async () => (await shown()).length === 0, 'the first room’s are gone');
  assertNoProblems(tab);
});

test('a_new_token_of_the_same_user_is_the_same_client', async () => {
  const { space, peer, opened } = await open({ more: { stays: 'yes' }, history: ['before'] });
  await connected();
  await shows(['before']);
  for (let at = 1; at <= 3; at += 1) {
    const { spaceToken } = await app.query(stack, space, 'ada');
    await show({ spaceToken });
    await send(`behind token ${at}`);
  }
  await shows(['before', 'behind token 1', 'behind token 2', 'behind token 3']);
  assert.equal(opened(), 1, 'one connection');
  assert.equal((await peer.messages()).length, 4);
  // Another user is another client.
  const { spaceToken } = await app.query(stack, space, 'bo');
  await show({ spaceToken });
  await until(() => opened() === 2, 'a connection of theirs');
  await connected();
  assertNoProblems(tab);
});

test('another_spelling_of_the_place_and_a_function_in_the_place_of_a_token_are_the_same_client', async () => {
  const { space, peer, opened } = await open({ more: { stays: 'yes' }, history: ['before'] });
  await connected();
  const { workerUrl } = await app.query(stack, space, 'ada');
  await show({ workerUrl: `${workerUrl}/` });
  await show({ workerUrl: workerUrl.replace('http:', 'ws:') });
  await show({ tokenFunction: 'yes' });
  await send('by a function');
  await show({ tokenFunction: '', spaceToken: (await app.query(stack, space, 'ada')).spaceToken });
  await send('by a text');
  await shows(['before', 'by a function', 'by a text']);
  assert.equal(opened(), 1, 'one connection');
  assert.equal((await peer.messages()).length, 3);
  // Whom the text names is known.
  const { spaceToken } = await app.query(stack, space, 'bo');
  await show({ spaceToken });
  await until(() => opened() === 2, 'a connection of theirs');
  await connected();
  assertNoProblems(tab);
});

test('what_the_next_user_of_another_function_writes_is_theirs_and_what_waits_is_not', async () => {
  // Straight to the Worker: sockets that are cut would be counted for the tests behind.
  const network = stack.keep(await startNetwork(stack.backend.url));
  const more = { stays: 'yes', tokenFunction: 'yes', workerUrl: network.url };
  const { space, peer } = await open({ more });
  await connected();
  await send('by ada');
  await shows(['by ada']);
  const signIn = async (userId) =>
    show({ who: userId, spaceToken: (await app.query(stack, space, userId)).spaceToken });
  await signIn('bob');
  await until(async () => (await text('#here')) === 'bob', 'bob is there');
  await send('by bob');
  await until(async () => (await stored(peer)).length === 2, 'it is stored');
  await show({ who: 'bob' });
  await signIn('ada');
  await until(async () => (await text('#here')) === 'ada', 'ada is there again');
  network.goDown();
  await until(async () => (await text('#state')) !== 'connected', 'the link is lost');
  await send('waits for ada');
  await tab.locator('#messages li[data-status="pending"]').waitFor();
  await signIn('bob');
  await send('by bob without a link');
  network.heal();
  await until(async () => (await stored(peer)).length > 2, 'what bob wrote is stored');
  await until(async () => (await text('#here')) === 'bob', 'bob is there');
  assert.deepEqual(await stored(peer), ['ada: by ada', 'bob: by bob', 'bob: by bob without a link']);
  assert.deepEqual(await tab.evaluate(() => page.asked), ['ada', 'bob', 'ada', 'bob']);
  await signIn('ada');
  await until(async () => (await stored(peer)).length === 4, 'what waited is sent');
  assert.equal((await stored(peer))[3], 'ada: waits for ada');
});

test('a_config_of_the_next_user_that_looks_after_no_rooms_ends_that_of_the_user_before', async () => {
  // Straight to the Worker: sockets that are cut would be counted for the tests behind.
  const network = stack.keep(await startNetwork(stack.backend.url));
  const { space } = await open({ more: { stays: 'yes', looksAfter: 'yes', workerUrl: network.url } });
  await connected();
  network.goDown();
  await until(async () => (await text('#state')) !== 'connected', 'the link is lost');
  await send('waits');
  await tab.locator('#messages li[data-status="pending"]').waitFor();
  const spaceId = stack.newSpace('next');
  const shownTo = async (userId) => (await app.query(stack, spaceId, userId)).spaceToken;
  await show({ spaceId, spaceToken: await shownTo('ada') });
  const asked = () => tab.evaluate(() => page.asked);
  await until(async () => (await asked()).includes(space), 'the room that was left is looked after');
  await show({ who: 'bob', spaceToken: await shownTo('bob'), looksAfter: '' });
  const { length } = await asked();
  // The client of the view before has gone by then.
  await tab.waitForTimeout(500);
  await tab.evaluate(() => globalThis.dispatchEvent(new Event('online')));
  await tab.waitForTimeout(1_000);
  assert.equal((await asked()).length, length);
});

test('a_token_function_of_a_config_that_stays_is_asked_once', async () => {
  const { peer } = await open({ more: { stays: 'yes', tokenFunction: 'yes' } });
  await connected();
  const history = Array.from({ length: 20 }, (_, at) => `m${at}`);
  for (const text of history) await peer.post(text);
  await shows(history);
  assert.deepEqual(await tab.evaluate(() => page.asked), ['ada']);
});

test('a_client_that_a_child_connects_first_lives_and_ends_with_the_component_that_made_it', async () => {
  const { peer, opened } = await open({ more: { scene: 'changing', stays: 'yes', connects: 'child' } });
  await connected();
  await show({ connects: '' });
  await tab.evaluate(() => new Promise((resolve) => setTimeout(resolve, 50)));
  await peer.post('told without the child');
  await shows(['told without the child']);
  assert.equal(opened(), 1);
  await show({ isAway: true });
  await until(() => stack.proxy.socketCount === 0, 'nobody is connected any more');
  assertNoProblems(tab);
});

test('a_config_that_is_changed_in_place_is_followed', async () => {
  const { peer, opened } = await open({ more: { scene: 'changing', stays: 'yes' } });
  await connected();
  const spaceId = stack.newSpace('other');
  const other = stack.newPeer(spaceId);
  const { spaceToken } = await app.query(stack, spaceId, 'ada');
  await show({ spaceId, spaceToken });
  await connected();
  await send('written in the second');
  await tab.locator('#messages li[data-status="sent"]').waitFor();
  assert.deepEqual([(await other.messages()).length, (await peer.messages()).length], [1, 0]);
  // Another user's token, and nothing else.
  await show({ spaceToken: (await app.query(stack, spaceId, 'bo')).spaceToken });
  await until(() => opened() === 3, 'a connection of theirs');
  await connected();
  assertNoProblems(tab);
});

test('a_room_is_left_where_there_is_no_config_or_a_bad_one_and_the_next_one_is_followed', async () => {
  const { space, peer, opened } = await open({ more: { scene: 'changing', stays: 'yes' }, history: ['one'] });
  await connected();
  await shows(['one']);
  // A page of the app that is in no room.
  await show({ isNowhere: true });
  await until(() => stack.proxy.socketCount === 0, 'the room is left');
  await shows([]);
  await show({ isNowhere: false });
  await connected();
  await peer.post('two');
  await shows(['one', 'two']);
  assertNoProblems(tab);
  const told = tab.waitForEvent('console', (message) => message.type() === 'error');
  await show({ spaceId: '' });
  assert.match((await told).text(), /kuratchi-spaces: .*spaceId must be/);
  await until(() => stack.proxy.socketCount === 0, 'what is written does not go to the room before');
  await show({ spaceId: space });
  await connected();
  await peer.post('three');
  await shows(['one', 'two', 'three']);
  assert.equal(opened(), 3);
  // The console of this tab has had its error.
  await tab.context().close();
  tab = undefined;
});

test('an_edit_of_the_source_of_a_child_keeps_the_one_socket', async () => {
  const { peer, opened } = await open({ history: ['before'] });
  await connected();
  app.edit('Messages.svelte', (source) => source.replace('First words', 'Other words'));
  await tab.getByRole('heading', { name: 'Other words' }).waitFor();
  await peer.post('after');
  await shows(['before', 'after']);
  assert.equal(await text('#state'), 'connected');
  assert.equal(opened(), 1);
  // The component that makes the client is made anew, and so is the client.
  app.edit('Room.svelte', (source) => source.replace('<Status />', '<h2>More words</h2><Status />'));
  await tab.getByRole('heading', { name: 'More words' }).waitFor();
  await connected();
  await peer.post('last');
  await shows(['before', 'after', 'last']);
  assert.equal(opened(), 2);
  await until(() => stack.proxy.socketCount === 1, 'the first socket is closed');
  assertNoProblems(tab);
});

test('a_server_renders_an_empty_space_asks_nobody_and_the_page_takes_it_over', async () => {
  const { peer, opened, query } = await open({ history: ['before'] });
  await connected();
  const html = await (await fetch(app.url(query, '/server-rendered'))).text();
  assert.match(html, /<span id="state">idle<\/span>/);
  assert.match(html, /<ol id="messages" data-loaded="false">(?:<!--[^>]*-->)*<\/ol>/);
  assert.equal(opened(), 1);
  const requests = [];
  const warnings = [];
  const listen = (request) => requests.push(request.url());
  tab.on('request', listen);
  tab.on('console', (message) => message.type() === 'warning' && warnings.push(message.text()));
  await tab.goto(app.url(query, '/server-rendered'));
  await connected();
  tab.off('request', listen);
  await peer.post('after');
  await shows(['before', 'after']);
  assert.equal(opened(), 2);
  assert.equal(requests.filter((url) => url.includes('/messages?')).length, 1);
  // Svelte tells a mismatch as a warning.
  assert.deepEqual(
    warnings.filter((text) => text.includes('hydration')),
    [],
  );
  assertNoProblems(tab);
});

test('what_is_written_offline_is_shown_at_once_and_sent_once', async () => {
  const { space } = await open({ history: ['before'] });
  await connected();
  await shows(['before']);
  stack.proxy.upgrades.shut();
  stack.proxy.cut();
  await until(async () => (await text('#state')) !== 'connected', 'the loss is shown');
  await send('written offline');
  await shows(['before', 'written offline']);
  assert.equal(await tab.locator('#messages li').last().getAttribute('data-status'), 'pending');
  stack.proxy.release();
  await connected();
  await tab.locator('#messages li[data-status="sent"]').waitFor();
  await shows(['before', 'written offline']);
  const stored = await stack.newPeer(space).messages();
  assert.deepEqual(
    stored.map((message) => message.text),
    ['before', 'written offline'],
  );
});

test('earlier_messages_come_page_by_page', async () => {
  const history = Array.from({ length: 120 }, (_, index) => `m${index}`);
  await open({ history });
  await connected();
  await shows(history.slice(-50));
  const older = tab.locator('#older');
  await older.click();
  await shows(history.slice(-100));
  await older.click();
  await shows(history);
  assert.equal(await older.isDisabled(), true);
});

test('a_component_updates_for_its_own_part_of_the_state_only', async () => {
  const { space, peer } = await open({ history: ['one', 'two'] });
  await connected();
  await shows(['one', 'two']);
  const bob = await stack.newTab();
  await bob.goto(app.url(await app.query(stack, space, 'bob')));
  await tab.waitForFunction(() => document.querySelector('#here').textContent.includes('bob'));
  const before = await renders();
  await bob.getByLabel('Message').fill('a');
  await tab.waitForFunction(() => document.querySelector('#typing').textContent === 'bob');
  const typing = await renders();
  assert.equal(typing.messages, before.messages, 'the list does not update because somebody types');
  assert.ok(typing.typing > before.typing);
  await peer.post('three');
  await shows(['one', 'two', 'three']);
  const news = await renders();
  console.log('renders:', JSON.stringify({ before, typing, news }));
  assert.equal(news.messages - typing.messages, 1);
  assert.equal(news.row - typing.row, 1, 'one new message renders one row');
  await bob.close();
});

test('a_wasm_that_could_not_be_fetched_once_is_fetched_again', async () => {
  // What a dev server can not give, the package has inside.
  const built = await startApp('svelte', { isBuilt: true });
  try {
    const visitor = await stack.newTab();
    let refused = 0;
    const refuse = (route) => {
      refused += 1;
      return route.fulfill({ status: 503 });
    };
    await visitor.route('**/*.wasm', refuse, { times: 1 });
    const space = stack.newSpace('svelte');
    await stack.newPeer(space).postAll(['one', 'two']);
    await visitor.goto(built.url(await built.query(stack, space, 'ada')));
    await visitor.waitForFunction(
      () =>
        document.querySelector('#state')?.textContent === 'connected' &&
        document.querySelectorAll('#messages li').length === 2,
    );
    assert.equal(refused, 1);
    await visitor.context().close();
  } finally {
    await built.close();
  }
});
