/**
 * WebSocket, first version: the TypeScript SDK's own client works unchanged.
 *
 * Owns every row of that table, what may come before authentication, and rooms that hold both versions.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { RecordedSocket } from './lib/socket.mjs';
import { eventually, World } from './lib/world.mjs';

const FRAME_TYPES = new Set(['message', 'typing', 'error']);
const AUTHENTICATE_MS_MAX = 5_000;
const UNPROVEN_MAX = 500;
const PER_SOURCE_MAX = 100;
/** An alarm may be late on a busy machine. */
const AUTHENTICATE_SLACK_MS = 7_000;

// Not all at once: a socket has 5 s to prove itself, and so has the process that opens them.
describe('first version', { concurrency: 6 }, () => {
  let world;
  before(async () => {
    world = await World.start();
  });
  after(() => world.stop());

  /** Two clients of the first version that the space has accepted for certain. */
  async function pair(spaceId) {
    const clients = await Promise.all([world.first(spaceId), world.first(spaceId)]);
    for (const [i, client] of clients.entries()) {
      const text = `ready ${i}`;
      await client.sendMessage({ senderId: `ready${i}`, senderType: 'user', text });
      await client.message(text);
    }
    return clients;
  }

  /** An open socket that has sent nothing. */
  async function silent(spaceId) {
    const socket = new RecordedSocket(socketUrl(spaceId));
    await socket.opened;
    return socket;
  }

  function socketUrl(spaceId) {
    const url = new URL(world.url);
    url.protocol = 'ws:';
    if (spaceId !== undefined) url.searchParams.set('spaceId', spaceId);
    return url;
  }

  test('two chat: messages_sent_on_a_socket_are_read_and_broadcast', async () => {
    const [ada, bob] = await pair(world.newSpace());
    await ada.sendMessage({ senderId: 'ada', senderType: 'user', text: 'hello' });
    const { message } = await bob.message('hello');
    assert.equal(message.senderId, 'ada');
    assert.equal(message.senderType, 'user');
    assert.equal(typeof message.id, 'string');
    assert.equal(typeof message.createdAt, 'number');
    assert.equal(typeof message.updatedAt, 'number');
    await bob.sendMessage({ senderId: 'bob', senderType: 'support', text: 'good day' });
    assert.equal((await ada.message('good day')).message.senderType, 'support');
  });

  test('a_browser_that_can_set_no_header_connects, by URL and first frame alone', async () => {
    const spaceId = world.newSpace();
    const socket = await silent(spaceId);
    socket.send({ type: 'auth', spaceToken: await world.token(spaceId), gatewayKey: world.gatewayKey });
    socket.send({ type: 'message', senderId: 'ada', senderType: 'user', text: 'hello' });
    await socket.wait(({ type }) => type === 'message', 'its own message');
    assert.equal(socket.protocol, '', 'what was not offered is not chosen');
    socket.kill();
  });

  test('a broadcast reaches everyone, the sender included, once', async () => {
    const [ada, bob] = await pair(world.newSpace());
    await ada.sendMessage({ senderId: 'ada', senderType: 'user', text: 'one' });
    await ada.sendMessage({ senderId: 'ada', senderType: 'user', text: 'two' });
    for (const client of [ada, bob]) {
      await client.message('two');
      const texts = client.messages.map(({ text }) => text).filter((text) => !text.startsWith('ready'));
      assert.deepEqual(texts, ['one', 'two']);
    }
  });

  test('typing reaches everyone, the sender included', async () => {
    const [ada, bob] = await pair(world.newSpace());
    for (const isTyping of [true, false]) {
      await ada.setTyping('ada', isTyping);
      for (const { socket } of [ada, bob]) {
        const frame = await socket.wait(
          (each) => each.type === 'typing' && each.isTyping === isTyping,
          'typing',
        );
        assert.deepEqual(frame, { type: 'typing', userId: 'ada', isTyping });
      }
    }
  });

  test('HTTP methods work with and without a connection', async () => {
    const spaceId = world.newSpace();
    const client = await world.firstUnconnected(spaceId);
    const message = await client.sendMessage({ senderId: 'ada', senderType: 'user', text: 'by post' });
    assert.equal(message.text, 'by post');
    await client.setTyping('ada', true);
    assert.deepEqual(
      (await client.getMessages()).map(({ text }) => text),
      ['by post'],
    );
    assert.deepEqual(
      (await client.getParticipants()).map(({ userId, role }) => ({ userId, role })),
      [{ userId: 'ada', role: 'customer' }],
    );
    assert.deepEqual(await client.getMetadata(), {});
    const wrong = await world.firstUnconnected(spaceId, { gatewayKey: 'wrong' });
    await assert.rejects(
      wrong.getMessages(),
      /^Error: Failed to get messages: .*Invalid or missing gateway key/,
    );
  });

  test('frames before auth are held and handled in order', async () => {
    const spaceId = world.newSpace();
    const client = await world.firstUnconnected(spaceId, {
      onConnectionChange: () => {
        for (const text of ['early 1', 'early 2', 'early 3']) {
          client.sendMessage({ senderId: 'ada', senderType: 'user', text });
        }
      },
    });
    await client.connect();
    await client.message('early 3');
    assert.deepEqual(
      client.messages.map(({ text }) => text),
      ['early 1', 'early 2', 'early 3'],
    );
    client.disconnect();
  });

  test('nothing is written and nothing is broadcast before authentication', async () => {
    const spaceId = world.newSpace();
    const [ada] = await pair(spaceId);
    // A second after the first input the house is kept, which writes a row.
    await world.housekept(spaceId);
    const stranger = await silent(spaceId);
    const before = await world.rowsWritten(spaceId);
    stranger.send({ type: 'message', senderId: 'eve', senderType: 'user', text: 'let me in' });
    stranger.send({ type: 'typing', userId: 'eve', isTyping: true });
    // Two sockets share no order. A third frame's answer would need authentication, so this waits a moment.
    await sleep(300);
    assert.equal(await world.rowsWritten(spaceId), before, 'no row is written for a stranger');
    await ada.sendMessage({ senderId: 'ada', senderType: 'user', text: 'after' });
    await ada.message('after');
    assert.equal(
      ada.messages.some(({ senderId }) => senderId === 'eve'),
      false,
    );
    assert.equal(
      ada.socket.frames.some(({ type }) => type === 'typing'),
      false,
    );
    const { body } = await world.call('GET', '/messages', { spaceId });
    assert.equal(
      body.messages.some(({ senderId }) => senderId === 'eve'),
      false,
    );
    // On a busy machine the time to authenticate may have run out: that error says nothing of the room.
    const told = stranger.frames.filter(({ error }) => error !== 'authenticate first');
    assert.deepEqual(told, [], 'and it is told nothing of the room');
    stranger.kill();
  });

  for (const [name, credentials, error, code] of [
    ['a token of another form', { spaceToken: 'nonsense' }, 'Invalid token format', 4402],
    ['a token of another space', { spaceToken: 'elsewhere' }, 'Token space mismatch', 4403],
    ['a token past its time', { spaceToken: 'expired' }, 'Token expired', 4401],
    ['a token signed by somebody else', { spaceToken: 'forged' }, 'Invalid token signature', 4402],
    ['no token', { spaceToken: undefined }, 'Missing x-space-token', 4402],
    ['a wrong gateway key', { gatewayKey: 'wrong' }, 'Invalid or missing gateway key', 4402],
  ]) {
    test(`refused with an error frame, then a close: ${name}`, async () => {
      const spaceId = world.newSpace();
      const tokens = {
        elsewhere: await world.token(world.newSpace()),
        expired: world.expiredToken(spaceId),
        forged: await world.forgedToken(spaceId),
      };
      const config = { ...credentials };
      if ('spaceToken' in config) config.spaceToken = tokens[config.spaceToken] ?? config.spaceToken;
      const client = await world.first(spaceId, config);
      const { code: closed } = await client.socket.ended();
      assert.equal(client.socket.frames.length, 1);
      const [frame] = client.socket.frames;
      assert.equal(frame.type, 'error');
      assert.equal(frame.error, error);
      assert.equal(closed, code);
    });
  }

  test('a valid token is enough: no gateway key is needed', async () => {
    const client = await world.first(world.newSpace(), { gatewayKey: undefined });
    await client.sendMessage({ senderId: 'ada', senderType: 'user', text: 'hi' });
    await client.message('hi');
  });

  test('one object a frame, whatever the burst, and only the three types of frame', async () => {
    const spaceId = world.newSpace();
    const [[ada, bob], modern] = [await pair(spaceId), await world.second(spaceId, { userId: 'mod' })];
    modern.send(
      Array.from({ length: 40 }, (_, i) => ({ type: 'message', text: `b${i}`, clientMessageId: `b-${i}` })),
    );
    modern.send({ type: 'typing', isTyping: true });
    await world.call('PUT', '/metadata', { spaceId, gatewayKey: world.gatewayKey, body: { a: '1' } });
    const leaver = await world.second(spaceId, { userId: 'leaver' });
    await leaver.close();
    await ada.sendMessage({ senderId: 'ada', senderType: 'user', text: 'end' });
    for (const client of [ada, bob]) {
      await client.message('end');
      for (const frame of client.socket.wire) assert.equal(Array.isArray(frame), false);
      for (const { type } of client.socket.frames) assert.ok(FRAME_TYPES.has(type), type);
      assert.deepEqual(client.socket.oddities, []);
      const burst = client.messages.map(({ text }) => text).filter((text) => /^b\d/.test(text));
      assert.deepEqual(
        burst,
        Array.from({ length: 40 }, (_, i) => `b${i}`),
      );
    }
  });

  for (const [name, send, told] of [
    ['a frame of unknown type', (socket) => socket.send({ type: 'dance' }), /dance|type/i],
    ['a frame without type', (socket) => socket.send({ text: 'x' }), /type|required/i],
    [
      'text that is an object',
      (s) => s.send({ type: 'message', senderId: 'a', senderType: 'user', text: {} }),
      /text/,
    ],
    [
      'a message without text',
      (s) => s.send({ type: 'message', senderId: 'a', senderType: 'user' }),
      /required/,
    ],
    ['a frame that is not JSON', (socket) => socket.sendText('hello there'), /./],
    ['a frame that is no object', (socket) => socket.sendText('5'), /./],
    [
      'typing that is no boolean',
      (s) => s.send({ type: 'typing', userId: 'a', isTyping: 'yes' }),
      /isTyping/,
    ],
    ['a binary frame', (socket) => socket.sendBinary([1, 2, 3]), /./],
  ]) {
    test(`answered with an error frame: ${name}`, async () => {
      const spaceId = world.newSpace();
      const [ada, bob] = await pair(spaceId);
      send(ada.socket);
      const frame = await ada.error();
      assert.match(frame.error, told);
      await bob.sendMessage({ senderId: 'bob', senderType: 'user', text: 'go on' });
      await bob.message('go on');
      assert.equal(
        bob.socket.frames.some(({ type }) => type === 'error'),
        false,
        'nobody else hears of it',
      );
    });
  }

  test('more than 16 frames before auth end the connection, told by an error frame', async () => {
    const socket = await silent(world.newSpace());
    for (let i = 0; i < 17; i += 1) socket.send({ type: 'typing', userId: 'ada', isTyping: true });
    assert.equal((await socket.ended()).code, 4408);
    assert.equal(socket.frames.at(-1).type, 'error');
  });

  test('16 frames and 8 KiB before auth are held', async () => {
    const spaceId = world.newSpace();
    const client = await world.firstUnconnected(spaceId, {
      onConnectionChange: () => {
        const text = 'x'.repeat(400);
        for (let i = 0; i < 16; i += 1)
          client.sendMessage({ senderId: 'a', senderType: 'user', text: `${i} ${text}` });
      },
    });
    await client.connect();
    await client.socket.wait(({ message }) => message?.text.startsWith('15 '), 'the last of the held frames');
    assert.equal(client.messages.length, 16);
    client.disconnect();
  });

  test('more than 8 KiB before auth end the connection, told by an error frame', async () => {
    const socket = await silent(world.newSpace());
    socket.send({ type: 'message', senderId: 'ada', senderType: 'user', text: 'x'.repeat(8_200) });
    assert.equal((await socket.ended()).code, 4408);
    assert.equal(socket.frames.at(-1).type, 'error');
  });

  test('who does not authenticate within 5 s is closed, in a quiet room too', async () => {
    const asked = Date.now();
    const socket = await silent(world.newSpace());
    const { code } = await socket.ended(AUTHENTICATE_MS_MAX + AUTHENTICATE_SLACK_MS);
    const took = Date.now() - asked;
    assert.equal(code, 4408);
    assert.ok(took >= AUTHENTICATE_MS_MAX - 500, `after ${took} ms`);
    assert.equal(socket.frames.at(-1)?.type, 'error');
  });

  test('what is said right behind the token is stored, however long it is', async () => {
    const spaceId = world.newSpace();
    const socket = await silent(spaceId);
    const texts = ['a'.repeat(16_000), ...Array.from({ length: 40 }, (_, n) => `${n}`), 'b'.repeat(16_000)];
    socket.send({ type: 'auth', spaceToken: await world.token(spaceId) });
    for (const text of texts) socket.send({ type: 'message', senderId: 'ada', senderType: 'user', text });
    const told = () =>
      socket.frames.filter(({ type }) => type === 'message').map(({ message }) => message.text);
    await eventually(() => told().length === texts.length, 'all are told');
    assert.deepEqual(told(), texts);
    socket.kill();
  });

  for (const [how, leave] of [
    ['closes', (socket) => socket.close()],
    ['drops its connection', (socket) => socket.kill()],
  ]) {
    test(`what is said right behind the token is stored although its sender ${how} at once`, async () => {
      const spaces = Array.from({ length: 10 }, () => world.newSpace());
      await Promise.all(
        spaces.map(async (spaceId) => {
          const spaceToken = await world.token(spaceId);
          const socket = await silent(spaceId);
          socket.send({ type: 'auth', spaceToken });
          await socket.sendOff({ type: 'message', senderId: 'ada', senderType: 'user', text: 'last words' });
          leave(socket);
        }),
      );
      const stored = async (spaceId) =>
        (await world.call('GET', '/messages', { spaceId })).body.messages.length;
      await eventually(async () => {
        const counts = await Promise.all(spaces.map(stored));
        return counts.every((count) => count === 1);
      }, 'each is stored');
    });
  }

  test('credentials that are no texts are told at once', async () => {
    for (const auth of [{ spaceToken: 5 }, { spaceToken: null }, { spaceToken: 'x', gatewayKey: {} }]) {
      const socket = await silent(world.newSpace());
      socket.send({ type: 'auth', ...auth });
      await socket.ended();
      assert.match(socket.frames.at(-1).error, /spaceToken|gatewayKey|x-space-token/);
    }
  });

  test('of a burst beyond the limit all that was permitted is stored and told', async () => {
    const spaceId = world.newSpace();
    const client = await world.first(spaceId);
    for (let i = 0; i < 20_000; i += 1)
      client.socket.send({ type: 'message', senderId: 'a', senderType: 'user', text: `${i}` });
    const { code } = await client.socket.ended(40_000);
    assert.equal(code, 4429);
    const { body } = await world.call('GET', '/events?since=0', { spaceId });
    const stored = body[0].seq;
    const told = client.socket.frames.filter(({ type }) => type === 'message').length;
    assert.ok(told >= 1_200, `${told} were told`);
    assert.ok(stored - told <= 1, `${stored} events, ${told} messages told`);
  });

  test('nobody is kept out by sockets that come and never authenticate', async () => {
    const crowd = await World.start();
    let isOver = false;
    try {
      const spaceId = crowd.newSpace();
      const url = new URL(crowd.url);
      url.protocol = 'ws:';
      url.searchParams.set('spaceId', spaceId);
      let cycles = 0;
      const cycle = async () => {
        while (!isOver) {
          const socket = new RecordedSocket(url);
          await socket.opened.catch(() => {});
          cycles += 1;
          await sleep(100);
          socket.kill();
        }
      };
      const cycling = Promise.all(Array.from({ length: 60 }, cycle));
      for (let i = 0; i < 30; i += 1) {
        const client = await crowd.first(spaceId);
        await client.sendMessage({ senderId: `ada${i}`, senderType: 'user', text: `in ${i}` });
        await client.message(`in ${i}`);
        client.disconnect();
      }
      isOver = true;
      await cycling;
      assert.ok(cycles > 60, `${cycles} came and went`);
    } finally {
      isOver = true;
      await crowd.stop();
    }
  });

  test('no spaceId: an error frame that names it, and 4404', async () => {
    const socket = new RecordedSocket(socketUrl());
    await socket.ended().then(({ code }) => assert.equal(code, 4404));
    assert.match(socket.frames[0].error, /spaceId|space-id/);
  });

  test('clients of both versions share one room', async () => {
    const spaceId = world.newSpace();
    const [[old], modern] = [await pair(spaceId), await world.second(spaceId, { userId: 'mod' })];
    await old.sendMessage({ senderId: 'ada', senderType: 'user', text: 'from the first' });
    const seen = await modern.message('from the first');
    assert.equal(typeof seen.seq, 'number');
    await modern.deliver({ text: 'from the second' });
    const { message } = await old.message('from the second');
    assert.equal(message.senderId, 'mod');
    old.setTyping('ada', true);
    await modern.wait(({ type, userId }) => type === 'typing' && userId === 'ada', 'typing');
    modern.send({ type: 'typing', isTyping: true });
    await old.socket.wait(({ type, userId }) => type === 'typing' && userId === 'mod', 'typing');
    modern.assertGapless();
  });

  test('a client that offers an unknown subprotocol is told so before it is connected', async () => {
    const socket = new RecordedSocket(socketUrl(world.newSpace()), ['spaces.v99']);
    await assert.rejects(socket.opened, /400/);
  });
});

// By itself: so many sockets at once keep the others of this process from proving themselves in time, on a slow machine.
describe('first version, crowds that prove nothing', () => {
  test('the oldest of 501 sockets that have not authenticated makes place, and nobody else', async () => {
    // In a world of its own: the sockets of all spaces count together.
    const crowd = await World.start();
    try {
      const url = new URL(crowd.url);
      url.protocol = 'ws:';
      url.searchParams.set('spaceId', crowd.newSpace());
      const open = async () => {
        const socket = new RecordedSocket(url);
        await socket.opened;
        return socket;
      };
      const oldest = await open();
      const waiting = await Promise.all(Array.from({ length: UNPROVEN_MAX - 1 }, open));
      assert.equal(oldest.isOpen, true);
      const newest = await open();
      assert.equal((await oldest.ended(4_000)).code, 4408);
      assert.equal(oldest.frames.at(-1).type, 'error');
      assert.ok(
        [...waiting, newest].every(({ isOpen }) => isOpen),
        'nobody else is closed',
      );
      for (const socket of [...waiting, newest]) socket.kill();
    } finally {
      await crowd.stop();
    }
  });

  test('a network that Cloudflare names has a hundred of the places at most', async () => {
    const crowd = await World.start({ edge: 'https://chat.example.com' });
    try {
      const url = new URL(crowd.url);
      url.protocol = 'ws:';
      url.searchParams.set('spaceId', crowd.newSpace());
      const open = async (address) => {
        const socket = new RecordedSocket(url, [], { 'CF-Connecting-IP': address });
        await socket.opened;
        return socket;
      };
      const waiting = await Promise.all(
        Array.from({ length: PER_SOURCE_MAX }, (_, n) => open(`2001:db8:1:2::${n.toString(16)}`)),
      );
      await assert.rejects(open('2001:db8:1:2:ffff::'), /429/);
      const other = await open('2001:db8:1:3::');
      assert.ok([other, ...waiting].every(({ isOpen }) => isOpen));
      // Who is turned away and does not answer counts on, who leaves does not.
      waiting[0].kill();
      await eventually(
        () =>
          open('2001:db8:1:2:ffff::').then(
            (socket) => waiting.push(socket),
            () => false,
          ),
        'a place is free again',
      );
      for (const socket of [other, ...waiting]) socket.kill();
    } finally {
      await crowd.stop();
    }
  });
});
