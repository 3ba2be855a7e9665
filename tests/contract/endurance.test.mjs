/**
 * What a client can not see: hibernation, a restart of the runtime, a panic.
 *
 * Owns the proof that each of them happened, and that nothing changed for those who are connected.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { World } from './lib/world.mjs';

/** The runtime puts an object to sleep after ten to twelve seconds of silence. */
const IDLE_MS = 14_000;
const IDLE_ROUNDS = 2;
const PING = '{"type":"ping"}';

describe('endurance', { concurrency: true }, () => {
  let world;
  before(async () => {
    // As deployed: pings wake nobody. Where they are answered in code, each wakes the space, which sleeps in between.
    world = await World.start({ vars: { PING_ANSWERS: 'runtime' } });
  });
  after(() => world.stop());

  /** Lets the space sleep, and returns what the hook says after it woke. */
  async function hibernate(spaceId, whileIdle = () => {}) {
    const before = await world.hook('GET', 'space', spaceId);
    assert.equal(before.status, 200, JSON.stringify(before.body));
    let now;
    for (let round = 0; round < IDLE_ROUNDS; round += 1) {
      for (let passed = 0; passed < IDLE_MS; passed += 2_000) {
        whileIdle();
        await sleep(2_000);
      }
      now = await world.hook('GET', 'space', spaceId);
      if (now.body.constructed > before.body.constructed) {
        // The object looks at its sockets when it is first asked for something, not when it is constructed.
        assert.equal((await world.call('GET', '/messages', { spaceId })).status, 200);
        return (await world.hook('GET', 'space', spaceId)).body;
      }
    }
    throw new Error(`the space did not hibernate: constructed ${now.body.constructed} times, as before`);
  }

  test('after hibernation two sockets chat on: after_hibernation_broadcasts_go_on', async () => {
    const spaceId = world.newSpace();
    const [ada, bob] = [
      await world.second(spaceId, { userId: 'ada' }),
      await world.second(spaceId, { userId: 'bob' }),
    ];
    const old = await world.first(spaceId);
    await old.sendMessage({ senderId: 'old', senderType: 'user', text: 'before' });
    await Promise.all([ada.message('before'), bob.message('before'), old.message('before')]);
    const from = ada.frames.length;
    const { sockets } = await hibernate(spaceId);
    assert.equal(sockets, 3, 'the sockets stayed open');
    assert.ok(ada.isOpen && bob.isOpen && old.isConnected());
    const head = await ada.wait(({ type }) => type === 'head', 'the head, from the object that woke', {
      from,
    });
    assert.equal(head.seq, (await ada.message('before')).seq);
    await ada.deliver({ text: 'after' });
    await old.sendMessage({ senderId: 'old', senderType: 'user', text: 'after, too' });
    await Promise.all([bob.message('after, too'), ada.message('after, too'), old.message('after, too')]);
    assert.equal((await bob.message('after')).message.senderId, 'ada', 'identity is kept');
    for (const client of [ada, bob]) {
      client.assertGapless();
      assert.equal(client.ofType('welcome').length, 1);
    }
    const carol = await world.second(spaceId, { userId: 'carol' });
    const here = await carol.wait(({ type, status }) => type === 'presence' && status === 'here', 'here');
    assert.deepEqual(here.users.map(({ userId }) => userId).sort(), ['ada', 'bob', 'carol']);
    assert.equal(
      bob
        .ofType('presence')
        .some(({ status, users }) => status === 'joined' && users.some((u) => u.userId === 'ada')),
      false,
      'waking up joins nobody again',
    );
  });

  test('a repeat after hibernation is still a repeat', async () => {
    const spaceId = world.newSpace();
    const ada = await world.second(spaceId, { userId: 'ada' });
    const first = await ada.deliver({ text: 'once' }, 'same');
    await hibernate(spaceId);
    const again = await ada.deliver({ text: 'once' }, 'same');
    assert.equal(again.seq, first.seq);
    assert.equal(again.message.text, 'once');
  });

  test('pings are answered without waking the space', async () => {
    const spaceId = world.newSpace();
    const ada = await world.second(spaceId, { userId: 'ada' });
    let pings = 0;
    await hibernate(spaceId, () => {
      ada.sendText(PING);
      pings += 1;
    });
    assert.equal(ada.ofType('pong').length, pings);
    assert.ok(ada.isOpen);
  });
});

describe('pings that are answered in code', () => {
  let world;
  before(async () => {
    world = await World.start({ vars: { PING_ANSWERS: 'code' } });
  });
  after(() => world.stop());

  test('a_space_that_lost_its_memory_closes_nobody_who_pinged', async () => {
    const spaceId = world.newSpace();
    const [ada, bob] = [
      await world.second(spaceId, { userId: 'ada' }),
      await world.second(spaceId, { userId: 'bob' }),
    ];
    const ping = async (client) => {
      const from = client.frames.length;
      client.sendText(PING);
      await client.wait(({ type }) => type === 'pong', 'pong', { from });
    };
    for (const aheadMs of [60_000, 120_000, 180_000]) {
      await world.putAhead(spaceId, aheadMs);
      await world.loseMemory(spaceId);
      await ping(bob);
      await ping(ada);
    }
    assert.ok(ada.isOpen && bob.isOpen);
  });
});

// A panic takes the whole Wasm instance along: in one Worker with the others, it could pass for hibernation.
describe('panic', () => {
  let world;
  before(async () => {
    world = await World.start();
  });
  after(() => world.stop());

  test('a panic costs nobody the connection, and nothing that was stored', async () => {
    const spaceId = world.newSpace();
    const neighbour = world.newSpace();
    const [ada, bob] = [
      await world.second(spaceId, { userId: 'ada' }),
      await world.second(spaceId, { userId: 'bob' }),
    ];
    await ada.deliver({ text: 'before' });
    const { status } = await world.hook('POST', 'panic', spaceId);
    assert.ok(status >= 500, `a panic is a server error: ${status}`);
    const answer = await ada.deliver({ text: 'after' });
    assert.equal(answer.type, 'ack');
    assert.equal((await bob.message('after')).message.senderId, 'ada');
    for (const client of [ada, bob]) client.assertGapless();
    const { body } = await world.call('GET', '/messages', { spaceId });
    assert.deepEqual(
      body.messages.map(({ text }) => text),
      ['after', 'before'],
    );
    assert.equal((await world.call('GET', '/messages', { spaceId: neighbour })).status, 200);
  });

  test('who waits for a turn to read is answered, not left waiting, and no line of log each', async () => {
    const spaceId = world.newSpace();
    const author = await world.second(spaceId, { userId: 'ada' });
    for (let i = 0; i < 40; i += 1)
      author.send({ type: 'message', text: 'x'.repeat(16_000), clientMessageId: `m${i}` });
    assert.equal((await author.deliver({ text: 'last' })).type, 'ack');
    const ask = await world.caller(spaceId, { userId: 'reader' });
    const pages = Array.from({ length: 30 }, () => ask('GET', '/messages?limit=200&v=2'));
    await Promise.race(pages);
    const linesBefore = world.logs.length;
    await world.hook('POST', 'panic', spaceId);
    const statuses = (await Promise.all(pages)).map(({ status }) => status);
    assert.ok(statuses.includes(200) && statuses.includes(500), statuses.join());
    assert.deepEqual(
      statuses.filter((status) => ![200, 500].includes(status)),
      [],
    );
    assert.equal((await ask('GET', '/messages?limit=200&v=2')).status, 200);
    // Lines leave workerd through a pipe of their own.
    await sleep(500);
    const failures = world.logs.slice(linesBefore).filter((line) => line.includes('"event":"failed"'));
    assert.ok(failures.length <= 1, `only the request that panicked is logged: ${failures.join('\n')}`);
  });
});

describe('restart', () => {
  let world;
  before(async () => {
    world = await World.start({ persist: true });
  });
  after(() => world.stop());

  test('history, participants, metadata, epoch and seq go on after a restart', async () => {
    const spaceId = world.newSpace();
    const ada = await world.second(spaceId, { userId: 'ada', role: 'agent' });
    for (let i = 0; i < 3; i += 1) await ada.deliver({ text: `m${i}` }, `id-${i}`);
    const keyed = { spaceId, gatewayKey: world.gatewayKey };
    await world.call('PUT', '/metadata', { ...keyed, body: { topic: 'boats' } });
    const look = async () => {
      const paths = ['/messages?v=2', '/participants', '/metadata'];
      return Promise.all(paths.map(async (path) => (await world.call('GET', path, { spaceId })).body));
    };
    const before = await look();
    await world.restart();
    assert.deepEqual(await look(), before);
    const back = await world.second(spaceId, { userId: 'ada', role: 'agent' });
    const welcome = await back.welcome();
    assert.equal(welcome.epoch, before[0].epoch);
    assert.equal(welcome.seq, before[0].seq);
    const repeat = await back.deliver({ text: 'm1' }, 'id-1');
    assert.equal(repeat.message?.text, 'm1', 'a repeat is known after a restart');
    assert.equal((await back.deliver({ text: 'next' })).seq, before[0].seq + 1);
    back.assertGapless();
  });
});
