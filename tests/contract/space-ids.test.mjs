/**
 * Space ids that are not plain words, by HTTP and both versions of the socket.
 *
 * Owns how ids travel: percent-encoded once in a query, `utf8.<base64url>` in a header where they are not ASCII.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { World } from './lib/world.mjs';

const IDS = [
  '房间',
  'é',
  '%41',
  'a room',
  'v1.2.room',
  '..',
  'a/b?c#d&e=f',
  '+',
  'utf8.x',
  "'; --",
  '🙂',
  'x'.repeat(200),
];

describe('space ids', { concurrency: true }, () => {
  let world;
  before(async () => {
    world = await World.start();
  });
  after(() => world.stop());

  for (const spaceId of IDS) {
    test(`a_space_id_with_a_dot_or_not_in_ascii_can_be_used: ${spaceId.slice(0, 20)}`, async () => {
      const old = await world.first(spaceId);
      const modern = await world.second(spaceId, { userId: 'mod' });
      await old.sendMessage({ senderId: 'ada', senderType: 'user', text: 'by the first' });
      await modern.message('by the first');
      await modern.deliver({ text: 'by the second' });
      await old.message('by the second');
      const posted = await world.call('POST', '/messages', {
        spaceId,
        body: { senderId: 'post', senderType: 'user', text: 'by HTTP' },
      });
      assert.equal(posted.status, 201, posted.text);
      await Promise.all([old.message('by HTTP'), modern.message('by HTTP')]);
      const { body } = await world.call('GET', '/messages', { spaceId });
      assert.deepEqual(
        body.messages.map(({ text }) => text),
        ['by HTTP', 'by the second', 'by the first'],
      );
    });
  }

  test('ids that look alike are different spaces', async () => {
    const alike = ['-A', '-%41', '-%2541', '-a', '-A ', '-Ａ', '-e\u0301', '-é'];
    for (const spaceId of alike) {
      await world.call('POST', '/messages', {
        spaceId,
        body: { senderId: 'x', senderType: 'user', text: `in ${spaceId}` },
      });
    }
    for (const spaceId of alike) {
      const { body } = await world.call('GET', '/messages', { spaceId });
      const texts = body.messages.map(({ text }) => text);
      assert.deepEqual(texts, [`in ${spaceId}`]);
    }
  });
});
