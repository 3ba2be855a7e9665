/**
 * The outbox's database: its keys, its order, and every way in which a browser's storage fails.
 *
 * Owns nothing but expectations.
 */

import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, mock, test } from 'node:test';
import { setImmediate as nextTask } from 'node:timers/promises';

import { hasIndexedDb, OutboxDatabase, waitingSpaces } from '../../pkg-template/outbox-database.js';
import { FakeDisk, row } from './lib/outbox-fakes.mjs';

const PLACE = { workerUrl: 'https://a.example', spaceId: 'lobby' };

beforeEach(() => {
  globalThis.IDBKeyRange = { bound: (lower, upper) => ({ lower, upper }) };
});

afterEach(() => {
  delete globalThis.IDBKeyRange;
  delete globalThis.indexedDB;
});

function setUp(place = PLACE, disk = new FakeDisk()) {
  const [onLost, onDeleted] = [mock.fn(), mock.fn()];
  return { disk, onLost, onDeleted, database: new OutboxDatabase(place, { onLost, onDeleted }, disk.open) };
}

const idsOf = (entries) => entries.map((entry) => entry.row.id);

describe('rows', () => {
  test('keep their order within a lane, and their lane', async () => {
    const { database } = setUp();
    await database.put(row('c'), { lane: 'x', position: 10 });
    await database.put(row('a'), { lane: 'x', position: 2 });
    await database.put(row('other'), { lane: 'xx', position: 0 });
    await database.put(row('b'), { lane: 'x', position: 9 });
    assert.deepEqual(idsOf(await database.read('x')), ['a', 'b', 'c']);
    assert.deepEqual(
      (await database.read('x')).map(({ position }) => position),
      [2, 9, 10],
    );
    assert.deepEqual((await database.lanes()).sort(), ['x', 'xx']);
    await database.remove('b', { lane: 'x', position: 9 });
    assert.deepEqual(idsOf(await database.read('x')), ['a', 'c']);
  });

  test('that move leave their old place in the same transaction', async () => {
    const { database, disk } = setUp();
    await database.put(row('a'), { lane: 'x', position: 0 });
    await database.put(row('b'), { lane: 'x', position: 1 });
    disk.log.length = 0;
    await database.put(row('a'), { lane: 'x', position: 2 }, { lane: 'x', position: 0 });
    assert.deepEqual(idsOf(await database.read('x')), ['b', 'a']);
    assert.deepEqual(disk.log, ['readwrite', 'commit', 'readonly']);
  });

  test('of two duplicated tabs at one position are both kept', async () => {
    const { database } = setUp();
    await database.put(row('a'), { lane: 'x', position: 0 });
    await database.put(row('b'), { lane: 'x', position: 0 });
    assert.deepEqual(idsOf(await database.read('x')), ['a', 'b']);
  });

  test('of other spaces and Workers are neither seen nor cleared', async () => {
    const disk = new FakeDisk();
    const { database } = setUp(PLACE, disk);
    const others = [
      { ...PLACE, spaceId: 'lobby2' },
      { ...PLACE, spaceId: 'lobb' },
      { ...PLACE, workerUrl: 'https://b.example' },
    ];
    for (const place of others) {
      await setUp(place, disk).database.put(row('theirs'), { lane: 'x', position: 0 });
    }
    await database.put(row('mine'), { lane: 'x', position: 0 });
    await database.put(row('also mine'), { lane: 'y', position: 0 });
    assert.deepEqual(await database.lanes(), ['x', 'y']);
    await database.clear();
    assert.deepEqual(disk.ids(), ['theirs', 'theirs', 'theirs']);
  });
});

describe('changes', () => {
  test('are one committed transaction each, and none waits for the answer of another', async () => {
    const { database, disk } = setUp();
    const done = [];
    const changes = [
      database.put(row('a'), { lane: 'x', position: 0 }).then(() => done.push('put')),
      database.remove('a', { lane: 'x', position: 0 }).then(() => done.push('removed')),
      database.put(row('b'), { lane: 'x', position: 1 }).then(() => done.push('put b')),
    ];
    await Promise.resolve();
    assert.deepEqual(done, []);
    await Promise.all(changes);
    assert.equal(done.length, 3);
    assert.deepEqual(disk.ids(), ['b'], 'those of one row in their order');
    const [opened, ...rest] = disk.log;
    assert.equal(opened, 'open kuratchi-spaces 1');
    assert.deepEqual(rest, ['readwrite', 'commit', 'readwrite', 'commit', 'readwrite', 'commit']);
  });

  test('nothing is opened before the first', async () => {
    const { disk, database } = setUp();
    await nextTask();
    assert.deepEqual(disk.log, []);
    database.close();
    await assert.rejects(database.lanes(), /was closed/);
  });
});

describe('a database that fails', () => {
  for (const [name, trouble] of [
    ['a_full_disk', { write: new DOMException('no space left', 'QuotaExceededError') }],
    ['a_private_window_that_refuses', { open: new DOMException('not allowed', 'InvalidStateError') }],
  ]) {
    test(`${name} is asked once more, and told once`, async () => {
      const { database, disk, onLost } = setUp();
      disk.trouble = trouble;
      const error = trouble.write ?? trouble.open;
      await assert.rejects(database.put(row('a'), { lane: 'x', position: 0 }), error);
      await assert.rejects(database.remove('a', { lane: 'x', position: 0 }), error);
      assert.deepEqual(
        onLost.mock.calls.map(({ arguments: values }) => values),
        [[error]],
      );
      assert.equal(disk.log.filter((line) => line.startsWith('open')).length, 2);
    });
  }

  test('one that can not be opened once is opened again', async () => {
    const { database, disk, onLost } = setUp();
    let left = 1;
    disk.trouble = {
      get open() {
        left -= 1;
        return left < 0 ? undefined : new DOMException('the disk is full for a moment', 'QuotaExceededError');
      },
    };
    await database.put(row('a'), { lane: 'x', position: 0 });
    assert.deepEqual([disk.ids(), onLost.mock.callCount()], [['a'], 0]);
  });

  for (const name of ['UnknownError', 'TimeoutError', 'QuotaExceededError', 'InvalidStateError']) {
    test(`${name} at one operation is a connection that is over`, async () => {
      const { database, disk, onLost } = setUp();
      await database.put(row('a'), { lane: 'x', position: 0 });
      disk.trouble = {
        write: new DOMException('Connection to Indexed Database server lost', name),
        once: true,
      };
      await database.put(row('b'), { lane: 'x', position: 1 });
      await database.remove('a', { lane: 'x', position: 0 });
      assert.deepEqual(disk.ids(), ['b']);
      assert.equal(onLost.mock.callCount(), 0);
    });
  }

  test('what is done once more does not come behind a later change of the same row', async () => {
    const { database, disk } = setUp();
    await database.lanes();
    disk.trouble = { write: new DOMException('no space left', 'QuotaExceededError'), once: true };
    const place = { lane: 'x', position: 0 };
    await Promise.all([
      database.put(row('a'), place),
      database.remove('a', place),
      database.put(row('b'), place),
    ]);
    assert.deepEqual(disk.ids(), ['b']);
  });

  test('a_database_that_never_answers is given up after three seconds, asleep or not', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const { database, disk, onLost } = setUp();
    disk.trouble = { hangs: true };
    const writing = database.put(row('a'), { lane: 'x', position: 0 }).catch((error) => error.message);
    await Promise.resolve();
    t.mock.timers.tick(1_000);
    t.mock.timers.tick(1_000);
    assert.equal(onLost.mock.callCount(), 0);
    t.mock.timers.tick(1_000);
    assert.match(await writing, /did not answer within 3000 ms/);
    assert.equal(onLost.mock.callCount(), 1);
  });

  test('behind many others an answer may take its time', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const { database, disk, onLost } = setUp();
    await database.lanes();
    disk.trouble = { hangs: true };
    const writing = database.put(row('a'), { lane: 'x', position: 0 }).catch((error) => error.message);
    await nextTask();
    // Another client of this page.
    const other = setUp({ ...PLACE, spaceId: 'hall' });
    for (let second = 0; second < 10; second += 1) {
      await other.database.lanes();
      t.mock.timers.tick(1_000);
    }
    assert.equal(onLost.mock.callCount(), 0);
    t.mock.timers.tick(1_000);
    t.mock.timers.tick(1_000);
    t.mock.timers.tick(1_000);
    assert.match(await writing, /did not answer within 3000 ms/);
  });

  for (const [event, text] of [
    ['blocking', /upgraded by another tab/],
    ['blocked', /held by another tab/],
  ]) {
    test(`a store that another version has: ${event} is told once`, async () => {
      const { database, disk, onLost } = setUp();
      await database.put(row('a'), { lane: 'x', position: 0 });
      disk.happen(event);
      disk.happen(event);
      assert.equal(onLost.mock.callCount(), 1);
      assert.match(onLost.mock.calls[0].arguments[0].message, text);
      await assert.rejects(database.read('x'), text);
    });
  }

  for (const isTold of [true, false]) {
    test(`a connection that the browser closes ${isTold ? 'with a word' : 'in silence'} is made anew`, async () => {
      const { database, disk, onLost } = setUp();
      await database.put(row('a'), { lane: 'x', position: 0 });
      disk.closeConnections();
      if (isTold) disk.happen('terminated');
      const operations = [database.remove('a', { lane: 'x', position: 0 })];
      operations.push(database.put(row('b'), { lane: 'x', position: 1 }));
      await Promise.all(operations);
      assert.deepEqual(disk.ids(), ['b']);
      assert.equal(disk.log.filter((entry) => entry.startsWith('open')).length, 2);
      assert.equal(onLost.mock.callCount(), 0);
    });
  }

  test('a browser that closes every connection has none for us', async () => {
    const { database, disk, onLost } = setUp();
    await database.put(row('a'), { lane: 'x', position: 0 });
    disk.closeConnections();
    disk.trouble = { open: new Error('not any more') };
    await assert.rejects(database.read('x'), /not any more/);
    assert.equal(onLost.mock.callCount(), 1);
  });

  test('a_store_deleted_under_our_feet is made anew, and whoever deletes it does not wait for us', async () => {
    const { database, disk, onLost, onDeleted } = setUp();
    await database.put(row('a'), { lane: 'x', position: 0 });
    disk.happen('blocking', null);
    assert.ok(disk.log.includes('closed for others'));
    disk.entries = [];
    assert.deepEqual([onDeleted.mock.callCount(), onLost.mock.callCount()], [1, 0]);
    await database.put(row('a'), { lane: 'x', position: 0 });
    assert.deepEqual([disk.ids(), onLost.mock.callCount()], [['a'], 0]);
  });

  test('one that opens too late is closed again', async () => {
    const disk = new FakeDisk();
    let open;
    const opening = new Promise((resolve) => {
      open = resolve;
    });
    const database = new OutboxDatabase(PLACE, { onLost: () => {} }, async (...values) => {
      await opening;
      return disk.open(...values);
    });
    const reading = database.lanes().catch((error) => error.message);
    database.close();
    open();
    assert.match(await reading, /was closed/);
    assert.ok(disk.log.includes('close'));
  });
});

test('a read that the browser aborts is told to whoever asked, and to nobody else', async () => {
  globalThis.indexedDB = {};
  const disk = new FakeDisk();
  const database = new OutboxDatabase(PLACE, { onLost() {}, onDeleted() {} }, disk.open);
  await database.put(row('a'), { lane: 'x', position: 0 });
  assert.deepEqual(await waitingSpaces(PLACE, disk.open), [{ spaceId: 'lobby', count: 1 }]);
  const stray = mock.fn();
  process.on('unhandledRejection', stray);
  disk.trouble = { read: new DOMException('aborted', 'AbortError') };
  for (const read of [
    () => waitingSpaces(PLACE, disk.open),
    () => database.read('x'),
    () => database.lanes(),
  ]) {
    await assert.rejects(read(), { name: 'AbortError' });
  }
  await nextTask();
  process.off('unhandledRejection', stray);
  assert.equal(stray.mock.callCount(), 0);
});

test('whether there is one at all is asked without throwing', () => {
  assert.equal(hasIndexedDb(), false);
  Object.defineProperty(globalThis, 'indexedDB', {
    configurable: true,
    get() {
      throw new DOMException('in a foreign frame', 'SecurityError');
    },
  });
  assert.equal(hasIndexedDb(), false);
  Object.defineProperty(globalThis, 'indexedDB', { configurable: true, value: {} });
  assert.equal(hasIndexedDb(), true);
});
