/**
 * What a message costs, and what the Worker writes down about it.
 *
 * Owns the count of rows written and the search of the log for secrets.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { World } from './lib/world.mjs';

describe('cost', { concurrency: true }, () => {
  let world;
  before(async () => {
    world = await World.start();
  });
  after(() => world.stop());

  test('a message with a clientMessageId writes 3 rows, alone and in a batch', async () => {
    const spaceId = world.newSpace();
    const client = await world.second(spaceId, { userId: 'ada' });
    await client.deliver({ text: 'the first one makes tables and participants' });
    await world.housekept(spaceId);
    const start = await world.rowsWritten(spaceId);
    for (let i = 0; i < 10; i += 1) await client.deliver({ text: `m${i}` });
    const alone = await world.rowsWritten(spaceId);
    assert.equal(alone - start, 30);
    client.send(
      Array.from({ length: 10 }, (_, i) => ({
        type: 'message',
        text: `b${i}`,
        clientMessageId: `batch-${i}`,
      })),
    );
    await client.answer('batch-9');
    assert.equal((await world.rowsWritten(spaceId)) - alone, 30);
  });

  test('an edit and a deletion write 3 rows each', async () => {
    const spaceId = world.newSpace();
    const client = await world.second(spaceId, { userId: 'ada' });
    await client.deliver({ text: 'first' });
    const { message } = await client.message('first');
    await world.housekept(spaceId);
    const start = await world.rowsWritten(spaceId);
    for (let i = 0; i < 5; i += 1) assert.equal((await client.edit(message.id, `t${i}`)).type, 'ack');
    await client.remove(message.id);
    assert.equal((await world.rowsWritten(spaceId)) - start, 18);
  });

  test('coming and going of somebody known writes none', async () => {
    const spaceId = world.newSpace();
    const bob = await world.second(spaceId, { userId: 'bob' });
    const ada = await world.second(spaceId, { userId: 'ada' });
    await ada.close();
    await world.housekept(spaceId);
    const start = await world.rowsWritten(spaceId);
    for (let round = 0; round < 3; round += 1) {
      const again = await world.second(spaceId, { userId: 'ada' });
      bob.send({ type: 'seen', mark: 'none', seq: 1 });
      await again.close();
    }
    await bob.fence();
    assert.equal(await world.rowsWritten(spaceId), start);
  });

  test('a repeat, a refusal, typing and reading write none', async () => {
    const spaceId = world.newSpace();
    const client = await world.second(spaceId, { userId: 'ada' });
    await client.deliver({ text: 'once' }, 'same');
    await world.housekept(spaceId);
    const start = await world.rowsWritten(spaceId);
    await client.deliver({ text: 'once' }, 'same');
    await client.deliver({ text: 'other' }, 'same');
    await client.deliver({ text: 5 });
    client.send({ type: 'typing', isTyping: true });
    await client.fence();
    for (const path of ['/messages', '/participants', '/metadata'])
      await world.call('GET', path, { spaceId });
    assert.equal(await world.rowsWritten(spaceId), start);
  });

  test('reading an empty space writes nothing', async () => {
    const spaceId = world.newSpace();
    const start = await world.rowsWritten(spaceId);
    for (const path of ['/messages', '/participants', '/metadata']) {
      assert.equal((await world.call('GET', path, { spaceId })).status, 200);
    }
    assert.equal(await world.rowsWritten(spaceId), start);
  });
});

describe('logs', () => {
  test('are as short as ever when clients leave in the middle of a body', async () => {
    const world = await World.start();
    try {
      const spaceId = world.newSpace();
      const token = await world.token(spaceId, { userId: 'ada' });
      const { hostname, port } = new URL(world.url);
      const head = `POST /messages HTTP/1.1\r\nHost: x\r\nx-space-id: ${spaceId}\r\nx-space-token: ${token}\r\n`;
      const leave = async () => {
        const socket = connect(Number(port), hostname);
        await once(socket, 'connect');
        socket.write(`${head}Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"text":`);
        await sleep(10);
        socket.end();
        await Promise.race([once(socket, 'close'), sleep(500)]);
        socket.destroy();
      };
      for (let i = 0; i < 4; i += 1) await Promise.all(Array.from({ length: 10 }, leave));
      assert.equal(
        (await world.call('POST', '/messages', { spaceId, token, body: { text: 'on' } })).status,
        201,
      );
      await sleep(500);
      const all = world.logs.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));
      const lines = all.filter(({ event }) => event !== 'woke');
      assert.ok(lines.length >= 1 && lines.length <= 2, JSON.stringify(lines));
      for (const { level, event } of lines) assert.deepEqual([level, event], ['info', 'refused']);
    } finally {
      await world.stop();
    }
  });

  test('hold no token, no key, no name and no text', async () => {
    const world = await World.start({ vars: { LOG: 'debug' } });
    try {
      const spaceId = world.newSpace();
      const secrets = {
        text: 'whisper-7f3a',
        user: 'confidential-ada',
        metadata: 'hidden-value-91',
        attachment: 'private-file-55',
        clientMessageId: 'outbox-id-4242',
      };
      const token = await world.token(spaceId, { userId: secrets.user, caps: ['metadata'] });
      const client = await world.secondSocket({ spaceId, token });
      await client.welcome();
      const attachments = [
        { id: '1', url: `/${secrets.attachment}`, filename: 'f', contentType: 'a/b', size: 1 },
      ];
      await client.deliver({ text: secrets.text, attachments }, secrets.clientMessageId);
      await client.deliver({ text: `${secrets.text} again` }, secrets.clientMessageId);
      const { message } = await client.message(secrets.text);
      await client.edit(message.id, `${secrets.text} edited`);
      await client.edit('m1-0', secrets.text);
      await world.call('PATCH', `/messages/${message.id}`, { spaceId, body: { text: secrets.text } });
      await world.call('PATCH', `/messages/${secrets.text}`, {
        spaceId,
        token,
        body: { text: secrets.text },
      });
      await world.call('DELETE', `/messages/${message.id}`, { spaceId, token });
      await client.deliver({ text: { [secrets.text]: secrets.text } });
      client.sendText(`{"type":"message","text":"${secrets.text}`);
      client.send({ type: secrets.text });
      await client.fence();
      const old = await world.first(spaceId, { spaceToken: await world.token(spaceId) });
      await old.sendMessage({ senderId: 'bob', senderType: 'user', text: `${secrets.text} too` });
      await old.message(`${secrets.text} too`);
      const wrong = await world.first(spaceId, { gatewayKey: `${world.gatewayKey}-wrong` });
      await wrong.socket.ended();
      const body = { text: secrets.text };
      await world.call('POST', '/messages', { spaceId, token, body });
      await world.call('PUT', '/metadata', { spaceId, token, body: { key: secrets.metadata } });
      await world.call('POST', '/messages', { spaceId, token, body: `{"text":"${secrets.text}` });
      await world.call('GET', '/messages', { spaceId, token: `${token}x` });
      await world.call('GET', `/messages?token=${encodeURIComponent(token)}&limit=abc`, { spaceId, token });
      await world.call('GET', '/messages', { spaceId, gatewayKey: `${world.gatewayKey}-wrong` });
      await world.hook('POST', 'panic', spaceId);
      await client.deliver({ text: `${secrets.text} after` });
      await client.close();
      // Lines leave workerd through a pipe of their own.
      await sleep(500);
      const log = world.logs.join('\n');
      assert.notEqual(log, '', 'something was logged, or this proves nothing');
      assert.match(log, /"at":"[^"]*hooks\.rs:\d+","event":"panicked"/, 'a panic is logged by its place');
      assert.equal(log.includes('wanted this panic'), false, 'and not by its text, which may be anybody’s');
      const signature = token.slice(token.lastIndexOf('.') + 1);
      for (const [name, secret] of Object.entries({ ...secrets, token, signature, key: world.gatewayKey })) {
        assert.equal(log.includes(secret), false, `the log holds the ${name}`);
      }
    } finally {
      await world.stop();
    }
  });
});
