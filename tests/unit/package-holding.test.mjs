/**
 * What views do with a client: when it is connected and let go of, and when the newest messages are asked for.
 *
 * Owns nothing but expectations; real components are tested in tests/e2e.
 */

import assert from 'node:assert/strict';
import { describe, mock, test } from 'node:test';

import { SpaceClient } from '../../pkg-template/client.js';
import { ChatError } from '../../pkg-template/errors.js';
import { Following } from '../../pkg-template/following.js';
import { given, hold, loadNewest } from '../../pkg-template/holding.js';
import { CONFIG, setUp, setUpConnected } from './lib/core-double.mjs';

const nextTask = () => new Promise((resolve) => setTimeout(resolve, 5));
const count = (core, name) => core.names().filter((other) => other === name).length;

const settled = () => new Promise((resolve) => setImmediate(resolve));

/** A client whose Wasm can not be had, and what refuses the attempt that is being made. */
function setUpRefused({ retryable }) {
  const load = mock.fn(() => new Promise((_, reject) => rejects.push(reject)));
  const rejects = [];
  const client = new SpaceClient(CONFIG, { load, fault: () => undefined, fail: (error) => error });
  return {
    client,
    attempts: () => load.mock.callCount(),
    async refuse() {
      rejects.at(-1)(new ChatError('no network', { code: 'wasmUnavailable', retryable }));
      await settled();
    },
  };
}

describe('holding', () => {
  test('connects with the first view, and disconnects after the last', async () => {
    const { client, load } = setUp();
    const letGo = [hold(client), hold(client)];
    const core = await load();
    core.accept();
    letGo[0]();
    await nextTask();
    assert.equal(client.isConnected(), true);
    letGo[1]();
    assert.equal(client.isConnected(), true, 'another view may come in this task');
    await nextTask();
    assert.equal(client.isConnected(), false);
    assert.equal(count(core, 'disconnect'), 1);
    assert.equal(count(core, 'connect'), 1);
    hold(client);
    assert.equal(count(core, 'connect'), 2, 'it can be held again');
  });

  test('that ends and begins in one task keeps the connection', async () => {
    const { client, load } = setUp();
    const letGo = hold(client);
    const core = await load();
    core.accept();
    letGo();
    hold(client);
    await nextTask();
    assert.equal(client.isConnected(), true);
    assert.deepEqual([count(core, 'connect'), count(core, 'disconnect')], [1, 0]);
  });

  test('a client that was made for the view closes it', async () => {
    const { client, load } = setUp();
    const letGo = hold(client, () => client.close());
    await load();
    letGo();
    await nextTask();
    await assert.rejects(client.connect(), { code: 'closed' });
  });

  test('a client that was made for the view is closed with it, also where a view below connected it first', async () => {
    const { client, load } = setUp();
    const connecting = client.connect();
    const child = hold(client);
    const letGo = hold(client, () => client.close());
    const core = await load();
    core.accept();
    await connecting;
    child();
    await nextTask();
    assert.equal(client.isConnected(), true);
    letGo();
    await nextTask();
    await assert.rejects(client.connect(), { code: 'closed' });
    assert.equal(core.freed, 1);
  });

  for (const first of [0, 1]) {
    test(`a client that was made for view 1 is closed with the last, where ${first} lets go first`, async () => {
      const { client, load } = setUp();
      const letGo = [hold(client), hold(client, () => client.close())];
      const core = await load();
      core.accept();
      letGo[first]();
      await nextTask();
      assert.equal(client.isConnected(), true);
      letGo[1 - first]();
      await nextTask();
      await assert.rejects(client.connect(), { code: 'closed' });
      assert.equal(count(core, 'connect'), 1);
    });
  }

  test('one in the place of several is left to whoever made it', async () => {
    const { client, load } = setUp();
    const child = hold(new Following(client));
    assert.equal(client.getSnapshot().state, 'idle');
    const letGo = hold(client, () => client.close());
    const core = await load();
    core.accept();
    child();
    await nextTask();
    assert.equal(client.isConnected(), true, 'the room of a mounted component');
    letGo();
    await nextTask();
    await assert.rejects(client.connect(), { code: 'closed' });
  });

  test('leaves a client alone that the app has connected', async () => {
    const { client, core } = await setUpConnected();
    hold(client)();
    await nextTask();
    assert.equal(client.isConnected(), true);
    assert.equal(count(core, 'connect'), 1);
  });

  test('tries again with a client that was refused, and reports no rejection', async () => {
    const { client, load } = setUp();
    hold(client)();
    const core = await load();
    core.refuse('tokenExpired');
    await nextTask();
    assert.equal(client.getSnapshot().error.code, 'tokenExpired');
    hold(client);
    assert.equal(count(core, 'connect'), 2);
  });

  test('connects again after what may pass, later each time, until the last view is gone', async (t) => {
    const { client, refuse, attempts } = setUpRefused({ retryable: true });
    mock.timers.enable({ apis: ['setTimeout'] });
    t.after(() => mock.timers.reset());
    const letGo = [hold(client), hold(client)];
    await refuse();
    const waits = [5_000, 10_000, 20_000, 30_000, 30_000];
    for (const [index, waitMs] of waits.entries()) {
      mock.timers.tick(waitMs - 1);
      assert.equal(attempts(), index + 1, 'one attempt at a time, for all views');
      mock.timers.tick(1);
      assert.equal(attempts(), index + 2);
      await refuse();
    }
    letGo[0]();
    mock.timers.tick(30_000);
    assert.equal(attempts(), waits.length + 2);
    await refuse();
    letGo[1]();
    mock.timers.tick(1);
    mock.timers.tick(60_000);
    assert.equal(attempts(), waits.length + 2);
  });

  test('does not connect again after what will not pass', async (t) => {
    const { client, refuse, attempts } = setUpRefused({ retryable: false });
    mock.timers.enable({ apis: ['setTimeout'] });
    t.after(() => mock.timers.reset());
    hold(client);
    await refuse();
    mock.timers.tick(60_000);
    assert.equal(attempts(), 1);
  });

  test('says what to do where there is no client', () => {
    for (const nothing of [undefined, null, { spaceId: 'a' }]) {
      assert.throws(
        () => given(nothing),
        /there is no space here: provide one further up .* or pass a client/,
      );
    }
  });
});

describe('the newest messages', () => {
  const fail = (core, retryable) =>
    core.settle('getMessages', 'reject', core.host.error('network', 'no network', retryable));

  test('are asked for once, however many views look', async () => {
    const { client, core } = await setUpConnected();
    const ends = [loadNewest(client), loadNewest(client)];
    assert.equal(count(core, 'getMessages'), 1);
    core.settle('getMessages', 'resolve', []);
    await nextTask();
    for (const end of ends) {
      end();
    }
    loadNewest(client)();
    assert.equal(count(core, 'getMessages'), 1);
  });

  test('are asked for again after a failure that may pass, until the view is gone', async (t) => {
    const { client, core } = await setUpConnected();
    mock.timers.enable({ apis: ['setTimeout'] });
    t.after(() => mock.timers.reset());
    const end = loadNewest(client);
    fail(core, true);
    await settled();
    assert.equal(count(core, 'getMessages'), 1);
    mock.timers.tick(5_000);
    assert.equal(count(core, 'getMessages'), 2);
    fail(core, true);
    await settled();
    mock.timers.tick(9_999);
    assert.equal(count(core, 'getMessages'), 2, 'the second time it waits longer');
    end();
    mock.timers.tick(60_000);
    assert.equal(count(core, 'getMessages'), 2);
  });

  test('of a client that takes the place of another are asked for before it has a link', async () => {
    const first = await setUpConnected();
    const following = new Following(first.client);
    const end = loadNewest(following);
    const second = setUp();
    following.follow(second.client);
    const core = await second.load();
    await nextTask();
    assert.deepEqual([count(core, 'getMessages'), second.client.isConnected()], [1, false]);
    end();
  });

  test('of a connected client that another one makes place for are asked for', async () => {
    const [first, second] = [await setUpConnected(), await setUpConnected()];
    const following = new Following(first.client);
    const end = loadNewest(following);
    assert.equal(count(first.core, 'getMessages'), 1);
    following.follow(second.client);
    assert.equal(count(second.core, 'getMessages'), 1);
    following.follow(first.client);
    assert.equal(count(first.core, 'getMessages'), 1, 'that is on its way');
    end();
    following.follow(second.client);
    assert.equal(count(second.core, 'getMessages'), 1);
  });

  test('are asked for again where the network is back before it is time', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const listeners = new Set();
    globalThis.addEventListener = (_, listener) => listeners.add(listener);
    globalThis.removeEventListener = (_, listener) => listeners.delete(listener);
    t.after(() => {
      delete globalThis.addEventListener;
      delete globalThis.removeEventListener;
    });
    const { client, core } = await setUpConnected();
    const end = loadNewest(client);
    core.settle('getMessages', 'reject', new ChatError('gone', { code: 'network', retryable: true }));
    await settled();
    for (const online of listeners) online();
    assert.equal(count(core, 'getMessages'), 2);
    end();
    assert.equal(listeners.size, 0);
  });

  test('are not asked for again after a refusal, but with a new connection', async (t) => {
    const { client, core } = await setUpConnected();
    const end = loadNewest(client);
    t.after(end);
    fail(core, false);
    await nextTask();
    core.host.onTyping('bob', true);
    await nextTask();
    assert.equal(count(core, 'getMessages'), 1);
    core.host.onState({ state: 'reconnecting' });
    await nextTask();
    core.host.onState({ state: 'connected' });
    await nextTask();
    assert.equal(count(core, 'getMessages'), 2);
  });
});
