/**
 * The React hooks in a real app: StrictMode, remounts, changed options, hot reloads, Suspense and server rendering,
 * in Chromium against the real Worker.
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
  app = await startApp('react');
});
after(() => app?.close());

/** Opens the app; gives the space and how many sockets there were before. */
async function open({ kind = 'react', more, path, history = [] } = {}) {
  const space = stack.newSpace(kind);
  const peer = stack.newPeer(space);
  await peer.postAll(history);
  tab ??= await newTab();
  const query = await app.query(stack, space, 'ada', more);
  const sockets = stack.proxy.upgradeCount;
  await tab.goto(app.url(query, path));
  return { space, peer, query, opened: () => stack.proxy.upgradeCount - sockets };
}

/** A tab that counts the sockets that a page makes, even those that it closes before they reach anybody. */
async function newTab() {
  const made = await stack.newTab();
  await made.addInitScript(() => {
    globalThis.socketsMade = 0;
    globalThis.WebSocket = class extends WebSocket {
      constructor(...values) {
        // Vite's own is not ours.
        globalThis.socketsMade += String(values[1]).startsWith('vite') ? 0 : 1;
        super(...values);
      }
    };
  });
  return made;
}

const socketsMade = () => tab.evaluate(() => socketsMade);
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

test('strict_mode_makes_one_socket_and_shows_each_message_once', async () => {
  const { peer, opened } = await open({ history: ['one', 'two', 'three'] });
  await connected();
  await peer.post('four');
  await send('five');
  await tab.locator('#messages li[data-status="sent"]').waitFor();
  await peer.post('six');
  await shows(['one', 'two', 'three', 'four', 'five', 'six']);
  assert.equal(opened(), 1);
  assert.equal(await socketsMade(), 1);
  assert.equal(stack.proxy.socketCount, 1);
  const told = await tab.evaluate(() => page.told);
  assert.deepEqual(told, ['hello: four', 'hello: five', 'hello: six']);
  assertNoProblems(tab);
});

test('a_remount_with_the_wasm_loaded_makes_one_socket_more_and_leaves_one', async () => {
  const { peer, opened } = await open({ history: ['before'] });
  await connected();
  await tab.evaluate(() => page.remount());
  await connected();
  await peer.post('after');
  await shows(['before', 'after']);
  assert.equal(opened(), 2);
  assert.equal(await socketsMade(), 2);
  await until(() => stack.proxy.socketCount === 1, 'the first socket is closed');
  await tab.evaluate(() => page.unmount());
  await until(() => stack.proxy.socketCount === 0, 'nobody is connected any more');
  assertNoProblems(tab);
});

test('a_client_of_the_apps_keeps_its_socket_through_a_remount_and_is_let_go_of_in_the_end', async () => {
  const { opened } = await open({ more: { scene: 'given', key: 'one' }, history: ['before'] });
  await connected();
  await show({ key: 'two' });
  await shows(['before']);
  assert.equal(opened(), 1);
  await show({ isAway: true });
  await until(() => stack.proxy.socketCount === 0, 'the client is let go of');
  await show({ isAway: '' });
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

test('a_new_config_object_or_function_changes_nothing_and_the_latest_callback_is_called', async () => {
  const { peer, opened } = await open({ more: { tokenFunction: true } });
  await connected();
  for (let index = 0; index < 5; index += 1) {
    await show({ greeting: `render ${index}` });
  }
  await peer.post('one');
  await shows(['one']);
  assert.deepEqual(await tab.evaluate(() => page.told), ['render 4: one']);
  assert.equal(opened(), 1);
});

test('a_callback_that_comes_later_is_heard_and_one_that_goes_is_not', async () => {
  const { space, opened } = await open();
  await connected();
  await tab.locator('#here').getByText('ada').waitFor();
  const bob = await stack.newTab();
  await bob.goto(app.url(await app.query(stack, space, 'bob')));
  const types = async (text) => {
    await bob.getByLabel('Message').fill(text);
    await tab.waitForFunction(
      (typing) => document.querySelector('#typing').textContent === typing,
      text && 'bob',
    );
  };
  await types('a');
  await show({ hearsTyping: true });
  await types('');
  await show({ hearsTyping: '' });
  await types('b');
  assert.deepEqual(await tab.evaluate(() => page.told), ['bob false']);
  assert.equal(opened(), 2, 'one of each');
  await bob.close();
});

test('another_space_or_user_is_another_client_and_the_old_one_is_closed', async () => {
  const { peer, query, opened } = await open({ history: ['of the first'] });
  await connected();
  await shows(['of the first']);
  const space = stack.newSpace('other');
  await stack.newPeer(space).post('of the second');
  const { spaceToken } = await app.query(stack, space, 'ada');
  await show({ spaceId: space, spaceToken });
  await shows(['of the second']);
  await connected();
  assert.equal(opened(), 2);
  await until(() => stack.proxy.socketCount === 1, 'the first socket is closed');
  const code = await tab.evaluate(async () => {
    const [first] = page.clients;
    return first.connect().catch((error) => error.code);
  });
  assert.equal(code, 'closed', 'the first client has given everything back');
  const told = await tab.evaluate(() => page.told.length);
  await peer.post('nobody hears this');
  await show({ spaceId: query.spaceId, spaceToken: query.spaceToken });
  await shows(['of the first', 'nobody hears this']);
  await connected();
  assert.equal(opened(), 3);
  const { spaceToken: other } = await app.query(stack, query.spaceId, 'bo');
  await show({ spaceToken: other });
  await until(() => opened() === 4, 'another user makes a new socket');
  await until(() => stack.proxy.socketCount === 1, 'one socket is left');
  assert.equal(await tab.evaluate(() => page.told.length), told);
  assertNoProblems(tab);
});

test('a_switch_by_a_click_makes_one_client_however_many_went_before', async () => {
  const { query } = await open();
  await connected();
  const spaceId = stack.newSpace('other');
  const other = await app.query(stack, spaceId, 'ada');
  const before = await socketsMade();
  for (let n = 1; n <= 4; n += 1) {
    const { spaceToken } = n % 2 ? other : query;
    const place = { spaceId: n % 2 ? spaceId : query.spaceId, spaceToken };
    await tab.evaluate((changes) => page.showAtOnce(changes), place);
    await until(async () => (await socketsMade()) >= before + n, 'the next client connects');
    await connected();
    // What the view that is gone sets comes in a task of its own.
    await tab.evaluate(() => new Promise((resolve) => setTimeout(resolve, 100)));
    assert.equal(await socketsMade(), before + n);
  }
  await until(() => stack.proxy.socketCount === 1, 'one socket is left');
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

test('a_new_token_of_the_same_user_is_the_same_client_and_loses_nothing', async () => {
  const { space, peer, opened } = await open({ history: ['before'] });
  await connected();
  for (let at = 1; at <= 10; at += 1) {
    const { spaceToken } = await app.query(stack, space, 'ada');
    // What is sent in the tick in which the token comes is stored as well.
    await tab.evaluate(
      ([spaceToken, text]) => {
        page.show({ spaceToken });
        const [latest] = [...page.clients].slice(-1);
        latest.sendMessage({ text });
      },
      [spaceToken, `behind token ${at}`],
    );
  }
  const expected = ['before', ...Array.from({ length: 10 }, (_, at) => `behind token ${at + 1}`)];
  await shows(expected);
  assert.deepEqual(
    (await peer.messages()).map((message) => message.text),
    expected,
  );
  assert.equal(opened(), 1, 'one connection');
  assertNoProblems(tab);
});

test('another_spelling_of_the_place_and_a_function_in_the_place_of_a_token_are_the_same_client', async () => {
  const { space, peer, opened } = await open({ history: ['before'] });
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

test('what_the_next_user_of_another_kept_function_writes_is_theirs_and_what_waits_is_not', async () => {
  // Straight to the Worker: sockets that are cut would be counted for the tests behind.
  const network = stack.keep(await startNetwork(stack.backend.url));
  const more = { tokenFunction: 'kept', workerUrl: network.url };
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
  const { space } = await open({ more: { looksAfter: 'yes', workerUrl: network.url } });
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

test('a_token_function_that_is_new_in_each_render_is_not_asked_for_that', async () => {
  const { peer } = await open({ more: { scene: 'talk', tokenFunction: 'new' } });
  await connected();
  const history = Array.from({ length: 20 }, (_, at) => `m${at}`);
  for (const [at, text] of history.entries()) {
    await peer.post(text);
    await tab.waitForFunction((count) => document.querySelector('#count').textContent === `${count}`, at + 1);
  }
  const { length } = await tab.evaluate(() => page.asked);
  console.log('token questions:', length);
  // The second is where the first token came before anything was rendered again.
  assert.ok(length <= 2, `asked ${length} times`);
});

test('an_edit_of_the_source_keeps_the_state_and_the_one_socket', async () => {
  const { peer, opened } = await open({ history: ['before'] });
  await connected();
  await tab.locator('#clicks').click();
  await tab.locator('#clicks').click();
  app.edit('room.jsx', (source) => source.replace('First words', 'Other words'));
  await tab.getByRole('heading', { name: 'Other words' }).waitFor();
  await peer.post('after');
  await shows(['before', 'after']);
  assert.equal(await text('#clicks'), '2');
  assert.equal(await text('#state'), 'connected');
  assert.equal(opened(), 1);
  assert.equal(stack.proxy.socketCount, 1);
  assertNoProblems(tab);
});

test('a_component_that_suspends_makes_one_socket_and_keeps_it', async () => {
  const { peer, opened } = await open({ more: { scene: 'suspended' }, history: ['before'] });
  await tab.locator('#waiting').waitFor();
  await tab.evaluate(() => page.wake('ready'));
  await shows(['before']);
  await show({ waits: 'again' });
  await tab.locator('#waiting').waitFor();
  await peer.post('meanwhile');
  await tab.evaluate(() => page.wake('again'));
  await tab.locator('#word').getByText('again').waitFor();
  await shows(['before', 'meanwhile']);
  assert.equal(opened(), 1);
  assertNoProblems(tab);
});

test('a_view_that_is_hidden_lets_its_space_go_and_takes_it_up_again', async () => {
  const { peer, opened } = await open({ more: { scene: 'hidden' }, history: ['before'] });
  await connected();
  await shows(['before']);
  await until(() => stack.proxy.socketCount === 2, 'the room and the listener are connected');
  await show({ isHidden: true });
  await until(() => stack.proxy.socketCount === 0, 'a hidden view needs no connection');
  await peer.post('meanwhile');
  await show({ isHidden: '' });
  await connected();
  await shows(['before', 'meanwhile']);
  await until(() => stack.proxy.socketCount === 2, 'both are connected again');
  await peer.post('after');
  await shows(['before', 'meanwhile', 'after']);
  await until(async () => (await tab.evaluate(() => page.told.length)) === 2, 'both have heard it');
  const told = await tab.evaluate(() => page.told);
  assert.deepEqual(told.sort(), ['heard after', 'hello: after']);
  assert.equal(opened(), 4);
  assertNoProblems(tab);
});

test('a_server_renders_an_empty_space_asks_nobody_and_the_page_takes_it_over', async () => {
  const requests = [];
  const { peer, opened, query } = await open({ history: ['before'] });
  await connected();
  const count = opened();
  const html = await (await fetch(app.url(query, '/server-rendered'))).text();
  assert.match(html, /<span id="state">idle<\/span>/);
  assert.match(html, /<ol id="messages" data-loaded="false"><\/ol>/);
  assert.equal(opened(), count);
  const listen = (request) => requests.push(request.url());
  tab.on('request', listen);
  await tab.goto(app.url(query, '/server-rendered'));
  await connected();
  tab.off('request', listen);
  await peer.post('after');
  await shows(['before', 'after']);
  assert.equal(opened(), count + 1);
  assert.equal(requests.filter((url) => url.includes('/messages?')).length, 1);
  // React tells a mismatch on the console.
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

test('a_component_renders_for_its_own_part_of_the_state_only', async () => {
  const { space, peer } = await open({ more: { loose: true }, history: ['one', 'two'] });
  await connected();
  await shows(['one', 'two']);
  const bob = await stack.newTab();
  await bob.goto(app.url(await app.query(stack, space, 'bob', { loose: true })));
  await tab.waitForFunction(() => document.querySelector('#here').textContent.includes('bob'));
  const before = await renders();
  await bob.getByLabel('Message').fill('a');
  await tab.waitForFunction(() => document.querySelector('#typing').textContent === 'bob');
  const typing = await renders();
  assert.equal(typing.messages, before.messages, 'the list does not render because somebody types');
  assert.ok(typing.status > before.status);
  await peer.post('three');
  await shows(['one', 'two', 'three']);
  const news = await renders();
  console.log('renders:', JSON.stringify({ before, typing, news }));
  assert.equal(news.row - typing.row, 1, 'one new message renders one row');
  await bob.close();
});

test('two_spaces_are_two_clients', async () => {
  const otherId = stack.newSpace('other');
  await stack.newPeer(otherId).post('there');
  const { spaceToken: otherToken } = await app.query(stack, otherId, 'ada');
  const { opened } = await open({ more: { scene: 'two', otherId, otherToken }, history: ['here'] });
  await tab.locator('#one').getByText('here', { exact: true }).waitFor();
  await tab.locator('#other').getByText('there', { exact: true }).waitFor();
  await until(() => opened() === 2, 'both are connected');
});

test('clients_of_views_that_are_gone_are_given_back', async () => {
  await open({ history: ['before'] });
  await connected();
  const alive = await tab.evaluate(async () => {
    const refs = [];
    for (let index = 0; index < 20; index += 1) {
      refs.push(...[...page.clients].map((client) => new WeakRef(client)));
      page.clients.clear();
      page.remount();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    // React keeps the last tree that it took away. What else is left is waited for: React and the engine let go in tasks of theirs.
    const left = () => refs.filter((ref) => ref.deref()).length;
    for (let round = 0; round < 200 && (round < 5 || left() > 3); round += 1) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      gc();
      // A reference that was looked at lives until its task is over.
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    return { made: refs.length, left: left() };
  });
  console.log('clients:', JSON.stringify(alive));
  assert.ok(alive.made >= 20);
  assert.ok(alive.left <= 3, `${alive.left} of ${alive.made} are left`);
  await connected();
  await until(() => stack.proxy.socketCount === 1, 'one socket is left');
});

test('a_wasm_that_could_not_be_fetched_once_is_fetched_again', async () => {
  // What a dev server can not give, the package has inside.
  const built = await startApp('react', { isBuilt: true });
  try {
    const visitor = await stack.newTab();
    let refused = 0;
    const refuse = (route) => {
      refused += 1;
      return route.fulfill({ status: 503 });
    };
    await visitor.route('**/*.wasm', refuse, { times: 1 });
    const space = stack.newSpace('react');
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
