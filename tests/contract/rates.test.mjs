/**
 * Rate limits, with small buckets.
 *
 * Owns what a refusal says and when it ends. Times are not measured, only waited out.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { World } from './lib/world.mjs';

describe('rates', { concurrency: true }, () => {
  let world;
  before(async () => {
    world = await World.start({ vars: { SEND_BURST: '5', SEND_PER_SECOND: '1' } });
  });
  after(() => world.stop());

  test('POST above the limit is 429 with Retry-After, and works after it', async () => {
    const spaceId = world.newSpace();
    const call = await world.caller(spaceId, { userId: 'ada' });
    let refusal;
    for (let i = 0; i < 12 && refusal === undefined; i += 1) {
      const answer = await call('POST', '/messages', { text: `m${i}` });
      if (answer.status === 429) refusal = { ...answer, after: i };
      else assert.equal(answer.status, 201);
    }
    assert.ok(refusal, 'twelve at once are above a burst of five');
    assert.ok(refusal.after >= 5, 'the burst itself is let through');
    assert.equal(refusal.body.code, 'rateLimited');
    assert.equal(refusal.headers.get('access-control-allow-origin'), '*');
    assert.match(refusal.headers.get('access-control-expose-headers') ?? '', /retry-after/i);
    const seconds = refusal.headers.get('retry-after');
    assert.match(seconds, /^[1-9]\d*$/);
    assert.ok(Number(seconds) <= 5, `one a second is back soon, not in ${seconds} s`);
    await sleep(Number(seconds) * 1_000 + 50);
    assert.equal((await call('POST', '/messages', { text: 'later' })).status, 201);
  });

  test('a batch above the limit: each entry has its own answer', async () => {
    const client = await world.second(world.newSpace(), { userId: 'ada' });
    const ids = Array.from({ length: 8 }, (_, i) => `rate-${i}`);
    client.send(ids.map((clientMessageId) => ({ type: 'message', text: clientMessageId, clientMessageId })));
    const answers = [];
    for (const id of ids) answers.push(await client.answer(id));
    assert.deepEqual(
      answers.slice(0, 5).map(({ type }) => type),
      Array(5).fill('ack'),
    );
    const refused = answers.filter(({ type }) => type === 'error');
    assert.ok(refused.length >= 2, 'eight at once are above a burst of five');
    for (const { code, retryAfterMs } of refused) {
      assert.equal(code, 'rateLimited');
      assert.ok(
        Number.isInteger(retryAfterMs) && retryAfterMs > 0 && retryAfterMs <= 8_000,
        String(retryAfterMs),
      );
    }
    const last = refused.at(-1);
    await sleep(last.retryAfterMs + 50);
    assert.equal(
      (await client.deliver({ text: last.ref }, last.ref)).type,
      'ack',
      'and no message is failed for it',
    );
    client.assertGapless();
  });

  test('edits and deletions count as messages do', async () => {
    const spaceId = world.newSpace();
    const ada = await world.second(spaceId, { userId: 'ada' });
    await ada.deliver({ text: 'first' });
    const { message } = await ada.message('first');
    const batch = Array.from({ length: 8 }, (_, i) => ({
      type: 'edit',
      messageId: message.id,
      text: `t${i}`,
      clientMessageId: `edit-${i}`,
    }));
    ada.send(batch);
    const last = await ada.answer('edit-7');
    assert.equal(last.code, 'rateLimited');
    assert.ok(last.retryAfterMs > 0);
    const call = await world.caller(spaceId, { userId: 'ada' });
    const deleted = await call('DELETE', `/messages/${message.id}`);
    assert.deepEqual([deleted.status, deleted.body.code], [429, 'rateLimited']);
    assert.match(deleted.headers.get('retry-after'), /^[1-9]\d*$/);
    await sleep(last.retryAfterMs + 50);
    assert.equal((await ada.edit(message.id, 't7', 'edit-7')).type, 'ack', 'no change is failed for it');
  });

  test('the limit is the user’s, over all connections and HTTP, and nobody else’s', async () => {
    const spaceId = world.newSpace();
    const [one, two] = await Promise.all([
      world.second(spaceId, { userId: 'ada' }),
      world.second(spaceId, { userId: 'ada' }),
    ]);
    for (let i = 0; i < 5; i += 1) await (i % 2 ? one : two).deliver({ text: `m${i}` });
    const batch = Array.from({ length: 3 }, (_, i) => ({
      type: 'message',
      text: 'x',
      clientMessageId: `over-${i}`,
    }));
    one.send(batch);
    assert.equal((await one.answer('over-2')).code, 'rateLimited');
    const bob = await world.second(spaceId, { userId: 'bob' });
    assert.equal((await bob.deliver({ text: 'me' })).type, 'ack');
  });
});
