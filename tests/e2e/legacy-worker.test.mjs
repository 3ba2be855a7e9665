/**
 * The stand-in for a worker of the TypeScript SDK: it must be as wrong as what it stands for.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { generateToken } from '../../pkg-template/tokens.js';
import { RecordedSocket } from '../contract/lib/socket.mjs';
import { startLegacyWorker } from './lib/legacy-worker.mjs';
import { until } from './lib/waiting.mjs';

test('the_stand_in_answers_as_the_workers_of_the_sdk_do', async (context) => {
  const gatewayKey = 'a key of the stand-in';
  const legacy = await startLegacyWorker({ gatewayKey });
  context.after(() => legacy.close());
  const space = 'measured';
  const good = {
    Authorization: `Bearer ${gatewayKey}`,
    'x-space-id': space,
    'x-space-token': await generateToken(space, { gatewayKey, userId: 'ada' }),
  };
  const ask = async (path, { headers = good, ...init } = {}) => {
    const response = await fetch(`${legacy.url}${path}`, { headers, ...init });
    assert.equal(response.headers.get('access-control-allow-origin'), '*');
    const text = await response.text();
    return [response.status, text && JSON.parse(text)];
  };
  const noKey = [401, { error: 'Invalid or missing gateway key' }];
  assert.deepEqual(await ask('/health', { headers: {} }), noKey);
  assert.deepEqual(await ask('/nowhere', { headers: {} }), noKey);
  assert.deepEqual(await ask('/messages', { headers: {}, method: 'OPTIONS' }), [200, '']);
  const { Authorization } = good;
  for (const [headers, answer] of [
    [{ Authorization }, [400, { error: 'x-space-id required' }]],
    [{ Authorization, 'x-space-id': space }, [401, { error: 'Missing x-space-token' }]],
    [{ ...good, 'x-space-token': 'a.b' }, [401, { error: 'Invalid token format' }]],
    [{ ...good, 'x-space-id': 'other' }, [401, { error: 'Token space mismatch' }]],
    [{ ...good, 'x-space-token': `${space}.r.1.s` }, [401, { error: 'Token expired' }]],
    [{ ...good, 'x-space-token': `${good['x-space-token']}x` }, [401, { error: 'Invalid token signature' }]],
  ]) {
    assert.deepEqual(await ask('/messages', { headers }), answer);
  }
  assert.deepEqual(await ask('/health'), [404, { error: 'Invalid endpoint' }]);
  assert.deepEqual(await ask('/messages', { method: 'PUT' }), [405, { error: 'Method not allowed' }]);
  assert.deepEqual(await ask('/messages', { method: 'POST', body: '{}' }), [
    400,
    { error: 'Missing required fields' },
  ]);
  legacy.now = () => 1_000;
  const stored = [];
  for (const text of ['a', 'b', 'c']) {
    const body = JSON.stringify({ senderId: 'ada', senderType: 'user', text });
    const [status, answer] = await ask('/messages', { method: 'POST', body });
    assert.equal(status, 201);
    stored.push(answer.message);
  }
  const fields = ['attachments', 'createdAt', 'id', 'senderId', 'senderType', 'text', 'updatedAt'];
  assert.deepEqual(Object.keys(stored[0]).sort(), fields);
  assert.equal(stored[0].attachments, null);
  assert.deepEqual(await ask('/messages'), [200, { success: true, messages: stored.toReversed() }]);
  assert.deepEqual((await ask('/messages?limit=2'))[1].messages, [stored[2], stored[1]]);
  // What it gets wrong: the row that did not fit is skipped, and odd limits are not refused.
  assert.deepEqual((await ask('/messages?limit=2&before=1000'))[1].messages, []);
  assert.equal((await ask('/messages?limit=abc'))[0], 500);
  assert.equal((await ask('/messages?limit=-1'))[1].messages.length, 3);
});

test('its_sockets_speak_the_first_version_alone_and_only_where_they_open', async (context) => {
  const gatewayKey = 'a key of the stand-in';
  const legacy = await startLegacyWorker({ gatewayKey });
  context.after(() => legacy.close());
  const url = `${legacy.url.replace('http', 'ws')}/?spaceId=measured`;
  const spaceToken = await generateToken('measured', { gatewayKey });
  const refused = new RecordedSocket(url);
  await assert.rejects(refused.opened, /401/);
  legacy.opensSockets = true;
  await assert.rejects(new RecordedSocket(url, ['spaces.v2']).opened, /subprotocol/);
  const [ada, bob] = [new RecordedSocket(url), new RecordedSocket(url)];
  for (const socket of [ada, bob]) {
    await socket.opened;
    socket.send({ type: 'auth', spaceToken, gatewayKey });
  }
  // Nothing answers `auth`.
  await until(() => legacy.socketCount('measured') === 2, 'both are accepted');
  const fields = { senderId: 'ada', senderType: 'user', text: 'hello' };
  ada.send({ type: 'message', ...fields });
  for (const socket of [ada, bob]) {
    const { message } = await socket.wait(({ type }) => type === 'message');
    assert.deepEqual([message.text, message.attachments], ['hello', null], 'the sender hears of it as well');
  }
  assert.deepEqual(
    legacy.messages('measured').map(({ text }) => text),
    ['hello'],
  );
  bob.send({ type: 'typing', userId: 'bob', isTyping: true });
  const typing = await ada.wait(({ type }) => type === 'typing');
  assert.deepEqual(typing, { type: 'typing', userId: 'bob', isTyping: true });
  const wrong = new RecordedSocket(url);
  await wrong.opened;
  wrong.send({ type: 'auth', spaceToken, gatewayKey: 'another' });
  assert.equal((await wrong.ended()).code, 1008);
});
