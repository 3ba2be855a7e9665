/**
 * The outbox's keeper: lanes taken, given up and taken over, and what the core is told of it.
 *
 * Owns a browser of several tabs that share a disk and locks. The real ones are used by the tests in browsers.
 */

import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { setImmediate as nextTask } from 'node:timers/promises';

import { Outbox } from '../../pkg-template/outbox.js';
import { OutboxDatabase } from '../../pkg-template/outbox-database.js';
import { Lanes } from '../../pkg-template/outbox-lane.js';
import { FakeDisk, FakeLocks, FakeStorage, row } from './lib/outbox-fakes.mjs';

const PLACE = { workerUrl: 'https://a.example', spaceId: 'lobby' };
/** Longer than a lane is left alone for the page that reloads. */
const RELOADED_MS = 2_000;
/** Longer than lanes are kept without a link. */
const LEFT_MS = 1_000;
/** For as long what a closed client wrote before anybody was known is of who is known first. */
const FORGOTTEN_MS = 10_000;

const define = (name, value) => Object.defineProperty(globalThis, name, { configurable: true, value });
const opened = [];

beforeEach((t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  define('indexedDB', {});
  define('IDBKeyRange', { bound: (lower, upper) => ({ lower, upper }) });
  define('sessionStorage', new FakeStorage());
  define('BroadcastChannel', FakeChannel);
});

afterEach((t) => {
  for (const outbox of opened.splice(0)) {
    outbox.close();
  }
  // What they wrote is nobody's then.
  t.mock.timers.tick(FORGOTTEN_MS);
  for (const name of ['indexedDB', 'IDBKeyRange', 'sessionStorage', 'window', 'document']) {
    define(name, undefined);
  }
  FakeChannel.all.clear();
});

class FakeChannel {
  static all = new Set();

  constructor(name) {
    this.name = name;
    FakeChannel.all.add(this);
  }

  postMessage(data) {
    for (const other of FakeChannel.all) {
      if (other !== this && other.name === this.name) {
        other.onmessage({ data });
      }
    }
  }

  close() {
    FakeChannel.all.delete(this);
  }
}

/** Lets everything happen that waits for no timer. */
async function settle() {
  for (let round = 0; round < 5; round += 1) {
    await nextTask();
  }
}

const pages = new WeakMap();

/** The lanes of a page's clients. */
function lanesOf(page) {
  const lanes = pages.get(page) ?? new Set();
  pages.set(page, lanes);
  return lanes;
}

/** One client in a tab of its own: a page, a memory and a core that notes what it is told, and knows who uses it. */
function openTab(parts) {
  const { disk, locks, storage = new FakeStorage(), page = new EventTarget() } = parts;
  const { user = 'ada', said, place = PLACE } = parts;
  define('sessionStorage', storage);
  define('window', page);
  define('document', Object.assign(new EventTarget(), { hidden: false }));
  const told = [];
  const name = ({ id, fresh }) => (fresh ? `${id} fresh` : id);
  const word = (value) => (Array.isArray(value) ? value.map(name).join('+') || 'none' : value);
  const tab = { user };
  const owner = () => `user:${tab.user || said}`;
  const core = new Proxy(
    { ownsAny: (rows) => rows.some((row) => row.owner === owner()) },
    {
      get: (own, name) => own[name] ?? ((value) => told.push([name, word(value)].filter(Boolean).join(' '))),
    },
  );
  const outbox = new Outbox(
    place,
    (act) => act(core),
    {
      onLoading: (rows) => told.push(`loading ${rows.map(({ id }) => id).join('+') || 'none'}`),
      onLost: (error) => told.push(`lost: ${error.message}`),
      onWeakened: () => told.push('weakened'),
      onWanted: async () => {
        told.push('wanted');
        outbox.close();
      },
    },
    {
      user: said,
      lanes: new Lanes(place, locks, lanesOf(page)),
      makeDatabase: (place, events) => new OutboxDatabase(place, events, disk.open),
    },
  );
  opened.push(outbox);
  if (user) outbox.identified(true);
  const take = () => told.splice(0).filter((line) => !line.startsWith('loading'));
  return Object.assign(tab, { outbox, told, take, storage, page, document: globalThis.document });
}

const browser = () => ({ disk: new FakeDisk(), locks: new FakeLocks() });

/** Runs what is due, the timers of 0 ms included. */
async function settleWithTimers(t) {
  await settle();
  t.mock.timers.tick(0);
  await settle();
}

/** A tab whose outbox is loaded. */
async function loadedTab(parts) {
  const tab = openTab(parts);
  tab.outbox.load();
  await settle();
  return tab;
}

describe('one tab', () => {
  test('what is put is kept, and told to be safe once it is', async () => {
    const { disk, locks } = browser();
    const { outbox, take } = await loadedTab({ disk, locks });
    assert.equal(outbox.persistence, 'browser');
    outbox.put(row('a'));
    outbox.put(row('b'));
    outbox.remove('a');
    assert.deepEqual(take(), ['outboxLoaded none']);
    await settle();
    assert.deepEqual(take().sort(), ['persisted a', 'persisted b', 'removed a']);
    assert.deepEqual(disk.ids(), ['b']);
  });

  test('reload_with_a_full_outbox: all of it comes back, in order, before what is newer', async () => {
    const { disk, locks } = browser();
    const before = await loadedTab({ disk, locks });
    for (let index = 0; index < 100; index += 1) {
      before.outbox.put(row(`${index}`));
    }
    await settle();
    before.page.dispatchEvent(new Event('pagehide'));
    await settle();
    const after = openTab({ disk, locks, storage: before.storage });
    after.outbox.load();
    after.outbox.put(row('new'));
    await settle();
    const all = Array.from({ length: 100 }, (_, index) => `${index}`);
    assert.ok(
      after.told.includes(`loading ${[...all, 'new'].join('+')}`) ||
        after.told.includes(`loading ${all.join('+')}`),
    );
    assert.ok(after.take().includes(`outboxLoaded ${all.join('+')}`));
    assert.deepEqual(disk.ids(), [...all, 'new']);
  });

  test('a row that is changed stays in its place, one that is tried again goes behind all', async () => {
    const { disk, locks } = browser();
    const { outbox } = await loadedTab({ disk, locks });
    const failure = { code: 'senderMismatch', message: 'no' };
    for (const id of ['a', 'b', 'c']) {
      outbox.put(row(id));
    }
    outbox.put(row('a', { failure }));
    outbox.put(row('b', { owner: 'user:bob' }));
    await settle();
    assert.deepEqual(disk.ids(), ['a', 'b', 'c']);
    outbox.put(row('a'));
    await settle();
    assert.deepEqual(disk.ids(), ['b', 'c', 'a']);
    outbox.remove('b');
    outbox.put(row('b'));
    await settle();
    assert.deepEqual(disk.ids(), ['c', 'a', 'b']);
  });

  test('a second client in the tab has a lane of its own', async () => {
    const { disk, locks } = browser();
    const first = await loadedTab({ disk, locks });
    first.outbox.put(row('a'));
    await settle();
    const second = await loadedTab({ disk, locks, storage: first.storage, page: first.page });
    second.outbox.put(row('b'));
    await settle();
    assert.deepEqual(second.take(), ['outboxLoaded none', 'persisted b']);
    assert.equal(new Set(disk.entries.map(([[, , lane]]) => lane)).size, 2);
    const names = locks.names().sort();
    first.page.dispatchEvent(new Event('pagehide'));
    await settle();
    first.page.dispatchEvent(new Event('pageshow'));
    await settle();
    assert.deepEqual(locks.names().sort(), names, 'each finds its own again');
  });

  test('nothing is taken before the core asks, and closing gives everything back', async () => {
    const { disk, locks } = browser();
    const { outbox, told, page } = openTab({ disk, locks });
    outbox.setWanted(true);
    outbox.setWanted(false);
    outbox.setWanted(true);
    await settle();
    assert.deepEqual([disk.log, locks.names(), told], [[], [], []]);
    outbox.load();
    await settle();
    assert.equal(locks.names().length, 1);
    outbox.close();
    await settle();
    assert.deepEqual([locks.names(), FakeChannel.all.size, disk.log.at(-1)], [[], 0, 'close']);
    told.length = 0;
    page.dispatchEvent(new Event('pageshow'));
    outbox.put(row('late'));
    await settle();
    assert.deepEqual([told, disk.ids()], [[], []]);
  });
});

describe('a lane that is given up', () => {
  test('when the page may be frozen, and claimed again when it is shown: what others sent is gone', async () => {
    const { disk, locks } = browser();
    const tab = await loadedTab({ disk, locks });
    tab.outbox.put(row('sent by others'));
    tab.outbox.put(row('left'));
    await settle();
    tab.take();
    tab.page.dispatchEvent(new Event('pagehide'));
    assert.deepEqual(tab.take(), ['outboxReleased'], 'at once: nothing runs after it');
    await settle();
    assert.deepEqual(locks.names(), []);
    disk.entries.shift();
    tab.page.dispatchEvent(new Event('pageshow'));
    await settle();
    assert.deepEqual(tab.take(), ['outboxReclaimed left']);
    assert.equal(locks.names().length, 1);
  });

  test('what is put while it is claimed again is not taken for sent by others', async () => {
    const { disk, locks } = browser();
    const tab = await loadedTab({ disk, locks });
    tab.page.dispatchEvent(new Event('pagehide'));
    await settle();
    tab.take();
    disk.whenRead = () => tab.outbox.put(row('meanwhile'));
    tab.page.dispatchEvent(new Event('pageshow'));
    await settle();
    assert.deepEqual(tab.take(), ['outboxReclaimed none', 'persisted meanwhile']);
    assert.deepEqual(disk.ids(), ['meanwhile']);
  });

  test('what is removed while it is claimed again does not come back', async () => {
    const { disk, locks } = browser();
    const tab = await loadedTab({ disk, locks });
    tab.outbox.put(row('a'));
    tab.outbox.put(row('b'));
    await settle();
    tab.page.dispatchEvent(new Event('pagehide'));
    await settle();
    tab.take();
    disk.whenRead = () => tab.outbox.remove('a');
    tab.page.dispatchEvent(new Event('pageshow'));
    await settle();
    assert.deepEqual(tab.take(), ['outboxReclaimed b', 'removed a']);
    assert.deepEqual(disk.ids(), ['b']);
  });

  test('is claimed for a moment where something in it is to change, and given up again', async (t) => {
    const { disk, locks } = browser();
    const tab = await loadedTab({ disk, locks });
    tab.outbox.put(row('a'));
    await settle();
    const giveUp = async () => {
      tab.outbox.setWanted(false);
      t.mock.timers.tick(LEFT_MS);
      await settle();
      assert.deepEqual([tab.take().at(-1), locks.names()], ['outboxReleased', []]);
    };
    await giveUp();
    tab.outbox.reclaim();
    tab.outbox.reclaim();
    await settle();
    assert.deepEqual([tab.take(), locks.names().length], [['outboxReclaimed a'], 1]);
    t.mock.timers.tick(LEFT_MS);
    await settle();
    assert.deepEqual([tab.take(), locks.names()], [['outboxReleased'], []]);
    // What the core wants kept without asking claims as well.
    tab.outbox.put(row('a', { body: { text: 'changed' } }));
    await settle();
    assert.deepEqual([tab.take(), locks.names().length], [['outboxReclaimed a', 'persisted a'], 1]);
    // A link that comes meanwhile keeps it, and looks at those of others.
    tab.outbox.load();
    t.mock.timers.tick(LEFT_MS);
    await settle();
    assert.deepEqual([tab.take(), locks.names().length, FakeChannel.all.size], [['outboxLoaded none'], 1, 1]);
    await giveUp();
  });

  test('is left once what was put is on disk, however long that takes', async (t) => {
    const { disk, locks } = browser();
    const tab = await loadedTab({ disk, locks });
    let isWritten = false;
    const put = (id) => {
      isWritten = false;
      tab.outbox.put(row(id));
      tab.outbox.whenWritten().then(() => {
        isWritten = true;
      });
    };
    put('a');
    await settle();
    assert.deepEqual([isWritten, disk.ids()], [true, ['a']]);
    disk.trouble = { hangs: true };
    put('b');
    await settle();
    assert.equal(isWritten, false);
    // Nobody waits for a disk that has failed.
    for (let second = 0; second < 4; second += 1) {
      t.mock.timers.tick(1_000);
      await settle();
    }
    assert.deepEqual([isWritten, tab.outbox.persistence], [true, 'memory']);
  });

  test('what was stored in the moment of closing is gone, and what was to be written is not written any more', async () => {
    const { disk, locks } = browser();
    const tab = await loadedTab({ disk, locks });
    tab.outbox.put(row('a'));
    await settle();
    tab.outbox.remove('a');
    tab.outbox.put(row('b'));
    tab.outbox.close();
    await settle();
    assert.deepEqual(disk.ids(), []);
    assert.ok(disk.log.includes('close'));
  });

  test('nothing_is_written_where_another_tab_sends_from', async (t) => {
    const { disk, locks } = browser();
    const left = await loadedTab({ disk, locks });
    left.outbox.put(row('a'));
    left.outbox.put(row('b'));
    await settle();
    left.outbox.setWanted(false);
    t.mock.timers.tick(LEFT_MS);
    await settle();
    const other = await loadedTab({ disk, locks });
    assert.deepEqual(other.take(), ['outboxLoaded none', 'outboxLoaded a+b']);
    const before = structuredClone(disk.entries);
    assert.deepEqual(
      before.map(([, { adopted }]) => adopted),
      [true, true],
      'others have had it',
    );
    left.take();
    define('sessionStorage', left.storage);
    left.outbox.remove('a');
    left.outbox.remove('b');
    await settle();
    assert.deepEqual(left.take(), ['outboxReclaimed none', 'removed a', 'removed b']);
    assert.deepEqual(disk.entries, before);
  });

  test('is another tab’s when that took it over: the page that comes back has none of it', async () => {
    const { disk, locks } = browser();
    const frozen = await loadedTab({ disk, locks });
    frozen.outbox.put(row('a'));
    await settle();
    frozen.page.dispatchEvent(new Event('pagehide'));
    await settle();
    const other = await loadedTab({ disk, locks });
    assert.deepEqual(other.take(), ['outboxLoaded none', 'outboxLoaded a']);
    frozen.take();
    define('sessionStorage', frozen.storage);
    frozen.page.dispatchEvent(new Event('pageshow'));
    await settle();
    assert.deepEqual(frozen.take(), ['outboxReclaimed none']);
  });

  test('a_view_that_is_taken_down_and_put_up_again_keeps_its_lane', async (t) => {
    const { disk, locks } = browser();
    const tab = await loadedTab({ disk, locks });
    tab.outbox.put(row('a'));
    await settle();
    tab.take();
    tab.outbox.setWanted(false);
    t.mock.timers.tick(LEFT_MS - 1);
    tab.outbox.load();
    await settle();
    t.mock.timers.tick(LEFT_MS);
    await settle();
    assert.deepEqual(tab.take(), ['outboxLoaded none']);
    assert.equal(locks.names().length, 1);
  });

  test('a_client_that_was_left_disconnected_does_not_keep_its_messages_to_itself', async (t) => {
    const { disk, locks } = browser();
    const left = await loadedTab({ disk, locks });
    left.outbox.put(row('a'));
    await settle();
    left.take();
    left.outbox.setWanted(false);
    t.mock.timers.tick(LEFT_MS);
    await settle();
    assert.deepEqual(left.take(), ['outboxReleased']);
    const next = await loadedTab({ disk, locks, storage: left.storage, page: left.page });
    assert.deepEqual(next.take(), ['outboxLoaded a']);
  });

  test('a page that is frozen in the middle of claiming holds nothing', async () => {
    const { disk, locks } = browser();
    const tab = openTab({ disk, locks });
    tab.outbox.load();
    await Promise.resolve();
    tab.page.dispatchEvent(new Event('pagehide'));
    await settle();
    assert.deepEqual([locks.names(), tab.take()], [[], []]);
    tab.outbox.put(row('a'));
    await settle();
    assert.deepEqual(disk.ids(), ['a'], 'rows are kept all the same');
    tab.take();
    tab.page.dispatchEvent(new Event('pageshow'));
    await settle();
    assert.deepEqual(tab.take(), ['outboxLoaded a']);
  });
});

describe('two clients of one page', () => {
  /** A second client in the page of a first. */
  const besides = ({ storage, page }, parts) => loadedTab({ ...parts, storage, page });

  test('after a reload each has what it wrote', async () => {
    const parts = browser();
    const badge = await loadedTab(parts);
    const room = await besides(badge, parts);
    room.outbox.put(row('failed', { failure: { code: 'quotaExceeded', message: 'no' } }));
    await settle();
    badge.page.dispatchEvent(new Event('pagehide'));
    await settle();
    const badgeAfter = openTab({ ...parts, storage: badge.storage });
    const roomAfter = openTab({ ...parts, storage: badge.storage, page: badgeAfter.page });
    badgeAfter.outbox.load();
    roomAfter.outbox.load();
    await settle();
    assert.deepEqual(roomAfter.take().at(-1), 'outboxLoaded failed');
    assert.ok(!badgeAfter.take().includes('outboxLoaded failed'));
  });

  test('what one took over is given back when the other comes again, and is lined up for again', async (t) => {
    const parts = browser();
    const badge = await loadedTab(parts);
    const room = await besides(badge, parts);
    badge.outbox.put(row('own'));
    room.outbox.put(row('a'));
    await settle();
    room.outbox.close();
    await settleWithTimers(t);
    assert.deepEqual(badge.take().slice(-1), ['outboxLoaded a'], 'nobody reloads: it is not waited for');
    const again = await besides(badge, parts);
    assert.deepEqual(again.take(), ['outboxLoaded a']);
    assert.deepEqual(badge.take(), ['outboxReleased', 'outboxReclaimed own']);
    again.outbox.put(row('b'));
    await settle();
    assert.deepEqual(parts.disk.ids().sort(), ['a', 'b', 'own']);
    t.mock.timers.tick(LEFT_MS);
    await settle();
    again.outbox.close();
    await settleWithTimers(t);
    assert.deepEqual(badge.take(), ['outboxLoaded a+b']);
  });

  test('what one took over stays with it while a change of it waits in its own', async (t) => {
    const parts = browser();
    const badge = await loadedTab(parts);
    const room = await besides(badge, parts);
    room.outbox.put(row('a'));
    await settle();
    room.outbox.close();
    await settleWithTimers(t);
    badge.outbox.put(row('deletion', { operation: 'delete', body: { messageId: 'a' } }));
    await settle();
    badge.take();
    const again = openTab({ ...parts, storage: badge.storage, page: badge.page });
    again.outbox.load();
    await settle();
    t.mock.timers.tick(LEFT_MS);
    await settle();
    assert.ok(!badge.take().includes('outboxReleased'), 'the deletion is sent behind its message');
    assert.deepEqual(again.take(), ['outboxLoaded none']);
  });

  test('one that leaves is asked for what it holds by the next, before its rows are read', async () => {
    const parts = browser();
    const left = await loadedTab(parts);
    left.outbox.put(row('a'));
    await settle();
    left.outbox.leave();
    assert.ok(!left.take().includes('wanted'), 'nobody else is there');
    const next = await besides(left, parts);
    assert.deepEqual([left.take(), next.take()], [['wanted'], ['outboxLoaded a']]);
    next.outbox.put(row('b'));
    await settle();
    assert.deepEqual(parts.disk.entries.map(([[, , lane]]) => lane).length, 2);
    assert.equal(new Set(parts.disk.entries.map(([[, , lane]]) => lane)).size, 1);
  });

  test('one that leaves where the next is there already hands over at once', async (t) => {
    const parts = browser();
    const left = await loadedTab(parts);
    const next = await besides(left, parts);
    left.outbox.put(row('a'));
    await settle();
    left.take();
    left.outbox.leave();
    await settleWithTimers(t);
    assert.deepEqual(left.take(), ['wanted']);
    assert.deepEqual(next.take().at(-1), 'outboxLoaded a');
  });

  test('what is given back in the middle of being taken over is not taken over', async (t) => {
    const parts = browser();
    const badge = await loadedTab(parts);
    const room = await besides(badge, parts);
    room.outbox.put(row('a'));
    await settle();
    badge.take();
    let again;
    parts.disk.whenRead = () => {
      parts.disk.whenRead = () => {};
      again = openTab({ ...parts, storage: badge.storage, page: badge.page });
      again.outbox.load();
    };
    room.outbox.close();
    await settleWithTimers(t);
    assert.deepEqual(again.take(), ['outboxLoaded a']);
    assert.deepEqual(badge.take(), ['outboxReleased', 'outboxReclaimed none']);
  });

  test('nothing is given back once the storage has failed: it is sent from here', async (t) => {
    const parts = browser();
    const badge = await loadedTab(parts);
    const room = await besides(badge, parts);
    room.outbox.put(row('a'));
    await settle();
    room.outbox.close();
    await settleWithTimers(t);
    parts.disk.trouble = { write: new Error('no space left') };
    badge.outbox.put(row('b'));
    await settle();
    parts.disk.trouble = {};
    badge.take();
    const again = await besides(badge, parts);
    assert.deepEqual([badge.take(), again.take()], [[], ['outboxLoaded none']]);
  });

  test('what nobody owns yet is told apart', async () => {
    const { outbox } = await loadedTab(browser());
    outbox.put(row('a', { owner: 'unknown' }));
    await settle();
    assert.equal(outbox.hasOwnerless, true);
    outbox.put(row('a'));
    await settle();
    assert.equal(outbox.hasOwnerless, false);
  });

  test('what_a_client_wrote_before_anybody_was_known_is_fresh_to_one_that_is_there_before_it_is_gone', async () => {
    const parts = browser();
    const left = await loadedTab(parts);
    for (const id of ['a', 'owned later']) left.outbox.put(row(id, { owner: 'unknown' }));
    left.outbox.put(row('owned later'));
    await settle();
    left.outbox.leave();
    const next = await besides(left, parts);
    assert.deepEqual(left.take(), [
      'outboxLoaded none',
      'persisted a',
      'persisted owned later',
      'persisted owned later',
      'wanted',
    ]);
    assert.deepEqual(next.take().at(-1), 'outboxLoaded a fresh+owned later');
    next.outbox.put(row('a'));
    await settle();
    next.outbox.leave();
    const last = await besides(left, parts);
    assert.deepEqual(last.take().at(-1), 'outboxLoaded a+owned later');
  });

  for (const way of ['leave', 'close']) {
    test(`what_a_client_wrote_before_anybody_was_known_is_not_the_next_person_s_once_it_is_gone: ${way}`, async (t) => {
      const parts = browser();
      const left = await loadedTab(parts);
      left.outbox.put(row('a', { owner: 'unknown' }));
      await settle();
      left.outbox[way]();
      t.mock.timers.tick(FORGOTTEN_MS);
      left.outbox.close();
      const next = await besides(left, { ...parts, user: '' });
      assert.deepEqual(next.take().at(-1), 'outboxLoaded a');
    });
  }

  test('what_a_client_wrote_before_anybody_was_known_is_not_fresh_after_a_sign_out_in_another_room', async () => {
    for (const workerUrl of [PLACE.workerUrl, 'https://b.example']) {
      const parts = browser();
      const left = await loadedTab({ ...parts, user: false });
      left.outbox.put(row('a', { owner: 'unknown' }));
      await settle();
      const elsewhere = await loadedTab({ ...parts, place: { workerUrl, spaceId: 'another' } });
      elsewhere.outbox.clear();
      left.outbox.close();
      const next = await besides(left, { ...parts, user: '' });
      const isSignedOut = workerUrl === PLACE.workerUrl;
      assert.deepEqual(next.take().at(-1), isSignedOut ? 'outboxLoaded a' : 'outboxLoaded a fresh');
      next.outbox.close();
    }
  });

  test('what_a_client_wrote_before_anybody_was_known_is_fresh_to_the_keeper_that_comes_after_it_was_closed', async () => {
    const parts = browser();
    const left = await loadedTab(parts);
    left.outbox.put(row('a', { owner: 'unknown' }));
    await settle();
    left.outbox.close();
    const keeper = await besides(left, { ...parts, user: '' });
    assert.deepEqual(keeper.take().at(-1), 'outboxLoaded a fresh');
  });
});

describe('two tabs', () => {
  test('never send from one lane, and a tab that dies is taken over in order', async (t) => {
    const { disk, locks } = browser();
    const dying = await loadedTab({ disk, locks });
    const living = await loadedTab({ disk, locks });
    for (const id of ['a', 'b', 'c']) {
      dying.outbox.put(row(id));
    }
    await settle();
    assert.deepEqual(living.take(), ['outboxLoaded none'], 'a tab that lives, frozen or not, keeps its lane');
    dying.outbox.close();
    await settle();
    t.mock.timers.tick(RELOADED_MS);
    await settle();
    assert.deepEqual(living.take(), ['outboxLoaded a+b+c']);
    for (const id of ['a', 'b', 'c']) {
      living.outbox.remove(id);
    }
    await settle();
    assert.deepEqual(disk.ids(), []);
    assert.equal(locks.names().length, 1, 'an empty lane is given back, the own one is kept');
  });

  test('a_page_that_reloads_gets_its_own_lane_back_though_another_waits_for_it', async (t) => {
    const { disk, locks } = browser();
    const before = await loadedTab({ disk, locks });
    const other = await loadedTab({ disk, locks });
    before.outbox.put(row('a'));
    await settle();
    before.page.dispatchEvent(new Event('pagehide'));
    await settle();
    t.mock.timers.tick(RELOADED_MS / 2);
    const after = await loadedTab({ disk, locks, storage: before.storage });
    assert.deepEqual(after.take(), ['outboxLoaded a']);
    t.mock.timers.tick(RELOADED_MS);
    await settle();
    assert.deepEqual(other.take(), ['outboxLoaded none']);
    after.outbox.close();
    await settle();
    t.mock.timers.tick(RELOADED_MS);
    await settle();
    assert.deepEqual(other.take(), ['outboxLoaded a'], 'it lined up again');
  });

  test('a frozen tab keeps its lane, and keeps nobody from adopting another', async (t) => {
    const { disk, locks } = browser();
    const frozen = await loadedTab({ disk, locks });
    const dying = await loadedTab({ disk, locks });
    frozen.outbox.put(row('frozen'));
    dying.outbox.put(row('left'));
    await settle();
    const living = await loadedTab({ disk, locks });
    dying.outbox.close();
    await settle();
    t.mock.timers.tick(RELOADED_MS);
    await settle();
    const others = [...living.take(), ...frozen.take()].filter((line) => line.startsWith('outboxLoaded'));
    assert.deepEqual(others.sort(), ['outboxLoaded left', 'outboxLoaded none', 'outboxLoaded none']);
  });

  test('a lane that gets its first row again is lined up for again', async (t) => {
    const { disk, locks } = browser();
    const living = await loadedTab({ disk, locks });
    const dying = await loadedTab({ disk, locks });
    dying.outbox.put(row('a'));
    await settle();
    dying.outbox.remove('a');
    await settle();
    const late = await loadedTab({ disk, locks });
    dying.outbox.put(row('b'));
    await settle();
    living.outbox.close();
    dying.outbox.close();
    await settle();
    t.mock.timers.tick(RELOADED_MS);
    await settle();
    assert.deepEqual(late.take(), ['outboxLoaded none', 'outboxLoaded b']);
  });

  test('without a channel others are looked for when the page is shown', async () => {
    const { disk, locks } = browser();
    define('BroadcastChannel', undefined);
    const living = await loadedTab({ disk, locks });
    const dead = await loadedTab({ disk, locks });
    dead.outbox.put(row('a'));
    await settle();
    dead.outbox.close();
    await settle();
    define('document', living.document);
    living.document.dispatchEvent(new Event('visibilitychange'));
    await settle();
    assert.deepEqual(living.take(), ['outboxLoaded none', 'outboxLoaded a']);
  });
});

describe('clearing', () => {
  test('forgets every lane of the space, also before anything was loaded', async () => {
    const { disk, locks } = browser();
    const other = await loadedTab({ disk, locks });
    other.outbox.put(row('a', { owner: 'user:bob' }));
    await settle();
    const { outbox, told } = openTab({ disk, locks });
    outbox.clear();
    await outbox.whenCleared();
    assert.deepEqual([disk.ids(), told], [[], []]);
  });

  test('comes after what was put before, and before what is put after', async () => {
    const { disk, locks } = browser();
    const { outbox } = await loadedTab({ disk, locks });
    outbox.put(row('before'));
    outbox.clear();
    outbox.put(row('after'));
    await outbox.whenCleared();
    await settle();
    assert.deepEqual(disk.ids(), ['after']);
  });

  test('while a lane is read, what was read is not handed over', async () => {
    const { disk, locks } = browser();
    const before = await loadedTab({ disk, locks });
    before.outbox.put(row('a'));
    await settle();
    before.outbox.close();
    await settle();
    const after = openTab({ disk, locks, storage: before.storage });
    after.outbox.load();
    after.outbox.clear();
    await settle();
    assert.deepEqual(after.take(), ['outboxLoaded none']);
    assert.deepEqual(disk.ids(), []);
  });

  test('that the disk refuses is told', async () => {
    const { disk, locks } = browser();
    const { outbox } = await loadedTab({ disk, locks });
    disk.trouble = { write: new Error('disk failure') };
    outbox.clear();
    await assert.rejects(outbox.whenCleared(), /disk failure/);
  });
});

test('locks that do not answer hold nothing up, and persistence says so', async (t) => {
  const { disk } = browser();
  const locks = { request: () => new Promise(() => {}) };
  const { outbox, take } = openTab({ disk, locks });
  outbox.load();
  outbox.put(row('a'));
  await settle();
  assert.deepEqual([take(), outbox.persistence], [[], 'browser']);
  t.mock.timers.tick(2_000);
  await settle();
  assert.deepEqual(take(), ['weakened', 'outboxLoaded none', 'persisted a']);
  assert.equal(outbox.persistence, 'tab');
});

describe('several people', () => {
  test('nobody_keeps_another_person_from_their_own: a lane of others is neither taken nor kept', async (t) => {
    const { disk, locks } = browser();
    const ben = await loadedTab({ disk, locks, user: 'ben' });
    const ann = await loadedTab({ disk, locks });
    ann.outbox.put(row('a'));
    await settle();
    ann.outbox.close();
    t.mock.timers.tick(RELOADED_MS);
    await settle();
    assert.deepEqual(ben.take(), ['outboxLoaded none']);
    assert.equal(locks.names().length, 1, 'only his own');
    const again = await loadedTab({ disk, locks });
    assert.deepEqual(again.take(), ['outboxLoaded none', 'outboxLoaded a']);
    assert.deepEqual(ben.take(), []);
  });

  test('who signs in where another person’s rows wait leaves those to them, in other tabs too', async () => {
    const { disk, locks } = browser();
    const tab = await loadedTab({ disk, locks });
    tab.outbox.put(row('a'));
    await settle();
    const sibling = await loadedTab({ disk, locks });
    sibling.take();
    tab.take();
    define('sessionStorage', tab.storage);
    tab.user = 'ben';
    tab.outbox.identified(true);
    await settle();
    assert.deepEqual(tab.take(), ['outboxReleased', 'outboxReclaimed none']);
    tab.outbox.put(row('b', { owner: 'user:ben' }));
    await settle();
    assert.deepEqual(disk.ids().sort(), ['a', 'b']);
    // Both of which wait for their own person.
    tab.user = 'ada';
    tab.outbox.identified(true);
    await settle();
    const told = tab.take().at(-1);
    assert.match(`${told} ${sibling.take().join()}`, /outboxLoaded a/);
  });

  test('whom the app names is shown what was left, and lines up for nothing while no token came', async (t) => {
    const { disk, locks } = browser();
    const open = await loadedTab({ disk, locks });
    open.outbox.put(row('a'));
    await settle();
    const waiting = await loadedTab({ disk, locks, user: '', said: 'ada' });
    // It reloads slowly: nobody takes what it will show again.
    open.outbox.close();
    t.mock.timers.tick(RELOADED_MS);
    await settle();
    assert.deepEqual(waiting.take(), ['outboxLoaded none']);
    const next = await loadedTab({ disk, locks, user: '', said: 'ada' });
    assert.deepEqual(next.take(), ['outboxLoaded none', 'outboxLoaded a']);
    const other = await loadedTab({ disk, locks, user: '', said: 'ben' });
    next.outbox.close();
    await settle();
    assert.deepEqual(other.take(), ['outboxLoaded none']);
    waiting.outbox.identified(true);
    await settle();
    assert.deepEqual(waiting.take(), ['outboxLoaded a']);
  });

  test('a tab that only shows what was left gives it to one that can send it', async (t) => {
    const { disk, locks } = browser();
    const open = await loadedTab({ disk, locks });
    open.outbox.put(row('a'));
    await settle();
    open.outbox.close();
    await settle();
    const shows = await loadedTab({ disk, locks, user: '', said: 'ada' });
    assert.deepEqual(shows.take(), ['outboxLoaded none', 'outboxLoaded a']);
    const sends = await loadedTab({ disk, locks });
    await settle();
    assert.deepEqual(shows.take(), ['outboxReleased', 'outboxReclaimed none']);
    t.mock.timers.tick(RELOADED_MS);
    await settle();
    assert.deepEqual(sends.take(), ['outboxLoaded none', 'outboxLoaded a']);
    assert.deepEqual(shows.take(), []);
  });

  test('what is on its way is not handed to a client of the page that may not send it', async () => {
    const { disk, locks } = browser();
    for (const [user, isHandedOver] of [
      ['ben', false],
      ['ada', true],
    ]) {
      const parts = { disk, locks, storage: new FakeStorage(), page: new EventTarget() };
      const leaving = await loadedTab(parts);
      leaving.outbox.put(row(`of ada, before ${user}`));
      await settle();
      leaving.take();
      leaving.outbox.leave();
      // It does not say whose it is: its token does.
      await loadedTab({ ...parts, user: '', said: user });
      assert.equal(leaving.take().includes('wanted'), isHandedOver, user);
    }
  });

  test('what is to be written is looked at before anything is left: it may say whose a row is', async () => {
    const { disk, locks } = browser();
    const tab = await loadedTab({ disk, locks, user: '' });
    tab.outbox.put(row('a', { owner: 'unknown' }));
    await settle();
    tab.take();
    tab.user = 'ada';
    tab.outbox.identified(true);
    tab.outbox.put(row('a'));
    await settle();
    assert.deepEqual([tab.take(), disk.ids()], [['persisted a'], ['a']]);
    // The next one to sign in leaves what was written in the same moment.
    tab.outbox.put(row('b'));
    tab.user = 'ben';
    tab.outbox.identified(true);
    await settle();
    assert.deepEqual(tab.take(), ['persisted b', 'outboxReleased', 'outboxReclaimed none']);
  });

  test('clients without locks do not hand empty lanes to and fro', async () => {
    const parts = { disk: new FakeDisk(), locks: null, storage: new FakeStorage(), page: new EventTarget() };
    const tabs = [await loadedTab(parts), await loadedTab(parts), await loadedTab(parts)];
    tabs.at(-1).outbox.put(row('a'));
    await settle();
    tabs.at(-1).outbox.close();
    await settle();
    const [one, other] = tabs;
    const [heir] = [one, other].filter((tab) => tab.take().includes('outboxLoaded a'));
    parts.disk.log.length = 0;
    heir.outbox.remove('a');
    await settle();
    await settle();
    assert.ok(parts.disk.log.length < 12, parts.disk.log.join());
  });

  test('what is cleared while it is taken over does not come back', async () => {
    // At each of the reads on the way.
    for (const last of [1, 2, 3, 4, 5]) {
      const { disk, locks } = browser();
      const dead = await loadedTab({ disk, locks });
      dead.outbox.put(row('a'));
      await settle();
      dead.outbox.close();
      const tab = openTab({ disk, locks });
      let reads = 0;
      const count = () => {
        reads += 1;
        if (reads === last) tab.outbox.clear();
        else disk.whenRead = count;
      };
      disk.whenRead = count;
      tab.outbox.load();
      await settle();
      assert.ok(reads >= Math.min(last, 3), `${reads} reads`);
      if (reads < last) tab.outbox.clear();
      await tab.outbox.whenCleared();
      await settle();
      assert.deepEqual(disk.ids(), [], `cleared at read ${last}`);
    }
  });

  test('until it is known who it is, nothing of others is looked at', async () => {
    const { disk, locks } = browser();
    const dead = await loadedTab({ disk, locks });
    dead.outbox.put(row('a'));
    await settle();
    dead.outbox.close();
    const tab = await loadedTab({ disk, locks, user: '' });
    assert.deepEqual(tab.take(), ['outboxLoaded none']);
    tab.user = 'ada';
    tab.outbox.identified(true);
    await settle();
    assert.deepEqual(tab.take(), ['outboxLoaded a']);
  });
});

describe('memory serves', () => {
  test('in a frame that may keep nothing, from the first moment on', () => {
    const refuse = () => {
      throw new DOMException('no storage here', 'SecurityError');
    };
    const refused = (name) => Object.defineProperty(globalThis, name, { configurable: true, get: refuse });
    for (const arrange of [
      () => refused('indexedDB'),
      () => refused('sessionStorage'),
      () => define('origin', 'null'),
    ]) {
      define('indexedDB', {});
      arrange();
      assert.equal(new Outbox(PLACE, () => {}, {}).persistence, 'memory');
      define('sessionStorage', new FakeStorage());
      define('origin', undefined);
    }
    // Files have no origin either, and keep what they are given.
    define('indexedDB', {});
    define('origin', 'null');
    define('location', { protocol: 'file:' });
    assert.notEqual(new Outbox(PLACE, () => {}, {}).persistence, 'memory');
    define('origin', undefined);
    define('location', undefined);
  });

  test('in a server what one client leaves is nobody else’s', async () => {
    define('indexedDB', undefined);
    for (const name of ['window', 'document', 'sessionStorage']) define(name, undefined);
    const outboxes = [];
    for (const told of [[], []]) {
      const outbox = new Outbox(
        PLACE,
        (act) => act({ outboxLoaded: (rows) => told.push(rows), persisted() {} }),
        {
          onLoading() {},
        },
      );
      opened.push(outbox);
      outboxes.push({ outbox, told });
    }
    const [first, next] = outboxes;
    first.outbox.load();
    await settle();
    first.outbox.put(row('a'));
    await settle();
    assert.deepEqual([first.outbox.isKept, first.outbox.persistence], [false, 'memory']);
    first.outbox.close();
    next.outbox.load();
    await settle();
    assert.deepEqual(next.told, [[]]);
  });

  test('where there is no IndexedDB, as in some frames: the room’s next client of the page has what was left', async (t) => {
    define('indexedDB', undefined);
    const parts = { ...browser(), page: new EventTarget() };
    const first = await loadedTab(parts);
    assert.equal(first.outbox.persistence, 'memory');
    for (const id of ['a', 'b', 'c']) first.outbox.put(row(id));
    first.outbox.remove('b');
    await settle();
    assert.deepEqual(first.take(), [
      'outboxLoaded none',
      'persisted a',
      'persisted b',
      'persisted c',
      'removed b',
    ]);
    // One that is there already, and one that comes later.
    const next = await loadedTab(parts);
    assert.deepEqual(next.take(), ['outboxLoaded none']);
    first.outbox.close();
    await settle();
    assert.deepEqual(next.take(), ['outboxLoaded a+c']);
    next.outbox.put(row('d'));
    await settle();
    next.outbox.setWanted(false);
    t.mock.timers.tick(LEFT_MS);
    await settle();
    assert.deepEqual(next.take(), ['persisted d', 'outboxReleased']);
    const last = await loadedTab(parts);
    await settle();
    assert.deepEqual(
      last
        .take()
        .join()
        .match(/\b[acd]\b/g)
        .sort(),
      ['a', 'c', 'd'],
    );
    assert.deepEqual([parts.disk.log, parts.locks.names()], [[], []], 'nothing of it leaves the page');
    last.outbox.clear();
    await last.outbox.whenCleared();
  });

  test('without locks a client of the page has what another one leaves, though both were there at once', async () => {
    const parts = { disk: new FakeDisk(), locks: null, storage: new FakeStorage(), page: new EventTarget() };
    const first = await loadedTab(parts);
    assert.equal(first.outbox.persistence, 'tab');
    first.outbox.put(row('a'));
    first.outbox.put(row('b'));
    await settle();
    const next = await loadedTab(parts);
    next.outbox.put(row('c'));
    await settle();
    assert.deepEqual(next.take(), ['outboxLoaded none', 'persisted c']);
    first.outbox.close();
    await settle();
    assert.deepEqual(next.take(), ['outboxLoaded a+b']);
    // Another tab of the browser has neither.
    const other = await loadedTab({ disk: parts.disk, locks: null });
    next.outbox.close();
    await settle();
    assert.deepEqual(other.take(), ['outboxLoaded none']);
  });

  test('a_full_disk_is_told_once_and_nothing_is_lost', async () => {
    const { disk, locks } = browser();
    const { outbox, take } = await loadedTab({ disk, locks });
    take();
    disk.trouble = { write: new Error('no space left') };
    outbox.put(row('a'));
    outbox.put(row('b'));
    await settle();
    assert.deepEqual(take(), ['persistFailed', 'lost: no space left']);
    assert.equal(outbox.persistence, 'memory');
    outbox.put(row('c'));
    outbox.setWanted(false);
    await settle();
    assert.deepEqual(take(), [], 'nothing is given up that nobody else could take');
  });

  test('once storage was lost, tab switches, frozen pages and news of other tabs look for nothing', async () => {
    const { disk, locks } = browser();
    const { outbox, page, document, take } = await loadedTab({ disk, locks });
    disk.trouble = { write: new Error('no space left') };
    outbox.put(row('a'));
    await settle();
    take();
    const channels = [...FakeChannel.all];
    disk.log.length = 0;
    // What throws in a listener is an uncaught exception, and fails this test.
    document.dispatchEvent(new Event('visibilitychange'));
    page.dispatchEvent(new Event('pagehide'));
    page.dispatchEvent(new Event('pageshow'));
    for (const channel of channels) channel.onmessage?.({ data: 'a lane' });
    outbox.setWanted(false);
    outbox.setWanted(true);
    await settle();
    document.dispatchEvent(new Event('visibilitychange'));
    await settle();
    assert.deepEqual([disk.log, take()], [[], []]);
  });

  test('once storage was lost, nothing is left to others where somebody else signs in', async () => {
    const { disk, locks } = browser();
    const tab = await loadedTab({ disk, locks });
    disk.trouble = { write: new Error('no space left') };
    tab.outbox.put(row('a'));
    await settle();
    tab.take();
    tab.user = 'bo';
    tab.outbox.identified(true);
    await settle();
    assert.deepEqual(tab.take(), []);
  });

  test('when the database fails before the first rows came, the core still gets its answer', async () => {
    const { disk, locks } = browser();
    disk.trouble = { open: new Error('not allowed') };
    const { take } = await loadedTab({ disk, locks });
    assert.deepEqual(take(), ['persistFailed', 'outboxLoaded none', 'lost: not allowed']);
    assert.deepEqual(locks.names(), [], 'nobody waits for a lane that nobody sends from');
  });

  test('when it fails while lanes were given up, what was kept goes on from here', async () => {
    const { disk, locks } = browser();
    const tab = await loadedTab({ disk, locks });
    tab.outbox.put(row('a'));
    await settle();
    tab.page.dispatchEvent(new Event('pagehide'));
    await settle();
    tab.take();
    disk.happen('blocking');
    assert.deepEqual(tab.take(), [
      'persistFailed',
      'outboxReclaimed a',
      'lost: the database was upgraded by another tab',
    ]);
  });

  test('after a failure a clearing is tried once more, and tells the truth', async () => {
    const { disk, locks } = browser();
    const tab = await loadedTab({ disk, locks });
    tab.outbox.put(row('a'));
    await settle();
    disk.trouble = { write: new Error('no space') };
    tab.outbox.put(row('b'));
    await settle();
    for (let times = 0; times < 2; times += 1) {
      tab.outbox.clear();
      await assert.rejects(tab.outbox.whenCleared(), /no space/);
    }
    assert.deepEqual(disk.ids(), ['a']);
    disk.trouble = {};
    tab.outbox.clear();
    await tab.outbox.whenCleared();
    assert.deepEqual(disk.ids(), []);
  });

  test('without locks the tab keeps its rows over a reload, and takes over nobody’s', async () => {
    const disk = new FakeDisk();
    const one = await loadedTab({ disk, locks: null });
    assert.equal(one.outbox.persistence, 'tab');
    one.outbox.put(row('a'));
    await settle();
    const other = await loadedTab({ disk, locks: null });
    assert.deepEqual(other.take(), ['outboxLoaded none']);
    const reloaded = await loadedTab({ disk, locks: null, storage: one.storage });
    assert.deepEqual(reloaded.take(), ['outboxLoaded a']);
  });

  test('without locks what two clients of a tab wrote in turn comes back in order after a reload', async () => {
    const parts = { disk: new FakeDisk(), locks: null, storage: new FakeStorage(), page: new EventTarget() };
    const [one, other] = [await loadedTab(parts), await loadedTab(parts)];
    for (const [tab, id, addedAt] of [
      [one, 'a', 10],
      [other, 'b', 20],
      [one, 'c', 30],
    ]) {
      tab.outbox.put(row(id, { addedAt }));
      await settle();
    }
    const reloaded = await loadedTab({ ...parts, page: new EventTarget() });
    assert.deepEqual(reloaded.take(), ['outboxLoaded a+b+c']);
  });

  test('without locks and without a tab’s memory, nothing would be found again', () => {
    define('sessionStorage', undefined);
    const outbox = new Outbox(PLACE, () => {}, {}, { lanes: new Lanes(PLACE, null) });
    assert.equal(outbox.persistence, 'memory');
  });
});
