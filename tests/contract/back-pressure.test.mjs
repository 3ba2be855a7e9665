/**
 * Back-pressure: what becomes of a reader that does not say how far it has read.
 *
 * Owns the close with 4508 and that it means nothing but "connect again". A socket's buffer can not be seen from
 * inside a Worker, so that all of this rests on what clients report.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { World } from './lib/world.mjs';

const TEXT_BYTES = 16 * 1024;
const SEEN_EVERY_BYTES = 256 * 1024;
const BACKLOG_BYTES_MAX = 2 * 1024 * 1024;
const BACKLOG_MS_MAX = 30_000;
const REPLAY_BYTES_MAX = 512 * 1024;
const SLOW_CONSUMER = 4508;

let world;
before(async () => {
  world = await World.start();
});
after(() => world.stop());

/** A reader, and a writer that reports as a client should. */
async function room() {
  const spaceId = world.newSpace();
  const reader = await world.second(spaceId, { userId: 'reader' });
  const writer = await world.second(spaceId, { userId: 'writer' });
  await writer.deliver({ text: 'first' });
  await reader.message('first');
  return { spaceId, reader, writer };
}

/** Writes long messages of `bytes` in all, and calls `written` after each; gives the last event's seq. */
async function write(writer, bytes, written = () => {}) {
  let last;
  for (let sum = 0; sum < bytes; sum += TEXT_BYTES) {
    const { type, seq } = await writer.deliver({ text: 'x'.repeat(TEXT_BYTES) });
    assert.equal(type, 'ack');
    writer.send({ type: 'seen', seq });
    await written(seq);
    last = seq;
  }
  return last;
}

/** Keeps a socket from being taken for a silent one when the space's time is put ahead. */
async function ping(client) {
  const from = client.frames.length;
  client.sendText('{"type":"ping"}');
  await client.wait(({ type }) => type === 'pong', 'pong', { from });
}

describe('back-pressure', { concurrency: true }, () => {
  test('a reader with more than 2 MiB unconfirmed is closed with 4508, told by an error frame', async () => {
    const { spaceId, reader, writer } = await room();
    const cursor = reader.cursor;
    const head = await write(writer, BACKLOG_BYTES_MAX + 2 * TEXT_BYTES);
    const { code } = await reader.ended();
    assert.equal(code, SLOW_CONSUMER);
    const error = reader.frames.at(-1);
    assert.deepEqual([error.type, error.code], ['error', 'slowConsumer']);
    assert.ok(writer.isOpen, 'who reports is not closed');
    reader.assertGapless();
    // It means: connect again. What was had, counts.
    const back = await world.second(spaceId, { userId: 'reader' }, reader.cursor);
    assert.equal((await back.welcome()).recovered, true);
    const { seq } = await writer.deliver({ text: 'after' });
    assert.equal(seq, head + 1);
    await back.message('after');
    back.assertGapless(Number(reader.cursor.since));
    const early = await world.second(spaceId, { userId: 'reader' }, cursor);
    assert.equal((await early.welcome()).recovered, false, '2 MiB are more than a replay');
  });

  test('a reader below 2 MiB is not closed', async () => {
    const { reader, writer } = await room();
    await write(writer, BACKLOG_BYTES_MAX - 4 * TEXT_BYTES);
    await writer.deliver({ text: 'marker' });
    await reader.message('marker');
    assert.ok(reader.isOpen);
    assert.deepEqual(reader.ofType('error'), []);
  });

  test('who reports each 256 KiB reads for ever', async () => {
    const { reader, writer } = await room();
    let unconfirmed = 0;
    await write(writer, 2 * BACKLOG_BYTES_MAX, async (seq) => {
      unconfirmed += TEXT_BYTES;
      if (unconfirmed < SEEN_EVERY_BYTES) return;
      unconfirmed = 0;
      await reader.wait((frame) => frame.seq === seq, `event ${seq}`);
      reader.send({ type: 'seen', seq });
    });
    await writer.deliver({ text: 'marker' });
    await reader.message('marker');
    reader.assertGapless();
  });

  test('who owes a report for more than 30 s is closed, however little it is', async () => {
    const { spaceId, reader, writer } = await room();
    await write(writer, SEEN_EVERY_BYTES + 2 * TEXT_BYTES);
    for (const client of [reader, writer]) await ping(client);
    await world.putAhead(spaceId, BACKLOG_MS_MAX + 1_000);
    await writer.deliver({ text: 'anything' });
    assert.equal((await reader.ended()).code, SLOW_CONSUMER);
    assert.ok(writer.isOpen);
  });

  test('who was sent less than a report is due for owes none', async () => {
    const { spaceId, reader, writer } = await room();
    await write(writer, SEEN_EVERY_BYTES - 4 * TEXT_BYTES);
    for (const client of [reader, writer]) await ping(client);
    await world.putAhead(spaceId, 2 * BACKLOG_MS_MAX);
    await writer.deliver({ text: 'marker' });
    await reader.message('marker');
    assert.ok(reader.isOpen);
  });

  test('a report of an old or a future event is no way around it', async () => {
    const { reader, writer } = await room();
    const { seq: old } = await reader.message('first');
    await write(
      writer,
      BACKLOG_BYTES_MAX + 2 * TEXT_BYTES,
      () => reader.isOpen && reader.send({ type: 'seen', seq: old }),
    );
    assert.equal((await reader.ended()).code, SLOW_CONSUMER);
  });

  test('a replay never trips it by itself', async () => {
    const { spaceId, reader, writer } = await room();
    const cursor = reader.cursor;
    reader.kill();
    await write(writer, REPLAY_BYTES_MAX - 4 * TEXT_BYTES);
    const back = await world.second(spaceId, { userId: 'reader' }, cursor);
    assert.equal((await back.welcome()).recovered, true);
    await write(writer, SEEN_EVERY_BYTES);
    await writer.deliver({ text: 'marker' });
    await back.message('marker');
    back.assertGapless(Number(cursor.since));
  });

  test('the first version, which can not report, is never closed for it', async () => {
    const { spaceId, writer } = await room();
    const old = await world.first(spaceId);
    await old.sendMessage({ senderId: 'old', senderType: 'user', text: 'here' });
    await old.message('here');
    await write(writer, BACKLOG_BYTES_MAX + 4 * TEXT_BYTES);
    await writer.deliver({ text: 'marker' });
    await old.message('marker');
    assert.ok(old.isConnected());
  });
});
