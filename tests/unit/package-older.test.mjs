/**
 * `loadOlder()`: the history comes whole into the store, page by page, whatever happens in between.
 *
 * Owns a model of a server's log that answers as ours does: whole groups of one millisecond, newest first. Real
 * pages are tested in tests/e2e.
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { Older } from '../../pkg-template/older.js';
import { STORE_LIMITS, Store } from '../../pkg-template/store.js';
import { setUpConnected } from './lib/core-double.mjs';
import { row } from './lib/outbox-fakes.mjs';

/** A store that somebody looks at. */
function newStore() {
  const store = new Store(() => false);
  store.look();
  return store;
}

const message = (seq, createdAt = seq * 10) => ({ id: `m${seq}`, seq, createdAt, updatedAt: createdAt });
const log = (count, timeOf) =>
  Array.from({ length: count }, (_, index) => message(index + 1, timeOf?.(index + 1)));
const seqs = (store) => store.snapshot().messages.map(({ seq }) => seq);
const range = (from, to) => Array.from({ length: to - from + 1 }, (_, index) => from + index);
const nextTask = () => new Promise((resolve) => setImmediate(resolve));

/** A store, and a server that it asks; `cuts` makes one that does not keep a millisecond together. */
function setUp(messages, { cuts = false } = {}) {
  const store = newStore();
  const asked = [];
  const server = {
    messages,
    asked,
    gate: undefined,
    async page(query) {
      asked.push(query);
      const { limit, before = Number.POSITIVE_INFINITY } = query;
      const fit = server.messages.filter(({ createdAt }) => createdAt < before);
      const page = fit.slice(-limit);
      const rest = fit.slice(0, -limit);
      while (!cuts && rest.length > 0 && rest.at(-1).createdAt === page[0].createdAt) {
        page.unshift(rest.pop());
      }
      await server.gate;
      if (server.fault) {
        throw server.fault;
      }
      return page;
    },
  };
  return { store, server, older: new Older(store, server.page) };
}

/** Loads until there is no more; gives how many calls that took. */
async function loadAll(store, older, limit) {
  for (let calls = 1; ; calls += 1) {
    await older.load(limit);
    if (!store.snapshot().hasOlder) {
      return calls;
    }
    assert.ok(calls < 500, 'the beginning is never reached');
  }
}

describe('pages', () => {
  test('the newest come first, then the ones before them, until the beginning is there', async () => {
    const { store, server, older } = setUp(log(120));
    const { isLoaded, hasOlder } = store.snapshot();
    assert.deepEqual({ isLoaded, hasOlder }, { isLoaded: false, hasOlder: true });
    await older.load(50);
    assert.deepEqual(seqs(store), range(71, 120));
    assert.equal(store.snapshot().isLoaded, true);
    assert.equal(store.snapshot().hasOlder, true);
    await older.load(50);
    assert.deepEqual(seqs(store), range(21, 120));
    await older.load(50);
    assert.deepEqual(seqs(store), range(1, 120));
    assert.equal(store.snapshot().hasOlder, false);
    await older.load(50);
    assert.deepEqual(server.asked, [
      { limit: 50, order: 'asc' },
      { limit: 51, before: 711, order: 'asc' },
      { limit: 51, before: 211, order: 'asc' },
    ]);
  });

  test('an empty space has no older messages, and is loaded', async () => {
    const { store, older } = setUp([]);
    await older.load(50);
    const { isLoaded, hasOlder, isLoadingOlder, messages } = store.snapshot();
    assert.deepEqual(
      { isLoaded, hasOlder, isLoadingOlder },
      { isLoaded: true, hasOlder: false, isLoadingOlder: false },
    );
    assert.equal(messages.length, 0);
  });

  test('one is asked for at a time, and all who ask meanwhile wait for it', async () => {
    const { store, server, older } = setUp(log(120));
    const gate = deferred();
    server.gate = gate.promise;
    const calls = [older.load(50), older.load(10), older.load(50)];
    assert.equal(calls[0], calls[1]);
    assert.equal(calls[0], calls[2]);
    assert.equal(store.snapshot().isLoadingOlder, true);
    gate.resolve();
    await Promise.all(calls);
    assert.equal(store.snapshot().isLoadingOlder, false);
    assert.equal(server.asked.length, 1);
  });

  test('one that fails is told, and asked for again by the next call', async () => {
    const { store, server, older } = setUp(log(10));
    server.fault = new Error('no network');
    await assert.rejects(older.load(50), /no network/);
    const { isLoaded, hasOlder, isLoadingOlder } = store.snapshot();
    assert.deepEqual(
      { isLoaded, hasOlder, isLoadingOlder },
      { isLoaded: false, hasOlder: true, isLoadingOlder: false },
    );
    server.fault = undefined;
    await older.load(50);
    assert.deepEqual(seqs(store), range(1, 10));
  });

  for (const cuts of [false, true]) {
    const how = cuts ? 'cut through' : 'kept together';
    test(`messages of one millisecond come all and once, ${how} by the server`, async () => {
      for (const limit of [1, 2, 7, 50, 1_000]) {
        const timeOf = (seq) => Math.floor(seq / 13);
        const { store, older } = setUp(log(100, timeOf), { cuts });
        await loadAll(store, older, limit);
        assert.deepEqual(seqs(store), range(1, 100), `limit ${limit}`);
      }
    });
  }

  test('a millisecond with more messages than any page has stops nothing', async () => {
    const timeOf = (seq) => (seq <= 5 ? seq : seq <= 1_505 ? 100 : seq);
    const { store, older } = setUp(log(1_510, timeOf), { cuts: true });
    await loadAll(store, older, 50);
    // A server that cuts there gives no way to the rest of it.
    assert.deepEqual(seqs(store).slice(0, 6), [1, 2, 3, 4, 5, 506]);
  });
});

describe('what happens in between', () => {
  test('what the app loaded or heard by itself is passed over, and a hole in it is filled', async () => {
    const all = log(300);
    const { store, server, older } = setUp(all);
    store.addMessages(all.slice(200));
    store.addMessages(all.slice(20, 40));
    await older.load(50);
    assert.deepEqual(seqs(store), [...range(21, 40), ...range(151, 300)]);
    assert.equal(server.asked.length, 3);
    await loadAll(store, older, 50);
    assert.deepEqual(seqs(store), range(1, 300));
  });

  test('a list that was forgotten while a page was on its way begins anew', async () => {
    const { store, server, older } = setUp(log(120));
    await older.load(50);
    const gate = deferred();
    server.gate = gate.promise;
    const loading = older.load(50);
    store.clearMessages();
    const { isLoaded, hasOlder } = store.snapshot();
    assert.deepEqual({ isLoaded, hasOlder }, { isLoaded: false, hasOlder: true });
    server.messages = log(7);
    gate.resolve();
    await loading;
    assert.deepEqual(seqs(store), range(1, 7));
    assert.equal(store.snapshot().hasOlder, false);
  });

  test('a list that was forgotten between two calls begins anew, though the beginning had been reached', async () => {
    const { store, server, older } = setUp(log(30));
    await loadAll(store, older, 50);
    store.clearMessages();
    server.messages = log(90);
    await older.load(50);
    assert.deepEqual(seqs(store), range(41, 90));
    await older.load(50);
    assert.deepEqual(seqs(store), range(1, 90));
  });

  test('live messages while a page is on its way stand behind it, and a deletion is not undone by it', async () => {
    const all = log(60);
    const { store, server, older } = setUp(all);
    await older.load(20);
    const gate = deferred();
    server.gate = gate.promise;
    const loading = older.load(20);
    store.addMessages([message(61)]);
    store.updateMessage({ ...all[40], text: '', deletedAt: 999, updatedAt: 999 });
    gate.resolve();
    await loading;
    assert.deepEqual(seqs(store), range(21, 61));
    assert.equal(store.find('m41').deletedAt, 999);
  });
});

describe('a list that is full', () => {
  test('drops the oldest and never what is on its way, and can load them again', async () => {
    const all = log(STORE_LIMITS.messages + 100);
    const { store, server, older } = setUp(all.slice(0, 200));
    await loadAll(store, older, 1_000);
    assert.equal(store.snapshot().hasOlder, false);
    store.followOutbox({ row: row('mine'), status: 'pending' });
    server.messages = all;
    store.addMessages(all.slice(200));
    const { messages, hasOlder } = store.snapshot();
    assert.equal(hasOlder, true, 'what was dropped can be asked for');
    assert.equal(messages.length, STORE_LIMITS.messages + 1);
    assert.equal(messages[0].seq, 101);
    assert.equal(messages.at(-1).clientMessageId, 'mine');
    const { length } = server.asked;
    await older.load(50);
    assert.equal(server.asked.length, length, 'there is no room for more');
    assert.equal(store.snapshot().messages.length, STORE_LIMITS.messages + 1);
  });

  test('a store that is full by its bytes asks for nothing', async () => {
    const text = 'x'.repeat(16_384);
    const all = log(3_000).map((each) => ({ ...each, text }));
    const { store, server, older } = setUp(all);
    store.addMessages(all.slice(1_000));
    for (let calls = 0; calls < 5; calls += 1) await older.load(50);
    const { length } = server.asked;
    assert.ok(length <= 60, `${length} pages`);
    await older.load(50);
    assert.equal(server.asked.length, length, 'there is no room for more');
    assert.equal(store.snapshot().hasOlder, true);
  });

  test('a server that gives the same messages again and again is left', async () => {
    for (const timeOf of [(time) => time - 1, (time) => time]) {
      const store = newStore();
      let [asked, time] = [0, 1_000_000];
      const older = new Older(store, async ({ limit }) => {
        asked += 1;
        time = timeOf(time);
        return log(limit, () => time).slice(-limit);
      });
      await older.load(50);
      await assert.rejects(
        async () => {
          for (let calls = 0; calls < 5; calls += 1) await older.load(50);
        },
        { code: 'protocol', message: /Failed to get messages: .*again and again/ },
      );
      assert.ok(asked < 100, `${asked} pages`);
      assert.equal(store.snapshot().isLoadingOlder, false);
    }
  });

  test('a page that is dropped in part leaves hasOlder true', async () => {
    const all = log(STORE_LIMITS.messages + 100);
    const { store, server, older } = setUp(all.slice(30, 60));
    await older.load(1_000);
    store.addMessages(all.slice(60, STORE_LIMITS.messages + 20));
    assert.equal(store.snapshot().hasOlder, false);
    store.clearMessages();
    server.messages = all.slice(0, STORE_LIMITS.messages + 20);
    store.addMessages(all.slice(30, STORE_LIMITS.messages + 20));
    await older.load(1_000);
    assert.equal(store.snapshot().messages[0].seq, 21);
    assert.equal(store.snapshot().hasOlder, true);
  });
});

describe('client.loadOlder()', () => {
  test('asks the core for pages, and tells what is wrong with its options', async () => {
    const { client, core } = await setUpConnected();
    const loading = client.loadOlder({ limit: 2 });
    assert.equal(client.loadOlder(), loading);
    assert.deepEqual(core.asked.at(-1), ['getMessages', { limit: 2, order: 'asc' }]);
    core.settle('getMessages', 'resolve', [message(4), message(5)]);
    await loading;
    assert.deepEqual(
      client.getSnapshot().messages.map(({ seq }) => seq),
      [4, 5],
    );
    const next = client.loadOlder();
    await nextTask();
    assert.deepEqual(core.asked.at(-1), ['getMessages', { limit: 51, before: 41, order: 'asc' }]);
    core.settle('getMessages', 'resolve', [message(3), message(4)]);
    await next;
    assert.equal(client.getSnapshot().hasOlder, false);
    for (const limit of [0, 1.5, 1_001, '50', Number.NaN]) {
      await assert.rejects(client.loadOlder({ limit }), { code: 'invalidArgument', field: 'limit' });
    }
    await assert.rejects(client.loadOlder(7), { code: 'invalidArgument', field: 'options' });
  });

  test('that nobody waits for is nothing to report when the client is closed', async (t) => {
    const onUnhandled = t.mock.fn();
    process.on('unhandledRejection', onUnhandled);
    t.after(() => process.off('unhandledRejection', onUnhandled));
    const { client } = await setUpConnected();
    client.loadOlder();
    client.close();
    await nextTask();
    await nextTask();
    assert.equal(onUnhandled.mock.callCount(), 0);
  });

  test('fails with closed when the client is closed meanwhile, and afterwards', async () => {
    const { client } = await setUpConnected();
    const loading = client.loadOlder();
    client.close();
    await assert.rejects(loading, { code: 'closed' });
    await assert.rejects(client.loadOlder(), { code: 'closed' });
    assert.equal(client.getSnapshot().isLoadingOlder, false);
  });
});

function deferred() {
  let resolve;
  const promise = new Promise((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
