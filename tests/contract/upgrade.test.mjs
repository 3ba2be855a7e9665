/**
 * WebSocket, second version: the upgrade, every refusal with its close code, the welcome, renewal.
 *
 * Owns how a connection begins and what may end it. What is said on it has files of its own.
 */
import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import http from 'node:http';
import { after, before, describe, test } from 'node:test';
import { SecondVersionClient, secondVersion } from './lib/second-version-client.mjs';
import { RecordedSocket } from './lib/socket.mjs';
import { eventually, World } from './lib/world.mjs';

let world;
before(async () => {
  world = await World.start();
});
after(() => world.stop());

/** Upgrades a connection whose other end never answers a frame: its status, its body if it is no upgrade, its socket. */
function silentUpgrade(url, spaceId, token) {
  return new Promise((resolve, reject) => {
    const request = http.request(`${url}/?spaceId=${spaceId}`, {
      agent: false,
      headers: {
        Connection: 'Upgrade',
        Upgrade: 'websocket',
        'Sec-WebSocket-Key': randomBytes(16).toString('base64'),
        'Sec-WebSocket-Version': '13',
        'Sec-WebSocket-Protocol': secondVersion(token).join(', '),
      },
    });
    request.on('upgrade', (response, socket) => {
      socket.on('error', () => {});
      resolve({ status: response.statusCode, socket });
    });
    request.on('response', async (response) => {
      let body = '';
      for await (const part of response) body += part;
      resolve({ status: response.statusCode, body, socket: request.socket });
    });
    request.on('error', reject);
    request.end();
  });
}

describe('upgrade', { concurrency: true }, () => {
  test('the answer echoes spaces.v2 only, whatever else was offered', async () => {
    const spaceId = world.newSpace();
    const token = await world.token(spaceId);
    for (const protocols of [
      secondVersion(token),
      secondVersion(token).reverse(),
      [...secondVersion(token), 'other'],
    ]) {
      const client = await world.secondSocket({ spaceId, protocols });
      await client.welcome();
      assert.equal(client.protocol, 'spaces.v2');
    }
  });

  test('4406 a page of an origin that is not listed, where ALLOWED_ORIGINS is set', async () => {
    const strict = await World.start({ vars: { ALLOWED_ORIGINS: 'https://app.test' } });
    try {
      const spaceId = strict.newSpace();
      const token = await strict.token(spaceId);
      const stranger = new SecondVersionClient(strict.url, {
        spaceId,
        token,
        headers: { Origin: 'https://evil.test' },
      });
      await stranger.error('originRefused');
      assert.equal((await stranger.closed).code, 4406);
      for (const headers of [{ Origin: 'https://app.test' }, {}]) {
        const guest = new SecondVersionClient(strict.url, { spaceId, token, headers });
        await guest.welcome();
        guest.kill();
      }
    } finally {
      await strict.stop();
    }
  });

  test('any path of the Worker takes the upgrade', async () => {
    const spaceId = world.newSpace();
    const token = await world.token(spaceId);
    for (const path of ['/', '/chat', '/a/b?x=1']) {
      const url = new URL(path, world.url);
      url.protocol = 'ws:';
      url.searchParams.set('spaceId', spaceId);
      const socket = new RecordedSocket(url, secondVersion(token));
      await socket.wait(({ type }) => type === 'welcome', `welcome at ${path}`);
      socket.kill();
    }
  });

  const refusals = [
    [
      '4401 the token’s time is over',
      4401,
      'tokenExpired',
      'Token expired',
      (id) => ({ token: world.expiredToken(id) }),
    ],
    [
      '4402 the token is malformed',
      4402,
      'tokenInvalid',
      'Invalid token format',
      () => ({ token: 'nonsense' }),
    ],
    [
      '4402 the token is badly signed',
      4402,
      'tokenInvalid',
      'Invalid token signature',
      async (id) => ({ token: await world.forgedToken(id) }),
    ],
    ['4402 there is no token', 4402, 'tokenMissing', /token/i, () => ({ protocols: ['spaces.v2'] })],
    [
      '4402 the token’s wrapping is no base64url',
      4402,
      undefined,
      /token/i,
      () => ({
        protocols: ['spaces.v2', 'token.!!!'],
      }),
    ],
    [
      '4403 the token is for another space',
      4403,
      'spaceMismatch',
      'Token space mismatch',
      async () => ({ token: await world.token('elsewhere') }),
    ],
    [
      '4404 no space id',
      4404,
      'spaceIdRequired',
      /space/i,
      async () => ({
        spaceId: undefined,
        token: await world.token('x'),
      }),
    ],
    [
      '4404 an empty space id',
      4404,
      'spaceIdRequired',
      /space/i,
      async () => ({
        spaceId: '',
        token: await world.token('x'),
      }),
    ],
    [
      '4404 a space id of 201 bytes',
      4404,
      undefined,
      /space/i,
      async () => ({
        spaceId: 's'.repeat(201),
        token: await world.token('x'),
      }),
    ],
    [
      '4404 a space id with a control character',
      4404,
      undefined,
      /space/i,
      async () => ({
        spaceId: 'a\nb',
        token: await world.token('x'),
      }),
    ],
  ];
  for (const [name, close, code, error, options] of refusals) {
    test(`refused by 101, one error frame and a close: ${name}`, async () => {
      const spaceId = world.newSpace();
      const client = await world.secondSocket({ spaceId, ...(await options(spaceId)) });
      await client.opened;
      assert.equal(client.protocol, 'spaces.v2');
      const ended = await client.ended();
      assert.equal(client.frames.length, 1, JSON.stringify(client.frames));
      const [frame] = client.frames;
      assert.equal(frame.type, 'error');
      if (code !== undefined) assert.equal(frame.code, code);
      if (typeof error === 'string') assert.equal(frame.error, error);
      else assert.match(frame.error, error);
      assert.equal(ended.code, close);
    });
  }

  test('a rejected upgrade never reaches the space', async () => {
    const spaceId = world.newSpace();
    const client = await world.secondSocket({ spaceId, token: world.expiredToken(spaceId) });
    await client.ended();
    const { body } = await world.hook('GET', 'space', spaceId);
    assert.ok(body.constructed <= 1, 'only the hook itself made the object');
    assert.equal(body.sockets, 0);
  });

  test('4400 for a cursor that is none', async () => {
    const spaceId = world.newSpace();
    for (const query of [{ since: 'abc' }, { since: '-1' }, { epoch: 'x'.repeat(200), since: '1' }]) {
      const client = await world.secondSocket({ spaceId, token: await world.token(spaceId), query });
      await client.wait(({ type }) => type === 'error', 'an error frame');
      assert.equal((await client.ended()).code, 4400, JSON.stringify(query));
    }
  });

  test('4409 for the 21st connection of one user, in one space', async () => {
    const spaceId = world.newSpace();
    const token = await world.token(spaceId, { userId: 'ada' });
    const open = await Promise.all(Array.from({ length: 20 }, () => world.secondSocket({ spaceId, token })));
    await Promise.all(open.map((client) => client.welcome()));
    const surplus = await world.secondSocket({ spaceId, token });
    await surplus.error('tooManyConnections');
    assert.equal((await surplus.ended()).code, 4409);
    assert.ok(open.every(({ isOpen }) => isOpen));
    await world.second(spaceId, { userId: 'bob' });
    await world.second(world.newSpace(), { userId: 'ada' });
    await open[0].close();
    await world.second(spaceId, { userId: 'ada' });
  });

  test('429 without a socket, where a hundred were turned away and have not answered their close', async () => {
    const spaceId = world.newSpace();
    const token = await world.token(spaceId, { userId: 'ada' });
    const open = await Promise.all(Array.from({ length: 20 }, () => world.secondSocket({ spaceId, token })));
    await Promise.all(open.map((client) => client.welcome()));
    const silent = [];
    try {
      for (let i = 0; i < 120; i += 1) silent.push(await silentUpgrade(world.url, spaceId, token));
      assert.deepEqual(
        silent.map(({ status }) => status),
        [...Array(100).fill(101), ...Array(20).fill(429)],
      );
      assert.equal(JSON.parse(silent.at(-1).body).code, 'tooManyConnections');
    } finally {
      for (const { socket } of silent) socket.destroy();
    }
    // Once they have gone, a surplus connection is told why again.
    await eventually(async () => {
      const surplus = await silentUpgrade(world.url, spaceId, token);
      surplus.socket.destroy();
      return surplus.status === 101;
    }, 'places of those who left');
    await world.second(spaceId, { userId: 'bob' });
  });

  test('4413 or an error alone: a frame above 256 KiB is refused before it is parsed', async () => {
    const client = await world.second(world.newSpace(), { userId: 'ada' });
    client.sendText(`[${' '.repeat(256 * 1024)}]`);
    await client.error('tooLarge');
    client.assertGapless();
    // A client can not know where in the stream it failed, so the server may end the connection, and says so.
    if (!client.isOpen) assert.equal((await client.ended()).code, 4413);
  });

  test('a frame of exactly 256 KiB is taken', async () => {
    const client = await world.second(world.newSpace(), { userId: 'ada' });
    const frame = JSON.stringify({ type: 'message', text: 'full', clientMessageId: 'full-1' });
    client.sendText(frame + ' '.repeat(256 * 1024 - frame.length));
    assert.equal((await client.answer('full-1')).type, 'ack');
  });
});

describe('welcome', { concurrency: true }, () => {
  test('is the first frame and tells epoch, seq, connection, limits and time', async () => {
    const spaceId = world.newSpace();
    const ada = await world.second(spaceId, { userId: 'ada' });
    await ada.deliver({ text: 'x' });
    const client = await world.second(spaceId, { userId: 'bob' });
    const welcome = client.frames[0];
    assert.equal(welcome.type, 'welcome');
    assert.match(welcome.epoch, /^[0-9a-f]{32}$/);
    assert.ok(Number.isInteger(welcome.seq) && welcome.seq >= 1);
    assert.equal(typeof welcome.connectionId, 'string');
    assert.notEqual(welcome.connectionId, (await ada.welcome()).connectionId);
    assert.equal('recovered' in welcome, false, 'without a cursor nothing is recovered');
    assert.ok(Math.abs(welcome.serverTime - Date.now()) < 60_000);
    const numbers = Object.values(welcome.limits);
    assert.ok(numbers.length > 0 && numbers.every(Number.isInteger));
    for (const limit of [16_384, 2_048, 255, 128, 200, 4_096, 20, 262_144, 1_000, 5_000])
      assert.ok(numbers.includes(limit), String(limit));
  });

  test('an empty space has no events, and its first one tells the epoch to those who wait', async () => {
    const spaceId = world.newSpace();
    const client = await world.second(spaceId);
    assert.equal((await client.welcome()).seq, 0);
    await world.call('POST', '/messages', {
      spaceId,
      body: { senderId: 'ada', senderType: 'user', text: 'first' },
    });
    await client.message('first');
    const head = client.frames.findIndex(({ type }) => type === 'head');
    const event = client.frames.findIndex(({ seq, type }) => seq === 1 && type !== 'ack');
    assert.ok(head !== -1 && head < event, 'head comes before the first event');
    assert.match(client.frames[head].epoch, /^[0-9a-f]{32}$/);
    const { epoch } = await (await world.second(spaceId)).welcome();
    assert.equal(client.frames[head].epoch, epoch);
    client.assertGapless();
  });

  test('a cursor is followed: exactly the events after it', async () => {
    const spaceId = world.newSpace();
    const ada = await world.second(spaceId, { userId: 'ada' });
    for (let i = 0; i < 5; i += 1) await ada.deliver({ text: `m${i}` });
    const seen = await ada.message('m1');
    const { epoch } = (await world.second(spaceId)).frames[0];
    const back = await world.second(spaceId, { userId: 'bob' }, { epoch, since: String(seen.seq) });
    assert.equal((await back.welcome()).recovered, true);
    await back.message('m4');
    assert.deepEqual(back.texts, ['m2', 'm3', 'm4']);
    back.assertGapless(seen.seq);
  });

  test('a cursor of another life, or beyond the head, is not followed', async () => {
    const spaceId = world.newSpace();
    const ada = await world.second(spaceId, { userId: 'ada' });
    await ada.deliver({ text: 'x' });
    const { epoch } = (await world.second(spaceId)).frames[0];
    for (const query of [
      { epoch: '0'.repeat(32), since: '1' },
      { epoch, since: '99' },
    ]) {
      const back = await world.second(spaceId, {}, query);
      assert.equal((await back.welcome()).recovered, false);
      await back.fence();
      assert.deepEqual(back.texts, []);
    }
  });
});

describe('renewal in place', { concurrency: true }, () => {
  test('a fresh token of the same user takes the place of the old one', async () => {
    const spaceId = world.newSpace();
    const client = await world.second(spaceId, { userId: 'ada' });
    const system = { text: 'noon', senderType: 'system' };
    assert.equal((await client.deliver(system)).code, 'capRequired');
    client.send({ type: 'auth', token: await world.token(spaceId, { userId: 'ada', caps: ['system'] }) });
    assert.equal((await client.deliver(system)).type, 'ack');
    assert.equal(client.ofType('welcome').length, 1, 'the connection is the same');
  });

  test('a token that is refused leaves the accepted connection as it was', async () => {
    const spaceId = world.newSpace();
    const client = await world.second(spaceId, { userId: 'ada' });
    for (const [token, code] of [
      [world.expiredToken(spaceId), 'tokenExpired'],
      ['nonsense', 'tokenInvalid'],
      [await world.token(world.newSpace(), { userId: 'ada' }), 'spaceMismatch'],
      [await world.token(spaceId, { userId: 'bob' }), 'senderMismatch'],
    ]) {
      const from = client.frames.length;
      client.send({ type: 'auth', token });
      const frame = await client.wait(({ type }) => type === 'error', code, { from });
      assert.equal(frame.code, code);
    }
    assert.equal((await client.deliver({ text: 'still ada' })).type, 'ack');
    assert.equal((await client.message('still ada')).message.senderId, 'ada');
  });

  test('an accepted socket outlives its token', async () => {
    const spaceId = world.newSpace();
    const token = await world.token(spaceId, { userId: 'ada', expiryMs: 1_500 });
    const client = await world.secondSocket({ spaceId, token });
    await client.welcome();
    await eventually(
      async () => (await world.call('GET', '/messages', { spaceId, token })).status === 401,
      'the token to expire',
    );
    assert.equal((await client.deliver({ text: 'still here' })).type, 'ack');
    const late = await world.secondSocket({ spaceId, token });
    assert.equal((await late.ended()).code, 4401);
  });
});

test('nothing in an upgrade’s headers or query makes a caller somebody else', async () => {
  const spaceId = world.newSpace();
  const query = {
    principal: '{"sub":"ada"}',
    sub: 'ada',
    userId: 'ada',
    gateway: 'true',
    clientScope: randomUUID(),
  };
  const client = await world.second(spaceId, {}, query);
  const answer = await client.deliver({ text: 'x' });
  assert.equal(answer.code, 'missingField', 'this token names nobody');
});
