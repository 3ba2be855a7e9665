/**
 * Many rooms in one page, over a link whose handshakes are slow.
 */
import assert from 'node:assert/strict';
import { generateToken } from '../../pkg-template/tokens.js';
import { assertNoProblems, test, useStack } from './lib/stack.mjs';
import { newMiddlebox } from './lib/transports.mjs';

const ROOMS = 30;
// All of them together take longer than one may.
const HANDSHAKE_MS = 700;
/** What one attempt may take. */
const HANGING_MS = 15_000;
const SLOW_MACHINE_MS = 10_000;

const stack = useStack();

/** Rooms of Ada's, each with her token. */
async function newRooms(count, name) {
  const { gatewayKey } = stack.backend;
  const spaces = Array.from({ length: count }, (_, n) => stack.newSpace(name(n)));
  return Promise.all(
    spaces.map(async (space) => [space, await generateToken(space, { gatewayKey, userId: 'ada' })]),
  );
}

/** A page that may connect to the middlebox; its own client is never used. */
async function openPerson(network, space) {
  const person = await stack.newPerson('ada', space, { network });
  await person.open();
  return person;
}

test('thirty_rooms_end_on_sockets_and_one_that_hangs_delays_the_others_by_its_own_limit', async () => {
  const rooms = await newRooms(ROOMS, (n) => `many-${n}-of-${ROOMS}`);
  const middlebox = await newMiddlebox(stack);
  middlebox.slowUpgrades(HANDSHAKE_MS, rooms[2][0]);
  const { tab } = await openPerson(middlebox, rooms[0][0]);
  const seen = await tab.evaluate(
    async ([rooms, workerUrl]) => {
      const { client } = await import('/kuratchi-spaces/index.js');
      const startedAt = performance.now();
      const states = [];
      const all = rooms.map(([spaceId, spaceToken]) => {
        const onStateChange = ({ state, reason }) => {
          if (reason) states.push(`${state} ${reason.code}`);
        };
        return client({ spaceId, spaceToken, workerUrl, onStateChange });
      });
      const joined = all.map(async (room) => {
        await room.connect();
        return { way: room.transport, ms: performance.now() - startedAt };
      });
      const results = await Promise.all(joined);
      for (const room of all) room.close();
      return { results, states };
    },
    [rooms, middlebox.url],
  );
  const ways = new Set(seen.results.map(({ way }) => way));
  assert.deepEqual([...ways], ['websocket']);
  const others = seen.results.filter((_, n) => n !== 2).map(({ ms }) => ms);
  const latest = Math.max(...others);
  console.log(
    `${ROOMS} rooms, handshakes of ${HANDSHAKE_MS} ms, one hangs: the others within ${latest.toFixed(0)} ms`,
  );
  const most = HANGING_MS + ROOMS * HANDSHAKE_MS + SLOW_MACHINE_MS;
  assert.ok(latest < most, `${latest} ms`);
  assert.equal(seen.states.length, 1, `only the one that hung was lost: ${seen.states}`);
  assert.equal(middlebox.faults.upgradeSwallowed, 1);
  assertNoProblems(tab);
});

/** The same where one room never gets through. */
const QUICK_HANDSHAKE_MS = 100;
const RECONNECT_MS = 4_000;

test('rooms_beside_one_that_never_gets_through_end_on_sockets_and_come_back_on_sockets', async () => {
  const rooms = await newRooms(ROOMS, (n) => `beside-${n}-of-${ROOMS}`);
  const middlebox = await newMiddlebox(stack);
  middlebox.slowUpgrades(QUICK_HANDSHAKE_MS, rooms[3][0], { isForGood: true });
  const { tab } = await openPerson(middlebox, rooms[0][0]);
  await tab.evaluate(
    async ([rooms, workerUrl]) => {
      const { client } = await import('/kuratchi-spaces/index.js');
      globalThis.startedAt = performance.now();
      globalThis.rooms = rooms.map(([spaceId, spaceToken], n) => {
        const room = { ways: [], hangs: n === 3 };
        const onStateChange = ({ state, transport, reason }) => {
          if (reason) room.ways.push(reason.code);
          if (state !== 'connected') return;
          room.ways.push(transport);
          room.ms = performance.now() - globalThis.startedAt;
        };
        room.client = client({ spaceId, spaceToken, workerUrl, onStateChange });
        room.client.connect().catch(() => {});
        return room;
      });
    },
    [rooms, middlebox.url],
  );
  const settled = async (attemptMs) => {
    const timeout = 3 * attemptMs + ROOMS * QUICK_HANDSHAKE_MS + 2 * SLOW_MACHINE_MS;
    const areBack = () =>
      globalThis.rooms.every(({ client, ways, hangs }) => hangs || (client.isConnected() && ways.length > 0));
    await tab.waitForFunction(areBack, undefined, { timeout });
    const seen = await tab.evaluate(() => {
      const others = globalThis.rooms.filter(({ hangs }) => !hangs);
      return others.map(({ ways, ms }) => ({ ways: ways.splice(0).join(' '), ms }));
    });
    const latest = Math.max(...seen.map(({ ms }) => ms));
    console.log(
      `${ROOMS} rooms, one never gets through: the others on sockets within ${latest.toFixed(0)} ms`,
    );
    assert.ok(latest < attemptMs + ROOMS * QUICK_HANDSHAKE_MS + SLOW_MACHINE_MS, `${latest} ms`);
    return [...new Set(seen.map(({ ways }) => ways))];
  };
  assert.deepEqual(await settled(HANGING_MS), ['websocket'], 'none was lost, none polls');
  await tab.evaluate(() => {
    globalThis.startedAt = performance.now();
  });
  middlebox.cutSockets();
  assert.deepEqual(
    await settled(RECONNECT_MS),
    ['connectionLost websocket'],
    'each was lost once, none polls',
  );
  await tab.evaluate(() => {
    for (const { client } of globalThis.rooms) client.close();
  });
});

const FEW = 4;
/** Two attempts of the first room, and those of the others at once behind its first. */
const POLLING_MS = 3 * HANGING_MS + SLOW_MACHINE_MS;

test('where_all_handshakes_hang_rooms_do_not_wait_for_each_other', async () => {
  const rooms = await newRooms(FEW, () => 'hanging');
  const middlebox = await newMiddlebox(stack);
  middlebox.blockSockets('swallow');
  const { tab } = await openPerson(middlebox, rooms[0][0]);
  const seen = await tab.evaluate(
    async ([rooms, workerUrl]) => {
      const { client } = await import('/kuratchi-spaces/index.js');
      const startedAt = performance.now();
      const joined = rooms.map(async ([spaceId, spaceToken]) => {
        const room = client({ spaceId, spaceToken, workerUrl });
        await room.connect();
        const { transport } = room;
        const ms = performance.now() - startedAt;
        room.close();
        return { transport, ms };
      });
      return Promise.all(joined);
    },
    [rooms, middlebox.url],
  );
  const latest = Math.max(...seen.map(({ ms }) => ms));
  console.log(`${FEW} rooms where all handshakes hang: polling within ${latest.toFixed(0)} ms`);
  assert.deepEqual([...new Set(seen.map(({ transport }) => transport))], ['polling']);
  assert.ok(latest < POLLING_MS, `${latest} ms`);
});

/** Longer than a page that woke up waits for an attempt, and no longer than one may take. */
const SLOW_HANDSHAKE_MS = 7_000;

test('a_first_handshake_has_its_whole_time_where_the_token_is_there_already', async () => {
  const space = stack.newSpace('slow');
  const spaceToken = await generateToken(space, { gatewayKey: stack.backend.gatewayKey, userId: 'ada' });
  const middlebox = await newMiddlebox(stack);
  middlebox.slowUpgrades(SLOW_HANDSHAKE_MS);
  const { tab } = await openPerson(middlebox, space);
  const seen = await tab.evaluate(
    async ([spaceId, spaceToken, workerUrl]) => {
      const { client } = await import('/kuratchi-spaces/index.js');
      const reasons = [];
      const onStateChange = ({ reason }) => reason && reasons.push(reason.code);
      const room = client({ spaceId, spaceToken, workerUrl, onStateChange });
      await room.getMessages();
      await room.connect();
      const { transport } = room;
      room.close();
      return { transport, reasons };
    },
    [space, spaceToken, middlebox.url],
  );
  assert.deepEqual(seen, { transport: 'websocket', reasons: [] });
  assertNoProblems(tab);
});
