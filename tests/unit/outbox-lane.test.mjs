/**
 * Lanes: who may send from which, in one tab, in two, and where there are no locks.
 *
 * Owns nothing but expectations.
 */

import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { setImmediate as nextTask } from 'node:timers/promises';

import { Lanes } from '../../pkg-template/outbox-lane.js';
import { canRemember, randomId, tabId } from '../../pkg-template/tab-memory.js';
import { FakeLocks, FakeStorage } from './lib/outbox-fakes.mjs';

const PLACE = { workerUrl: 'https://a.example', spaceId: 'lobby' };

/** The lanes of the clients of one page. */
let page;

/** Gives the code that follows a page, and the storage of one tab. */
function inTab(storage) {
  page = new Set();
  Object.defineProperty(globalThis, 'sessionStorage', { configurable: true, value: storage });
}

/** A client's lanes in the page. */
const lanesIn = (locks) => new Lanes(PLACE, locks, page);

beforeEach(() => inTab(new FakeStorage()));
afterEach(() => inTab(undefined));

describe("the tab's own lane", () => {
  test('is the same after a reload', async () => {
    const locks = new FakeLocks();
    const before = lanesIn(locks);
    const { lane, refused } = await before.takeOwn();
    assert.equal(refused, undefined);
    before.close();
    await nextTask();
    assert.deepEqual(await lanesIn(locks).takeOwn(), { lane, refused: undefined, left: [] });
  });

  test('of a client whose view went before it had one is left to the next of the same user', async () => {
    const locks = new FakeLocks();
    const clientOf = (user) => Object.assign(lanesIn(locks), { user });
    const [first, other, next] = [clientOf('ada'), clientOf('bob'), clientOf('ada')];
    const asked = [];
    for (const [name, gone] of Object.entries({ first, other })) {
      gone.onWanted = async () => {
        asked.push(name);
        // It is through once it has its lane, and has written.
        await nextTask();
        gone.close();
      };
      gone.leave(true);
    }
    const taking = [first, other, next].map((lanes) => lanes.takeOwn());
    const [{ lane }, his, own] = await Promise.all(taking);
    assert.deepEqual(asked, ['first'], 'what is of somebody else is sent by their own client');
    assert.deepEqual([own.lane, own.left], [lane, [lane]]);
    assert.notEqual(his.lane, lane);
    // One that does not say whose it is may be the same person's.
    next.onWanted = async () => next.close();
    next.leave(true);
    assert.equal((await clientOf(undefined).takeOwn()).lane, lane);
  });

  test('is found again by each client of a page, in the order in which they came', async () => {
    const locks = new FakeLocks();
    const before = [lanesIn(locks), lanesIn(locks), lanesIn(locks)];
    const own = [];
    for (const lanes of before) own.push((await lanes.takeOwn()).lane);
    assert.equal(new Set(own).size, 3);
    for (const lanes of before) lanes.close();
    await nextTask();
    const after = [];
    for (let index = 0; index < 3; index += 1) after.push((await lanesIn(locks).takeOwn()).lane);
    assert.deepEqual(after, own);
  });

  test('is the same where the clients come again in another order', async () => {
    for (const locks of [new FakeLocks(), null]) {
      inTab(new FakeStorage());
      const clients = [lanesIn(locks), lanesIn(locks)];
      const own = [];
      for (const lanes of clients) own.push((await lanes.takeOwn()).lane);
      for (const lanes of clients) {
        lanes.releaseAll();
        lanes.leave();
      }
      await nextTask();
      const back = [];
      for (const index of [1, 0]) back.push((await clients[index].takeOwn(own[index])).lane);
      assert.deepEqual(back, [own[1], own[0]]);
      for (const lanes of clients) lanes.close();
      await nextTask();
      assert.equal((await lanesIn(locks).takeOwn()).lane, own[0]);
    }
  });

  test("is nobody else's without locks, and none is forgotten for another one", async () => {
    const [first, second] = [lanesIn(null), lanesIn(null)];
    const own = [(await first.takeOwn()).lane, (await second.takeOwn()).lane];
    inTab(globalThis.sessionStorage);
    const [ada, cy] = [lanesIn(null), lanesIn(null)];
    await ada.takeOwn();
    ada.releaseAll();
    ada.leave();
    assert.equal((await cy.takeOwn()).lane, own[0]);
    for (const lane of cy.left()) await cy.take(lane);
    const { lane } = await ada.takeOwn(own[0]);
    assert.ok(!own.includes(lane) || lane === own[1]);
    for (const lanes of [ada, cy]) lanes.close();
    inTab(globalThis.sessionStorage);
    const found = [];
    for (let index = 0; index < 3; index += 1) found.push((await lanesIn(null).takeOwn()).lane);
    for (const one of own) assert.ok(found.includes(one), 'it is still known');
  });

  test('goes back to whose it is, whoever lined up for it', async () => {
    const locks = new FakeLocks();
    const [ada, badge, cy] = [lanesIn(locks), lanesIn(locks), lanesIn(locks)];
    const { lane } = await ada.takeOwn();
    for (const lanes of [badge, cy]) {
      await lanes.takeOwn();
      lanes.onWanted = async () => lanes.release(lane);
    }
    ada.releaseAll();
    ada.leave();
    await badge.take(lane);
    const waiting = cy.wait(lane);
    const taken = ada.takeOwn(lane);
    await waiting;
    assert.equal((await taken).lane, lane);
  });

  test('of a client that is not there any more is found by another one where there are no locks', async () => {
    const [badge, room] = [lanesIn(null), lanesIn(null)];
    await badge.takeOwn();
    const { lane } = await room.takeOwn();
    assert.deepEqual(badge.left(), [], 'it is there');
    inTab(globalThis.sessionStorage);
    const alone = lanesIn(null);
    await alone.takeOwn();
    assert.deepEqual(alone.left(), [lane]);
  });

  test('is that of one that goes before it has one as well, and is left to the next', async () => {
    const locks = new FakeLocks();
    const { lane } = await lanesIn(locks).takeOwn();
    inTab(globalThis.sessionStorage);
    const later = new FakeLocks();
    const gone = lanesIn(later);
    let asked = 0;
    gone.onWanted = async () => {
      asked += 1;
      gone.close();
    };
    gone.leave(true);
    // What it sends comes behind what was written before the reload.
    assert.equal((await gone.takeOwn()).lane, lane);
    assert.equal((await lanesIn(later).takeOwn()).lane, lane);
    assert.equal(asked, 1);
  });

  test('is asked for again where the browser has just given it to one that lined up for it', async () => {
    const locks = new FakeLocks();
    const [badge, room] = [lanesIn(locks), lanesIn(locks)];
    await badge.takeOwn();
    const { lane } = await room.takeOwn();
    const waiting = badge.wait(lane);
    badge.onWanted = async () => badge.release(lane);
    room.close();
    const next = lanesIn(locks);
    const taken = next.takeOwn();
    await waiting;
    assert.equal((await taken).lane, lane);
  });

  test('is left to the next client of the page', async () => {
    const locks = new FakeLocks();
    const [badge, room] = [lanesIn(locks), lanesIn(locks)];
    await badge.takeOwn();
    const { lane } = await room.takeOwn();
    room.close();
    await nextTask();
    assert.equal((await lanesIn(locks).takeOwn()).lane, lane);
  });

  test('is asked for where a client of the page goes, or has only taken it over', async () => {
    const locks = new FakeLocks();
    const [badge, room] = [lanesIn(locks), lanesIn(locks)];
    const asked = [];
    for (const [name, lanes] of Object.entries({ badge, room })) {
      lanes.onWanted = async (lane) => {
        asked.push(name);
        lanes.release(lane);
      };
    }
    await badge.takeOwn();
    const { lane } = await room.takeOwn();
    room.leave();
    const next = lanesIn(locks);
    assert.equal((await next.takeOwn()).lane, lane);
    next.close();
    await nextTask();
    assert.equal(await badge.take(lane), true);
    assert.equal((await lanesIn(locks).takeOwn()).lane, lane);
    assert.deepEqual(asked, ['room', 'badge']);
  });

  test('is waited for no longer than a second, and then another', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const locks = new FakeLocks();
    const gone = lanesIn(locks);
    const { lane } = await gone.takeOwn();
    gone.onWanted = () => new Promise(() => {});
    gone.leave();
    const taking = lanesIn(locks).takeOwn();
    await nextTask();
    t.mock.timers.tick(1_000);
    const taken = await taking;
    assert.equal(taken.refused, lane);
    assert.notEqual(taken.lane, lane);
  });

  test('is another one for another space, and for another Worker', async () => {
    const lanes = new Set();
    for (const place of [PLACE, { ...PLACE, spaceId: 'x' }, { ...PLACE, workerUrl: 'https://b.example' }]) {
      lanes.add((await new Lanes(place, new FakeLocks(), page).takeOwn()).lane);
    }
    assert.equal(lanes.size, 3);
  });

  test('a_duplicated_tab_has_a_lane_of_its_own', async () => {
    const locks = new FakeLocks();
    const original = await lanesIn(locks).takeOwn();
    const copy = new FakeStorage();
    copy.items = new Map(globalThis.sessionStorage.items);
    inTab(copy);
    const duplicate = await lanesIn(locks).takeOwn();
    assert.notEqual(duplicate.lane, original.lane);
    assert.equal(duplicate.refused, original.lane);
  });

  test('stays the one that a client had, whatever a second client of the tab took', async () => {
    const locks = new FakeLocks();
    const first = lanesIn(locks);
    const { lane } = await first.takeOwn();
    const second = lanesIn(locks);
    await second.takeOwn();
    first.releaseAll();
    await nextTask();
    assert.equal((await first.takeOwn(lane)).lane, lane);
  });

  test('is a new one each time where storage is refused', async () => {
    Object.defineProperty(globalThis, 'sessionStorage', {
      configurable: true,
      get() {
        throw new DOMException('cookies are blocked', 'SecurityError');
      },
    });
    const [one, other] = [lanesIn(new FakeLocks()), lanesIn(new FakeLocks())];
    assert.notEqual((await one.takeOwn()).lane, (await other.takeOwn()).lane);
    assert.equal(canRemember(), false);
    assert.equal(tabId('scope', PLACE), undefined);
  });
});

describe('locks', () => {
  test('a lane has one holder; others are refused, or wait until it is given up', async () => {
    const locks = new FakeLocks();
    const [one, other] = [lanesIn(locks), lanesIn(locks)];
    assert.equal(await one.take('x'), true);
    assert.equal(await other.take('x'), false);
    let isHeld = false;
    const waiting = other.wait('x').then((held) => {
      isHeld = held;
    });
    await nextTask();
    assert.deepEqual([isHeld, other.has('x')], [false, true]);
    one.release('x');
    await waiting;
    assert.deepEqual([isHeld, other.held, one.held], [true, ['x'], []]);
  });

  test('giving all up ends the waiting, too', async () => {
    const locks = new FakeLocks();
    const [one, other] = [lanesIn(locks), lanesIn(locks)];
    await one.take('x');
    await other.take('y');
    const waiting = other.wait('x');
    other.releaseAll();
    assert.equal(await waiting, false);
    assert.deepEqual([other.held, other.has('x')], [[], false]);
    await nextTask();
    assert.equal(locks.names().length, 1);
  });

  test('a document that may have no locks goes without', async () => {
    const no = () => new DOMException('no', 'SecurityError');
    for (const request of [
      async () => Promise.reject(no()),
      () => {
        throw no();
      },
    ]) {
      const lanes = lanesIn({ request });
      assert.equal(await lanes.take('x'), true);
      assert.deepEqual([lanes.held, lanes.areShared], [['x'], false]);
    }
  });

  test('a lock that is never granted is waited for two seconds, and given back when it comes after all', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    let grant;
    const orphaned = {
      request: (_name, _options, whileHeld) => {
        grant = whileHeld;
        return new Promise(() => {});
      },
    };
    const lanes = lanesIn(orphaned);
    let lost = 0;
    lanes.onLost = () => {
      lost += 1;
    };
    const taking = lanes.takeOwn();
    await nextTask();
    t.mock.timers.tick(1_999);
    await nextTask();
    assert.equal(lanes.areShared, true);
    t.mock.timers.tick(1);
    const { lane } = await taking;
    assert.deepEqual([lanes.held, lanes.areShared, lost], [[lane], false, 1]);
    assert.equal(
      grant({ name: 'late' }),
      undefined,
      'a lock is held for as long as what this gives is pending',
    );
    // Nobody is asked any more.
    assert.equal(await lanes.take('y'), true);
  });

  test('without Web Locks a lane is found by the tab alone', async () => {
    const lanes = lanesIn(null);
    assert.equal(lanes.areShared, false);
    const { lane } = await lanes.takeOwn();
    lanes.close();
    assert.equal((await lanesIn(null).takeOwn()).lane, lane);
  });
});

test('ids are random, and need no secure context', (t) => {
  t.mock.method(globalThis.crypto, 'randomUUID', () => {
    throw new TypeError('not a secure context');
  });
  const ids = new Set(Array.from({ length: 100 }, randomId));
  assert.equal(ids.size, 100);
  for (const id of ids) {
    assert.match(id, /^[0-9a-f]{32}$/);
  }
});
