/**
 * WebSocket, second version: sync and head, ping, odd frames, typing, presence.
 *
 * Owns what passes on an accepted connection beside messages.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { World } from './lib/world.mjs';

/** The fixed strings: byte for byte, or the runtime does not answer them. */
const PING = '{"type":"ping"}';
const PONG = '{"type":"pong"}';

let world;
before(async () => {
  world = await World.start();
});
after(() => world.stop());

describe('live link', { concurrency: true }, () => {
  test('sync answers the events after since, then the head', async () => {
    const spaceId = world.newSpace();
    const client = await world.second(spaceId, { userId: 'ada' });
    for (let i = 0; i < 4; i += 1) await client.deliver({ text: `m${i}` });
    const { seq } = await client.message('m1');
    const from = client.frames.length;
    client.send({ type: 'sync', since: seq });
    const head = await client.wait(({ type }) => type === 'head', 'head', { from });
    const answer = client.frames.slice(from);
    assert.deepEqual(
      answer.filter(({ type }) => type === 'message').map(({ message, seq: at }) => [message.text, at]),
      [
        ['m2', seq + 1],
        ['m3', seq + 2],
      ],
    );
    assert.equal(answer.at(-1), head);
    assert.equal(head.seq, seq + 2);
    assert.match(head.epoch, /^[0-9a-f]{32}$/);
    assert.notEqual(head.recovered, false);
  });

  test('sync at the head answers the head alone; beyond it, that it can not be followed', async () => {
    const client = await world.second(world.newSpace(), { userId: 'ada' });
    const { seq } = await client.deliver({ text: 'x' });
    let from = client.frames.length;
    client.send({ type: 'sync', since: seq });
    const head = await client.wait(({ type }) => type === 'head', 'head', { from });
    assert.equal(head.seq, seq);
    assert.equal(client.frames.length, from + 1);
    from = client.frames.length;
    client.send({ type: 'sync', since: seq + 1 });
    const refusal = await client.wait(({ type }) => type === 'head', 'head', { from });
    assert.equal(refusal.recovered, false);
  });

  test('sync without a good since is an error that names it', async () => {
    const client = await world.second(world.newSpace());
    for (const since of [undefined, 'x', -1, 1.5, null]) {
      const from = client.frames.length;
      client.send({ type: 'sync', since });
      const frame = await client.wait(({ type }) => type === 'error', 'an error', { from });
      assert.ok(['missingField', 'invalidField'].includes(frame.code), frame.code);
      assert.match(frame.error, /since|required/);
    }
  });

  test('ping and pong are fixed strings', async () => {
    const client = await world.second(world.newSpace());
    client.sendText(PING);
    await client.wait(({ type }) => type === 'pong', 'pong');
    assert.equal(JSON.stringify(client.wire.at(-1)), PONG);
  });

  test('a ping in another spelling, or inside a batch, is answered as well', async () => {
    const client = await world.second(world.newSpace());
    client.sendText('{ "type" : "ping" }');
    await client.wait(({ type }) => type === 'pong', 'pong');
    const from = client.frames.length;
    client.send([{ type: 'ping' }]);
    await client.wait(({ type }) => type === 'pong', 'pong', { from });
  });

  for (const [name, send, code] of [
    ['an unknown type', (client) => client.send({ type: 'dance' }), 'unknownType'],
    ['a type of the server', (client) => client.send({ type: 'welcome' }), 'unknownType'],
    ['text that is not JSON', (client) => client.sendText('hello'), 'badFrame'],
    ['a number', (client) => client.sendText('5'), 'badFrame'],
    ['brackets nested without end', (client) => client.sendText('['.repeat(30_000)), 'badFrame'],
    [
      'more values than any frame has',
      (client) => client.sendText(`[[${'0,'.repeat(40_000)}0]]`),
      'tooLarge',
    ],
    ['a batch within a batch', (client) => client.send([[{ type: 'ping' }]]), 'badFrame'],
    ['binary', (client) => client.sendBinary([0, 1, 2]), 'badFrame'],
  ]) {
    test(`answered ${code}, and the room goes on: ${name}`, async () => {
      const spaceId = world.newSpace();
      const [client, other] = [await world.second(spaceId, { userId: 'ada' }), await world.second(spaceId)];
      send(client);
      const frame = await client.wait(({ type }) => type === 'error', 'an error');
      assert.equal(frame.code, code);
      assert.equal(typeof frame.error, 'string');
      await world.call('POST', '/messages', {
        spaceId,
        body: { senderId: 'x', senderType: 'user', text: 'on' },
      });
      await other.message('on');
      assert.deepEqual(other.ofType('error'), []);
    });
  }

  test('seen of a mark that was never sent is taken without an answer, and one without a mark is named', async () => {
    const client = await world.second(world.newSpace(), { userId: 'ada' });
    await client.deliver({ text: 'x' });
    const from = client.frames.length;
    client.send({ type: 'seen', mark: '0123456789abcdef', seq: 1 });
    client.send({ type: 'seen', seq: 1 });
    await client.fence();
    assert.deepEqual(
      client.frames.slice(from).map(({ type, field }) => field ?? type),
      ['mark', 'head'],
    );
  });
});

describe('typing', { concurrency: true }, () => {
  async function room() {
    const spaceId = world.newSpace();
    const [phone, laptop, bob] = [
      await world.second(spaceId, { userId: 'ada' }),
      await world.second(spaceId, { userId: 'ada' }),
      await world.second(spaceId, { userId: 'bob' }),
    ];
    return { spaceId, phone, laptop, bob };
  }
  const isTyping = (value) => (frame) => frame.type === 'typing' && frame.isTyping === value;

  test('reaches others, and no connection of the same user', async () => {
    const { phone, laptop, bob } = await room();
    phone.send({ type: 'typing', isTyping: true });
    assert.deepEqual(await bob.wait(isTyping(true), 'typing'), {
      type: 'typing',
      userId: 'ada',
      isTyping: true,
    });
    phone.send({ type: 'typing', userId: 'ada', isTyping: false });
    await bob.wait(isTyping(false), 'typing off');
    await phone.deliver({ text: 'marker' });
    await laptop.message('marker');
    for (const own of [phone, laptop]) assert.deepEqual(own.ofType('typing'), []);
  });

  test('ends when the typist’s last socket closes', async () => {
    const { phone, bob } = await room();
    phone.send({ type: 'typing', isTyping: true });
    await bob.wait(isTyping(true), 'typing');
    await phone.close();
    await bob.wait(isTyping(false), 'typing off');
  });

  test('is stored nowhere', async () => {
    const { spaceId, phone, bob } = await room();
    phone.send({ type: 'typing', isTyping: true });
    await bob.wait(isTyping(true), 'typing');
    const late = await world.second(spaceId);
    await late.fence();
    assert.deepEqual(late.ofType('typing'), []);
    bob.assertGapless();
  });
});

describe('presence', { concurrency: true }, () => {
  const has = (status, userId) => (frame) =>
    frame.type === 'presence' &&
    frame.status === status &&
    frame.users.some((user) => user.userId === userId);

  test('the joiner hears who is here, itself included, each user once', async () => {
    const spaceId = world.newSpace();
    await world.second(spaceId, { userId: 'ada', name: 'Ada L' });
    await world.second(spaceId, { userId: 'ada' });
    const bob = await world.second(spaceId, { userId: 'bob' });
    const here = await bob.wait(({ type, status }) => type === 'presence' && status === 'here', 'here');
    assert.deepEqual(here.users.map(({ userId }) => userId).sort(), ['ada', 'bob']);
  });

  test('others hear joined with the first connection and left with the last', async () => {
    const spaceId = world.newSpace();
    const bob = await world.second(spaceId, { userId: 'bob' });
    const phone = await world.second(spaceId, { userId: 'ada' });
    await bob.wait(has('joined', 'ada'), 'joined');
    const laptop = await world.second(spaceId, { userId: 'ada' });
    await phone.close();
    await laptop.deliver({ text: 'still here' });
    await bob.message('still here');
    const ofAda = () =>
      bob.ofType('presence').filter(({ users }) => users.some(({ userId }) => userId === 'ada'));
    assert.deepEqual(
      ofAda().map(({ status }) => status),
      ['joined'],
    );
    laptop.kill();
    await bob.wait(has('left', 'ada'), 'left');
    assert.equal(ofAda().length, 2);
  });

  test('who has no name in the token is not present', async () => {
    const spaceId = world.newSpace();
    const bob = await world.second(spaceId, { userId: 'bob' });
    const nobody = await world.second(spaceId);
    await nobody.deliver({ senderId: 'x', senderType: 'user', text: 'hi' });
    await bob.message('hi');
    const users = bob.ofType('presence').flatMap((frame) => frame.users.map(({ userId }) => userId));
    assert.deepEqual([...new Set(users)], ['bob']);
  });
});
