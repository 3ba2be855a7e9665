/**
 * Who may speak as whom.
 *
 * Owns the rules of senders, roles and capabilities, each over HTTP and over a socket.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { World } from './lib/world.mjs';

describe('identity', { concurrency: true }, () => {
  let world;
  before(async () => {
    world = await World.start();
  });
  after(() => world.stop());

  /** Sends `fields` over each transport; returns for each the message, or the error's code. */
  async function bothWays(spaceId, claims, fields) {
    const body = { text: 'x', ...fields };
    const http = await world.call('POST', '/messages', { spaceId, claims, body });
    const client = await world.second(spaceId, claims);
    const from = client.frames.length;
    const answer = await client.deliver(body);
    const event = client.frames.slice(from).find(({ type }) => type === 'message');
    return [
      {
        way: 'HTTP',
        status: http.status,
        code: http.body.code,
        field: http.body.field,
        message: http.body.message,
      },
      {
        way: 'socket',
        code: answer.code,
        field: answer.field,
        message: answer.type === 'ack' ? event?.message : undefined,
      },
    ];
  }

  test('a token that names a user lends its name: senderId may be absent', async () => {
    for (const { way, message, code } of await bothWays(world.newSpace(), { userId: 'ada' }, {})) {
      assert.equal(code, undefined, way);
      assert.equal(message.senderId, 'ada', way);
      assert.equal(message.senderType, 'user', way);
    }
  });

  test('a token that names a user speaks for nobody else', async () => {
    for (const each of await bothWays(
      world.newSpace(),
      { userId: 'ada' },
      { senderId: 'bob', senderType: 'user' },
    )) {
      assert.equal(each.code, 'senderMismatch', each.way);
      if (each.way === 'HTTP') assert.equal(each.status, 403);
    }
    const answer = await world.call('POST', '/typing', {
      spaceId: world.newSpace(),
      claims: { userId: 'ada' },
      body: { userId: 'bob', isTyping: true },
    });
    assert.equal(answer.status, 403);
    assert.equal(answer.body.code, 'senderMismatch');
  });

  test('typing over a socket is bound to the token as well', async () => {
    const client = await world.second(world.newSpace(), { userId: 'ada' });
    client.send({ type: 'typing', userId: 'bob', isTyping: true });
    await client.error('senderMismatch');
    assert.equal(client.isOpen, true);
  });

  test('senderType follows the role', async () => {
    for (const [role, claimed, stored] of [
      ['agent', 'user', 'support'],
      ['support', undefined, 'support'],
      ['customer', 'support', 'user'],
      ['user', undefined, 'user'],
      [undefined, 'support', 'user'],
    ]) {
      for (const each of await bothWays(world.newSpace(), { userId: 'ada', role }, { senderType: claimed })) {
        assert.equal(each.message?.senderType, stored, `${each.way}: ${role} says ${claimed}`);
      }
    }
  });

  test('support takes a token with the role agent or the gateway key, where it names nobody', async () => {
    const spaceId = world.newSpace();
    const support = { senderId: 'desk', senderType: 'support' };
    for (const each of await bothWays(spaceId, {}, support)) {
      assert.deepEqual([each.code, each.field], ['capRequired', 'senderType'], each.way);
      if (each.way === 'HTTP') assert.equal(each.status, 403);
    }
    for (const each of await bothWays(spaceId, { role: 'agent' }, support)) {
      assert.equal(each.message?.senderType, 'support', each.way);
    }
    const { gatewayKey } = world;
    const body = { ...support, text: 'with the key' };
    assert.equal((await world.call('POST', '/messages', { spaceId, gatewayKey, body })).status, 201);
  });

  test('ids that nobody has proven can be told apart by people', async () => {
    const spaceId = world.newSpace();
    for (const senderId of [' ada', 'ada ', 'a\u200bda', 'ad\u202ea', '\ufeffada']) {
      for (const each of await bothWays(spaceId, {}, { senderId, senderType: 'user' })) {
        assert.deepEqual([each.code, each.field], ['invalidField', 'senderId'], each.way);
      }
      const typing = { spaceId, body: { userId: senderId, isTyping: true } };
      assert.equal((await world.call('POST', '/typing', typing)).body.field, 'userId');
    }
  });

  test('system takes the capability or the gateway key', async () => {
    const spaceId = world.newSpace();
    const system = { senderId: 'bot', senderType: 'system' };
    for (const claims of [{}, { userId: 'bot' }, { userId: 'bot', role: 'agent' }]) {
      for (const each of await bothWays(spaceId, claims, system)) {
        assert.equal(each.code, 'capRequired', each.way);
        if (each.way === 'HTTP') assert.equal(each.status, 403);
      }
    }
    for (const each of await bothWays(spaceId, { userId: 'bot', caps: ['system'] }, system)) {
      assert.equal(each.message?.senderType, 'system', each.way);
    }
    const { gatewayKey } = world;
    const keyed = await world.call('POST', '/messages', {
      spaceId,
      gatewayKey,
      body: { ...system, text: 'x' },
    });
    assert.equal(keyed.status, 201, keyed.text);
  });

  test('who speaks as system only is never a participant', async () => {
    const spaceId = world.newSpace();
    const { gatewayKey } = world;
    const body = { senderId: 'clock', senderType: 'system', text: 'noon' };
    assert.equal((await world.call('POST', '/messages', { spaceId, gatewayKey, body })).status, 201);
    const { body: list } = await world.call('GET', '/participants', { spaceId });
    assert.deepEqual(list.participants, []);
  });

  test('a name that a token has proven is nobody else’s', async () => {
    const spaceId = world.newSpace();
    await world.call('POST', '/messages', { spaceId, claims: { userId: 'ada' }, body: { text: 'it is me' } });
    for (const each of await bothWays(spaceId, {}, { senderId: 'ada', senderType: 'user' })) {
      assert.equal(each.code, 'senderMismatch', each.way);
    }
    for (const each of await bothWays(spaceId, {}, { senderId: 'bob', senderType: 'user' })) {
      assert.equal(each.code, undefined, each.way);
    }
  });

  test('who proves a name later keeps it from then on', async () => {
    const spaceId = world.newSpace();
    for (const { code } of await bothWays(spaceId, {}, { senderId: 'ada', senderType: 'user' })) {
      assert.equal(code, undefined);
    }
    for (const { code } of await bothWays(spaceId, { userId: 'ada' }, {})) assert.equal(code, undefined);
    for (const { code } of await bothWays(spaceId, {}, { senderId: 'ada', senderType: 'user' })) {
      assert.equal(code, 'senderMismatch');
    }
    const { body } = await world.call('GET', '/participants', { spaceId });
    assert.deepEqual(
      body.participants.map(({ userId }) => userId),
      ['ada'],
      'and stays one participant',
    );
  });

  test('a message tells whether its sender was proven', async () => {
    for (const { message, way } of await bothWays(world.newSpace(), { userId: 'ada' }, {})) {
      assert.notEqual(message.verified, false, way);
    }
    const anybody = { senderId: 'bob', senderType: 'user' };
    for (const { message, way } of await bothWays(world.newSpace(), {}, anybody)) {
      assert.equal(message.verified, false, way);
    }
  });

  test('nobody takes the name under which the house has spoken with the gateway key', async () => {
    const spaceId = world.newSpace();
    const send = (senderId, senderType, headers) =>
      world.call('POST', '/messages', { spaceId, headers, body: { senderId, senderType, text: 'hi' } });
    const key = { Authorization: `Bearer ${world.gatewayKey}` };
    const { body } = await send('desk', 'support', key);
    assert.equal(body.message.verified, true);
    assert.equal((await send('desk', 'user')).body.code, 'senderMismatch');
    assert.equal((await send('bot', 'system', key)).body.message.verified, true);
    // Pages of the TypeScript SDK hold the key as well.
    assert.equal((await send('bob', 'user', key)).body.message.verified, false);
    assert.equal((await send('bob', 'user')).status, 201);
  });

  test('a connection whose token names a user makes a participant, with the role of the token', async () => {
    const spaceId = world.newSpace();
    await world.second(spaceId, { userId: 'sue', role: 'agent' });
    await world.second(spaceId, { userId: 'ada' });
    await world.second(spaceId);
    const { body } = await world.call('GET', '/participants', { spaceId });
    assert.deepEqual(
      body.participants.map(({ userId, role }) => [userId, role]),
      [
        ['sue', 'agent'],
        ['ada', 'customer'],
      ],
    );
  });

  test('without a name in the token, senderId and senderType are required', async () => {
    const spaceId = world.newSpace();
    for (const [fields, field] of [
      [{ senderType: 'user' }, 'senderId'],
      [{ senderId: 'ada' }, 'senderType'],
    ]) {
      for (const each of await bothWays(spaceId, {}, fields)) assert.equal(each.code, 'missingField', field);
    }
  });
});

describe('REQUIRE_IDENTITY=1', { concurrency: true }, () => {
  let world;
  before(async () => {
    world = await World.start({ vars: { REQUIRE_IDENTITY: '1' } });
  });
  after(() => world.stop());

  test('refuses a token that names nobody, over HTTP', async () => {
    const spaceId = world.newSpace();
    const body = { senderId: 'ada', senderType: 'user', text: 'x' };
    for (const [method, path] of [
      ['POST', '/messages'],
      ['GET', '/messages'],
      ['GET', '/participants'],
    ]) {
      const answer = await world.call(method, path, { spaceId, body: method === 'POST' ? body : undefined });
      assert.equal(answer.status, 403, path);
      assert.equal(answer.body.code, 'identityRequired');
      assert.equal(answer.headers.get('access-control-allow-origin'), '*');
    }
  });

  test('refuses a token that names nobody, over a socket, with 4405 after an error frame', async () => {
    const spaceId = world.newSpace();
    const client = await world.secondSocket({ spaceId, token: await world.token(spaceId) });
    await client.error('identityRequired');
    assert.equal((await client.ended()).code, 4405);
  });

  test('lets in whoever is named', async () => {
    const spaceId = world.newSpace();
    const client = await world.second(spaceId, { userId: 'ada' });
    assert.equal((await client.deliver({ text: 'x' })).type, 'ack');
    const answer = await world.call('GET', '/messages', { spaceId, claims: { userId: 'ada' } });
    assert.equal(answer.status, 200);
  });
});
