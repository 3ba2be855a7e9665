/**
 * Who makes place, of sockets that have not proven who they are, when all places are taken.
 */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';

const PLACES = 500;
const PER_NETWORK = 100;
const YOUNG_MS = 250;

// The Workers runtime has it; Node has from 22 on.
Promise.withResolvers ??= () => {
  const parts = {};
  parts.promise = new Promise((resolve, reject) => Object.assign(parts, { resolve, reject }));
  return parts;
};

let takePlace;
let loads = 0;

afterEach(() => mock.timers.reset());
beforeEach(async () => {
  mock.timers.enable({ apis: ['Date'], now: 1_000_000 });
  loads += 1;
  // Each test has an isolate of its own.
  ({ takePlace } = await import(`../../crates/worker/places.js?isolate=${loads}`));
});

/** Takes places; gives those that were had, with whether each was lost. */
function take(count, source) {
  return Array.from({ length: count }, (_, n) => {
    const place = takePlace(typeof source === 'function' ? source(n) : source);
    const held = { place, isLost: false };
    place?.lost.then(() => {
      held.isLost = true;
    });
    return held;
  });
}

const settled = () => new Promise((resolve) => setImmediate(resolve));
const lost = (held) => held.filter(({ isLost }) => isLost).length;

test('an attacker with many networks puts nobody out who has just come, wherever they share an address', async () => {
  const attackers = take(PLACES - 10, (n) => `2001:db8:${n}::`);
  mock.timers.tick(YOUNG_MS);
  const office = take(10, '192.0.2.7');
  const more = take(300, (n) => `2001:db9:${n}::`);
  await settled();
  assert.equal(lost(office), 0);
  assert.equal(lost(attackers), 300);
  assert.ok(more.every(({ place }) => place));
});

test('a network with a crowd makes place for others, however young its sockets are', async () => {
  const crowds = ['a', 'b', 'c', 'd', 'e'].map((name) => take(PER_NETWORK, name));
  assert.equal(takePlace('a'), undefined, 'one network has no more than its own');
  const [honest] = take(1, '192.0.2.7');
  await settled();
  assert.ok(honest.place);
  assert.deepEqual(crowds.map(lost), [1, 0, 0, 0, 0]);
});

test('where no network is known the oldest makes place, unless it has just come', async () => {
  const all = take(PLACES, '');
  assert.equal(takePlace(''), undefined);
  mock.timers.tick(YOUNG_MS);
  const newer = take(5, '');
  await settled();
  assert.ok(newer.every(({ place }) => place));
  assert.deepEqual([lost(all.slice(0, 5)), lost(all)], [5, 5], 'the oldest ones');
});
