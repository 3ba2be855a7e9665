/**
 * When a token's time is over: at connect only, or strictly.
 *
 * Owns `TOKEN_EXPIRY`, and what a wrong value of a variable does. Renewal itself stands with the upgrade.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { World } from './lib/world.mjs';

const SHORT_MS = 2_500;
const RENEW_BEFORE_MS = 60_000;
const TEN_MINUTES_MS = 600_000;
const PING = '{"type":"ping"}';

describe('TOKEN_EXPIRY=strict', { concurrency: true }, () => {
  let world;
  before(async () => {
    world = await World.start({ vars: { TOKEN_EXPIRY: 'strict', PING_ANSWERS: 'runtime' } });
  });
  after(() => world.stop());

  const exp = (token) => Number(token.split('.').at(-2));

  async function connect(spaceId, expiryMs, userId = 'ada') {
    const token = await world.token(spaceId, { userId, expiryMs });
    const client = await world.secondSocket({ spaceId, token });
    await client.welcome();
    return { client, token };
  }

  const warning = (client) => client.wait(({ type }) => type === 'expiring', 'expiring');

  test('who is alone and silent is closed with 4401 when the time is over', async () => {
    const { client, token } = await connect(world.newSpace(), SHORT_MS);
    const { exp: told } = await warning(client);
    assert.equal(told, exp(token));
    const { code } = await client.ended();
    assert.equal(code, 4401);
    assert.ok(Date.now() >= exp(token) - 50, 'not before');
    assert.equal(client.frames.at(-1).code, 'tokenExpired', 'the error frame says why');
    assert.equal(client.ofType('expiring').length, 1, 'it is said once');
  });

  test('the warning comes 60 s before the end, and not sooner', async () => {
    const spaceId = world.newSpace();
    const { client, token } = await connect(spaceId, TEN_MINUTES_MS);
    await client.deliver({ text: 'early' });
    await client.fence();
    assert.deepEqual(client.ofType('expiring'), []);
    client.sendText(PING);
    await client.wait(({ type }) => type === 'pong', 'pong');
    await world.putAhead(spaceId, TEN_MINUTES_MS - RENEW_BEFORE_MS + 500);
    assert.equal((await warning(client)).exp, exp(token));
    assert.equal((await client.deliver({ text: 'still here' })).type, 'ack');
    await world.putAhead(spaceId, TEN_MINUTES_MS + 500);
    assert.equal((await client.ended()).code, 4401);
  });

  test('who renews in place stays, and is warned of the new end', async () => {
    const spaceId = world.newSpace();
    const { client, token } = await connect(spaceId, SHORT_MS);
    await warning(client);
    const fresh = await world.token(spaceId, { userId: 'ada', expiryMs: 2 * SHORT_MS });
    client.send({ type: 'auth', token: fresh });
    await sleep(Math.max(0, exp(token) - Date.now()) + 500);
    assert.equal((await client.deliver({ text: 'renewed' })).type, 'ack');
    assert.equal(client.ofType('welcome').length, 1, 'the connection is the same');
    const { code } = await client.ended();
    assert.equal(code, 4401);
    assert.deepEqual(
      client.ofType('expiring').map(({ exp: told }) => told),
      [exp(token), exp(fresh)],
    );
  });

  test('what is said after the end is not followed', async () => {
    const spaceId = world.newSpace();
    const { client: late } = await connect(spaceId, TEN_MINUTES_MS, 'late');
    const { client: other } = await connect(spaceId, 2 * TEN_MINUTES_MS, 'other');
    for (const client of [late, other]) {
      client.sendText(PING);
      await client.wait(({ type }) => type === 'pong', 'pong');
    }
    await world.putAhead(spaceId, TEN_MINUTES_MS + 1);
    late.send({ type: 'message', text: 'too late', clientMessageId: 'late' });
    assert.equal((await late.ended()).code, 4401);
    await other.deliver({ text: 'marker' });
    await other.message('marker');
    assert.deepEqual(other.texts, ['marker']);
    assert.ok(other.isOpen, 'nobody else’s token is over');
  });

  test('the end holds after the space lost its memory', async () => {
    const spaceId = world.newSpace();
    const { client } = await connect(spaceId, SHORT_MS);
    await warning(client);
    await world.loseMemory(spaceId);
    assert.equal((await client.ended()).code, 4401);
    assert.equal(client.ofType('expiring').length, 1, 'who was warned is not warned again');
  });

  test('a socket of the first version is closed as well', async () => {
    const spaceId = world.newSpace();
    const spaceToken = await world.token(spaceId, { userId: 'old', expiryMs: SHORT_MS });
    const old = await world.first(spaceId, { spaceToken });
    await old.sendMessage({ senderId: 'old', senderType: 'user', text: 'in time' });
    await old.message('in time');
    assert.equal((await old.socket.ended()).code, 4401);
    assert.deepEqual([...new Set(old.socket.frames.map(({ type }) => type))].sort(), ['error', 'message']);
  });
});

describe('TOKEN_EXPIRY=connect', () => {
  test('warns nobody, closes nobody and sets no alarm for it', async () => {
    const world = await World.start({ vars: { TOKEN_EXPIRY: 'connect', PING_ANSWERS: 'runtime' } });
    try {
      const spaceId = world.newSpace();
      const token = await world.token(spaceId, { userId: 'ada', expiryMs: SHORT_MS });
      const client = await world.secondSocket({ spaceId, token });
      await client.welcome();
      await client.deliver({ text: 'x' });
      await world.housekept(spaceId);
      assert.equal((await world.look(spaceId)).alarmAt, null);
      await sleep(SHORT_MS);
      assert.equal((await client.deliver({ text: 'still here' })).type, 'ack');
      assert.deepEqual(client.ofType('expiring'), []);
    } finally {
      await world.stop();
    }
  });
});

describe('a variable with a value that it may not have', { concurrency: true }, () => {
  for (const [name, value, expected] of [
    ['TOKEN_EXPIRY', 'never', /TOKEN_EXPIRY must be connect .* or strict/],
    ['LOG_EVENTS_KEPT', '999', /LOG_EVENTS_KEPT must be a whole number from 1000 to 1000000000/],
    [
      'RETENTION_DAYS',
      'all',
      /RETENTION_DAYS must be a whole number from 0 to 36500; 0 keeps messages for ever/,
    ],
  ]) {
    test(`is told to the owner, and shuts nobody out: ${name}`, async () => {
      const world = await World.start({ vars: { [name]: value } });
      try {
        const spaceId = world.newSpace();
        const token = await world.token(spaceId, { userId: 'ada' });
        const client = await world.secondSocket({ spaceId, token });
        await client.welcome();
        assert.equal((await client.deliver({ text: 'hello' })).type, 'ack');
        const said = world.logs.filter((line) => line.includes('misconfigured'));
        assert.equal(said.length, 1);
        assert.match(said[0], expected);
        const headers = { Authorization: `Bearer ${world.gatewayKey}` };
        const { misconfigured } = await (await fetch(`${world.url}/admin/settings`, { headers })).json();
        assert.equal(misconfigured.length, 1);
        assert.match(misconfigured[0], expected);
        assert.equal((await fetch(`${world.url}/admin/settings`)).status, 401);
      } finally {
        await world.stop();
      }
    });
  }
});
