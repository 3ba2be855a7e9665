/**
 * Presence: when somebody counts as gone, and who is gone without a word.
 *
 * Owns the 5 s of grace, and that they survive what a space may go through. What is said to a joiner stands with
 * the live link.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { World } from './lib/world.mjs';

const GRACE_MS = 5_000;
/** What an alarm of the runtime may be late by on a busy machine. */
const LATE_MS = 4_000;
const SILENT_MS_MAX = 90_000;
const PING = '{"type":"ping"}';

let world;
before(async () => {
  // As it is deployed: a ping counts by the runtime's word, at whatever time the space lives.
  world = await World.start({ vars: { PING_ANSWERS: 'runtime' } });
});
after(() => world.stop());

async function room() {
  const spaceId = world.newSpace();
  const bob = await world.second(spaceId, { userId: 'bob' });
  const ada = await world.second(spaceId, { userId: 'ada' });
  await bob.wait(says('joined', 'ada'), 'joined');
  return { spaceId, ada, bob };
}

function says(status, userId) {
  return (frame) =>
    frame.type === 'presence' &&
    frame.status === status &&
    frame.users.some((user) => user.userId === userId);
}

/** All that was said about a user, in order. */
function saidOf(client, userId) {
  return client
    .ofType('presence')
    .filter(({ users }) => users.some((user) => user.userId === userId))
    .map(({ status }) => status);
}

/** Waits for `left`; returns after how many milliseconds it came. */
async function left(client, userId) {
  const started = Date.now();
  await client.wait(says('left', userId), `${userId} left`, { ms: GRACE_MS + LATE_MS });
  return Date.now() - started;
}

/** The runtime puts an object to sleep after ten to twelve seconds of silence. */
const ASLEEP_MS = 16_000;

describe('a room that sleeps', { concurrency: true }, () => {
  for (const [name, leave] of [
    ['goes', (socket) => socket.close()],
    ['is cut off', (socket) => socket.kill()],
    ['breaks the rules', (socket) => socket.breakRules()],
  ]) {
    test(`who ${name} while all are silent has left 5 s later`, async () => {
      const { spaceId, ada, bob } = await room();
      const { body: before } = await world.hook('GET', 'space', spaceId);
      await sleep(ASLEEP_MS);
      leave(ada);
      await left(bob, 'ada');
      const { body } = await world.hook('GET', 'space', spaceId);
      assert.ok(body.constructed > before.constructed, 'it slept');
      assert.deepEqual(saidOf(bob, 'ada'), ['joined', 'left']);
    });
  }

  test('fifty people who go at once have all left', async () => {
    const spaceId = world.newSpace();
    const bob = await world.second(spaceId, { userId: 'bob' });
    const names = Array.from({ length: 50 }, (_, n) => `user-${n}`);
    const others = await Promise.all(names.map((userId) => world.second(spaceId, { userId })));
    await sleep(ASLEEP_MS);
    for (const socket of others) socket.kill();
    await Promise.all(names.map((name) => left(bob, name)));
  });
});

describe('grace', { concurrency: true }, () => {
  for (const [name, leave] of [
    ['goes', (socket) => socket.close()],
    ['is cut off', (socket) => socket.kill()],
  ]) {
    test(`who ${name} has left 5 s later, in a quiet room too`, async () => {
      const { ada, bob } = await room();
      await leave(ada);
      const ms = await left(bob, 'ada');
      assert.ok(ms > GRACE_MS - 500, `after ${ms} ms`);
      assert.deepEqual(saidOf(bob, 'ada'), ['joined', 'left']);
    });
  }

  test('who is back within it neither left nor joined', async () => {
    const { spaceId, ada, bob } = await room();
    for (let round = 0; round < 3; round += 1) {
      const last = round === 0 ? ada : await world.second(spaceId, { userId: 'ada' });
      last.kill();
      await sleep(500);
    }
    const back = await world.second(spaceId, { userId: 'ada' });
    await sleep(GRACE_MS + 1_000);
    await back.deliver({ text: 'marker' });
    await bob.message('marker');
    assert.deepEqual(saidOf(bob, 'ada'), ['joined']);
    back.kill();
    await left(bob, 'ada');
    assert.deepEqual(saidOf(bob, 'ada'), ['joined', 'left']);
  });

  test('who comes back after it joins again', async () => {
    const { spaceId, ada, bob } = await room();
    ada.kill();
    await left(bob, 'ada');
    await world.second(spaceId, { userId: 'ada' });
    await bob.wait(
      (frame) => says('joined', 'ada')(frame) && saidOf(bob, 'ada').length === 3,
      'joined again',
    );
    assert.deepEqual(saidOf(bob, 'ada'), ['joined', 'left', 'joined']);
  });

  test('who is in it is still here for a joiner', async () => {
    const { spaceId, ada } = await room();
    await ada.close();
    const carol = await world.second(spaceId, { userId: 'carol' });
    const here = await carol.wait(({ type, status }) => type === 'presence' && status === 'here', 'here');
    assert.deepEqual(here.users.map(({ userId }) => userId).sort(), ['ada', 'bob', 'carol']);
    await left(carol, 'ada');
  });

  test('a_space_that_lost_its_memory_shows_nobody_who_went_meanwhile', async () => {
    const { spaceId, ada, bob } = await room();
    await ada.close();
    await world.loseMemory(spaceId);
    const from = bob.frames.length;
    const here = await bob.wait(
      ({ type, status }) => type === 'presence' && (status === 'here' || status === 'left'),
      'who is here, or who left',
      { from, ms: GRACE_MS + LATE_MS },
    );
    const gone = here.status === 'left' || !here.users.some(({ userId }) => userId === 'ada');
    assert.ok(gone, JSON.stringify(here));
  });
});

describe('ghosts', { concurrency: true }, () => {
  test('who was silent for 90 s is closed, and has left; who pings is not', async () => {
    const { spaceId, ada, bob } = await room();
    bob.sendText(PING);
    await bob.wait(({ type }) => type === 'pong', 'pong');
    await world.putAhead(spaceId, SILENT_MS_MAX + 1_000);
    // The runtime answered bob's ping a moment ago, by the space's time as well.
    await bob.deliver({ text: 'anything wakes the room' });
    assert.equal((await ada.ended()).code, 4510);
    assert.ok(bob.isOpen);
    await left(bob, 'ada');
  });

  test('in a quiet room the alarm finds them, within 10 minutes and 90 s', async () => {
    const { spaceId, ada, bob } = await room();
    const { alarmAt } = await world.look(spaceId);
    assert.ok(alarmAt !== null && alarmAt <= Date.now() + 10 * 60_000, String(alarmAt));
    await world.housekept(spaceId);
    await world.putAhead(spaceId, 11 * 60_000 + SILENT_MS_MAX);
    const ends = await Promise.all([ada.ended(), bob.ended()]);
    assert.deepEqual(
      ends.map(({ code }) => code),
      [4510, 4510],
    );
  });
});
