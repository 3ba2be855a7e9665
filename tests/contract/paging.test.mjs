/**
 * History, page by page.
 *
 * Owns the joints between pages, above all where `createdAt` repeats.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { World } from './lib/world.mjs';

describe('paging', { concurrency: true }, () => {
  let world;
  before(async () => {
    world = await World.start();
  });
  after(() => world.stop());

  /** Fills a fresh space with `count` messages, in bursts so that `createdAt` repeats. */
  async function filled(count) {
    const spaceId = world.newSpace();
    const client = await world.second(spaceId);
    for (let at = 0; at < count; at += 20) {
      client.send(
        Array.from({ length: Math.min(20, count - at) }, (_, i) => ({
          type: 'message',
          senderId: 'ada',
          senderType: 'user',
          text: `m${at + i}`,
          clientMessageId: `burst-${at + i}`,
        })),
      );
      await client.answer(`burst-${Math.min(at + 20, count) - 1}`);
    }
    return { spaceId, client };
  }

  async function pages(spaceId, limit) {
    const call = await world.caller(spaceId);
    const all = [];
    let before;
    for (let round = 0; round < 500; round += 1) {
      const query = before === undefined ? '' : `&before=${before}`;
      const { status, body } = await call('GET', `/messages?limit=${limit}${query}`);
      assert.equal(status, 200);
      if (body.messages.length === 0) return all;
      all.push(body.messages);
      before = body.messages.at(-1).createdAt;
    }
    throw new Error('the pages do not end');
  }

  test('a page is bounded in bytes, and its cursor leads on', async () => {
    const spaceId = world.newSpace();
    const client = await world.second(spaceId, { userId: 'ada' });
    const attachment = (i) => ({
      id: `a${i}`,
      url: `https://files.example/${'x'.repeat(2_000)}`,
      filename: 'f.png',
      contentType: 'image/png',
      size: 1,
    });
    const attachments = Array.from({ length: 20 }, (_, i) => attachment(i));
    const count = 30;
    for (let i = 0; i < count; i += 1)
      await client.deliver({ text: `${i} ${'\u0001'.repeat(16_000)}`, attachments });
    const call = await world.caller(spaceId);
    const texts = [];
    const sizes = [];
    let cursor = '';
    do {
      const { status, body, text } = await call('GET', `/messages?v=2&limit=200${cursor}`);
      assert.equal(status, 200);
      assert.ok(body.messages.length > 0);
      texts.push(...body.messages.map((message) => message.text.split(' ')[0]));
      sizes.push(text.length);
      cursor = body.cursor === undefined ? undefined : `&cursor=${body.cursor}`;
    } while (cursor !== undefined);
    assert.deepEqual(
      texts,
      Array.from({ length: count }, (_, i) => String(count - 1 - i)),
    );
    assert.ok(sizes.length > 5 && Math.max(...sizes) < 600 * 1024, `${sizes}`);
    for (const wrong of ['0', '-1', 'x']) {
      const { status, body } = await call('GET', `/messages?v=2&cursor=${wrong}`);
      assert.deepEqual([status, body.field], [400, 'cursor']);
    }
    const first = await call('GET', '/messages?limit=200');
    assert.equal('cursor' in first.body, false, 'the first version pages by time');
    assert.ok(first.text.length < 5 * 1024 * 1024, `${first.text.length} bytes`);
  });

  test('before_with_equal_timestamps_skips_no_rows', async () => {
    const { spaceId } = await filled(60);
    const found = await pages(spaceId, 5);
    const messages = found.flat();
    const times = new Set(messages.map(({ createdAt }) => createdAt));
    assert.ok(times.size < 60, 'the burst must repeat a createdAt, or this proves nothing');
    assert.deepEqual(
      messages.map(({ text }) => text),
      Array.from({ length: 60 }, (_, i) => `m${59 - i}`),
    );
    for (const page of found) assert.ok(page.length >= 5 || page === found.at(-1));
  });

  test('createdAt never decreases in the order of the log', async () => {
    const { client } = await filled(40);
    const times = client.ofType('message').map(({ message }) => message.createdAt);
    for (let i = 1; i < times.length; i += 1) assert.ok(times[i] >= times[i - 1]);
  });

  test('pages of every size reach every message once', async () => {
    const { spaceId } = await filled(37);
    for (const limit of [1, 2, 7, 36, 37, 38, 200, 1_000]) {
      const texts = (await pages(spaceId, limit)).flat().map(({ text }) => text);
      assert.deepEqual(
        texts,
        Array.from({ length: 37 }, (_, i) => `m${36 - i}`),
        `limit ${limit}`,
      );
    }
  });

  test('a page for the second version tells the head that it belongs to', async () => {
    const { spaceId, client } = await filled(3);
    const { body } = await world.call('GET', '/messages?v=2', { spaceId });
    const head = client.assertGapless();
    assert.equal(body.seq, head);
    assert.match(body.epoch, /^[0-9a-f]{32}$/);
    assert.equal(body.messages.length, 3);
  });

  test('an empty space has an empty history', async () => {
    const { status, body } = await world.call('GET', '/messages', { spaceId: world.newSpace() });
    assert.equal(status, 200);
    assert.deepEqual(body.messages, []);
  });
});
