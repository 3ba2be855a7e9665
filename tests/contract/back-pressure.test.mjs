/**
 * Back-pressure: what becomes of a reader that is slower than what it is sent.
 *
 * A socket's buffer cannot be seen from inside a Worker, so all of this rests on marks that clients echo. A reader that
 * is behind is sent windows of the log and misses nothing; 4508 is for who echoes nothing at all, and means "connect
 * again".
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { World } from './lib/world.mjs';

const TEXT_BYTES = 16 * 1024;
const MARK_EVERY_BYTES = 256 * 1024;
const UNCONFIRMED_BYTES_MAX = 1024 * 1024;
const MARK_OWED_MS_MAX = 30_000;
const FIRST_VERSION_BYTES_BURST = 32 * 1024 * 1024;
const SLOW_CONSUMER = 4508;

let world;
before(async () => {
  world = await World.start();
});
after(() => world.stop());

/** A reader that does not read yet, and a writer that does. */
async function room() {
  const spaceId = world.newSpace();
  const reader = await world.second(spaceId, { userId: 'reader' });
  const writer = await world.second(spaceId, { userId: 'writer' });
  await writer.deliver({ text: 'first' });
  await reader.message('first');
  reader.isReading = false;
  return { spaceId, reader, writer };
}

/** Writes long messages of `bytes` in all; gives the last event's seq. */
async function write(writer, bytes) {
  let last;
  for (let sum = 0; sum < bytes; sum += TEXT_BYTES) {
    const { type, seq } = await writer.deliver({ text: 'x'.repeat(TEXT_BYTES) });
    assert.equal(type, 'ack');
    last = seq;
  }
  return last;
}

/** Lets the space run for `ms`: a pause counts as one second at most, however long it is. */
async function run(spaceId, ms, clients) {
  const { aheadMs } = await world.look(spaceId);
  for (let passed = 1_000; passed <= ms; passed += 1_000) {
    await world.putAhead(spaceId, aheadMs + passed);
    for (const client of clients) {
      const from = client.frames.length;
      client.send({ type: 'unknown' });
      if (client.isOpen) await client.wait(({ type }) => type === 'error', 'an answer', { from });
    }
  }
}

const received = (client) => JSON.stringify(client.ofType('message')).length;

describe('back-pressure', () => {
  test('a reader that confirms nothing is sent a mebibyte, and all the rest once it reads', async () => {
    const { spaceId, reader, writer } = await room();
    const head = await write(writer, 4 * UNCONFIRMED_BYTES_MAX);
    // Asked for by HTTP: the socket is full.
    const { body } = await world.call('GET', '/messages?limit=1&v=2', { spaceId });
    assert.equal(body.seq, head);
    const bytes = received(reader);
    assert.ok(
      bytes >= UNCONFIRMED_BYTES_MAX - 2 * TEXT_BYTES && bytes < UNCONFIRMED_BYTES_MAX + 4 * TEXT_BYTES,
      `${bytes} bytes`,
    );
    assert.ok(reader.marks.length >= 3 && new Set(reader.marks).size === reader.marks.length);
    reader.read();
    await reader.wait(({ seq }) => seq === head, 'the last event');
    await writer.deliver({ text: 'live' });
    await reader.message('live');
    reader.assertGapless();
    assert.deepEqual(reader.ofType('error'), []);
  });

  test('a burst of one input after the other closes nobody', async () => {
    const { reader, writer } = await room();
    for (let i = 0; i < 400; i += 1)
      writer.send({ type: 'message', text: `${i} ${'x'.repeat(16_000)}`, clientMessageId: `b${i}` });
    await writer.answer('b399');
    reader.read();
    // The sender's last ack may carry the message, ahead of the event.
    for (const client of [reader, writer])
      await client.wait(
        ({ type, message }) => type === 'message' && message.text.startsWith('399 '),
        'the last message',
      );
    reader.assertGapless();
    assert.equal(reader.ofType('message').length, 401);
    assert.equal(writer.ofType('message').length, 401, 'the sender is a reader as well');
    for (const client of [reader, writer]) assert.ok(client.isOpen);
  });

  test('a mark of nobody, and one of somebody else, confirm nothing', async () => {
    const { spaceId, reader, writer } = await room();
    const other = await world.second(spaceId, { userId: 'other' });
    await write(writer, 2 * UNCONFIRMED_BYTES_MAX);
    await writer.fence();
    const bytes = received(reader);
    for (const mark of [...other.marks, '0'.repeat(16), 'x'])
      reader.send({ type: 'seen', mark, seq: Number.MAX_SAFE_INTEGER });
    reader.send({ type: 'seen', mark: '', seq: 1 });
    const { field } = await reader.wait(({ type }) => type === 'error', 'an error');
    assert.equal(field, 'mark');
    assert.equal(received(reader), bytes, 'no lie brings more');
    reader.read();
    await writer.deliver({ text: 'marker' });
    await reader.message('marker');
    reader.assertGapless();
  });

  test('who owes the echo of a mark for 30 s in which the space ran is closed, and resumes', async () => {
    const { spaceId, reader, writer } = await room();
    await write(writer, MARK_EVERY_BYTES + 2 * TEXT_BYTES);
    await run(spaceId, MARK_OWED_MS_MAX - 3_000, [writer]);
    assert.ok(reader.isOpen);
    await run(spaceId, 6_000, [writer]);
    assert.equal((await reader.ended()).code, SLOW_CONSUMER);
    const error = reader.frames.at(-1);
    assert.deepEqual([error.type, error.code], ['error', 'slowConsumer']);
    assert.ok(writer.isOpen, 'who echoes is not closed');
    const back = await world.second(spaceId, { userId: 'reader' }, reader.cursor);
    assert.equal((await back.welcome()).recovered, true);
    await writer.deliver({ text: 'after' });
    await back.message('after');
    back.assertGapless(Number(reader.cursor.since));
  });

  test('a night without events closes nobody', async () => {
    const { spaceId, reader, writer } = await room();
    await write(writer, MARK_EVERY_BYTES + 2 * TEXT_BYTES);
    for (const client of [reader, writer]) client.sendText('{"type":"ping"}');
    await writer.wait(({ type }) => type === 'pong', 'pong');
    await world.putAhead(spaceId, 60_000);
    await writer.deliver({ text: 'morning' });
    await reader.message('morning');
    assert.ok(reader.isOpen);
  });

  test('a space that lost its memory says where it stands, and serves a reader that was behind', async () => {
    const { spaceId, reader, writer } = await room();
    await write(writer, 2 * UNCONFIRMED_BYTES_MAX);
    await writer.fence();
    const { since } = reader.cursor;
    await world.loseMemory(spaceId);
    await writer.deliver({ text: 'woken' });
    await reader.wait(({ type }) => type === 'head', 'head');
    const from = reader.frames.length;
    reader.send({ type: 'sync', since: Number(since) });
    reader.read();
    // The newest message may arrive live before the answer to `sync`, which ends with another head.
    await reader.wait(({ type }) => type === 'head', 'the end of the answer', { from });
    await reader.wait((frame) => frame.message?.text === 'woken', 'the newest message', { from });
    const events = reader.frames.filter(({ type, seq }) => type === 'message' && seq > Number(since));
    const places = [...new Set(events.map(({ seq }) => seq))].sort((a, b) => a - b);
    assert.deepEqual(
      places,
      Array.from(places, (_, i) => Number(since) + 1 + i),
    );
  });

  test('the first version, which cannot confirm, is sent everything', async () => {
    const { spaceId, writer } = await room();
    const old = await world.first(spaceId);
    await old.sendMessage({ senderId: 'old', senderType: 'user', text: 'here' });
    await old.message('here');
    await write(writer, 4 * UNCONFIRMED_BYTES_MAX);
    await writer.deliver({ text: 'marker' });
    await old.message('marker');
    assert.ok(old.isConnected());
    assert.equal(old.messages.length, 2 + (4 * UNCONFIRMED_BYTES_MAX) / TEXT_BYTES);
  });

  test('a reader of the first version that was sent more than its budget is closed', async () => {
    const { spaceId } = await room();
    const old = await world.first(spaceId);
    await old.sendMessage({ senderId: 'old', senderType: 'user', text: 'here' });
    await old.message('here');
    const writers = await Promise.all(
      [1, 2, 3, 4, 5].map((n) => world.second(spaceId, { userId: `writer ${n}` })),
    );
    // JSON takes six characters for each of these: the budget, which refills by a mebibyte a second, is soon spent.
    const text = '\u0001'.repeat(TEXT_BYTES);
    let bytes = 0;
    // Each may store 1,200 at once.
    for (let turn = 0; turn < 1_100 && old.isConnected(); turn += 10) {
      const deliveries = writers.flatMap((one) => Array.from({ length: 10 }, () => one.deliver({ text })));
      for (const { type } of await Promise.all(deliveries)) assert.equal(type, 'ack');
      bytes += deliveries.length * JSON.stringify(text).length;
    }
    assert.equal((await old.socket.ended()).code, SLOW_CONSUMER);
    assert.ok(bytes > FIRST_VERSION_BYTES_BURST, `${bytes} bytes`);
    for (const one of writers) one.assertGapless();
  });
});
