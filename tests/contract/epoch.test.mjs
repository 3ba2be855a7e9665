/**
 * A new life of the log, at the owner's word: what an owner asks for after a restore.
 *
 * Owns who may ask, and what becomes of those who are connected and of those who come back.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { World } from './lib/world.mjs';

const PATH = '/admin/epoch';

let world;
before(async () => {
  world = await World.start();
});
after(() => world.stop());

/** As an owner's script asks: by the gateway key alone. */
function renew(spaceId, options = {}) {
  return world.call('POST', PATH, { spaceId, token: undefined, gatewayKey: world.gatewayKey, ...options });
}

describe('a new epoch', { concurrency: true }, () => {
  test('is told to everybody at once, and seq goes on', async () => {
    const spaceId = world.newSpace();
    const [ada, bob] = [await world.second(spaceId, { userId: 'ada' }), await world.second(spaceId)];
    const { seq } = await ada.deliver({ text: 'before' });
    const { epoch: old } = ada.cursor;
    const answer = await renew(spaceId);
    assert.equal(answer.status, 200, answer.text);
    assert.deepEqual(Object.keys(answer.body).sort(), ['epoch', 'seq', 'success']);
    assert.match(answer.body.epoch, /^[0-9a-f]{32}$/);
    assert.notEqual(answer.body.epoch, old);
    assert.equal(answer.body.seq, seq);
    for (const client of [ada, bob]) {
      const head = await client.wait(({ type, epoch }) => type === 'head' && epoch !== old, 'the new head');
      assert.deepEqual([head.epoch, head.seq], [answer.body.epoch, seq]);
    }
    assert.equal((await ada.deliver({ text: 'after' })).seq, seq + 1);
    await bob.message('after');
    for (const client of [ada, bob]) client.assertGapless();
    const page = await world.call('GET', '/messages?v=2', { spaceId });
    assert.deepEqual([page.body.epoch, page.body.messages.length], [answer.body.epoch, 2]);
  });

  test('voids every cursor from before, and no cursor from after', async () => {
    const spaceId = world.newSpace();
    const ada = await world.second(spaceId, { userId: 'ada' });
    await ada.deliver({ text: 'before' });
    const cursor = ada.cursor;
    const { epoch } = (await renew(spaceId)).body;
    const back = await world.second(spaceId, { userId: 'ada' }, cursor);
    const welcome = await back.welcome();
    assert.deepEqual([welcome.recovered, welcome.epoch], [false, epoch]);
    const { since } = cursor;
    await ada.deliver({ text: 'after' });
    const follower = await world.second(spaceId, { userId: 'ada' }, { epoch, since });
    assert.equal((await follower.welcome()).recovered, true);
    await follower.message('after');
    assert.deepEqual(follower.texts, ['after']);
    const again = (await renew(spaceId)).body.epoch;
    assert.notEqual(again, epoch, 'each call is a life of its own');
  });

  test('outlives the object’s memory', async () => {
    const spaceId = world.newSpace();
    const ada = await world.second(spaceId, { userId: 'ada' });
    await ada.deliver({ text: 'x' });
    const { epoch } = (await renew(spaceId)).body;
    await world.loseMemory(spaceId);
    assert.equal((await (await world.second(spaceId)).welcome()).epoch, epoch);
  });

  test('a repeat is a repeat across lives', async () => {
    const spaceId = world.newSpace();
    const ada = await world.second(spaceId, { userId: 'ada' });
    const first = await ada.deliver({ text: 'once' }, 'same');
    await renew(spaceId);
    const again = await ada.deliver({ text: 'once' }, 'same');
    assert.deepEqual([again.type, again.seq, again.message.text], ['ack', first.seq, 'once']);
  });

  test('of an empty space is none, and writes nothing', async () => {
    const spaceId = world.newSpace();
    const answer = await renew(spaceId);
    assert.deepEqual([answer.status, answer.body], [200, { success: true, epoch: null, seq: 0 }]);
    assert.equal(await world.rowsWritten(spaceId), 0);
  });

  test('costs one row', async () => {
    const spaceId = world.newSpace();
    const ada = await world.second(spaceId, { userId: 'ada' });
    await ada.deliver({ text: 'x' });
    await world.housekept(spaceId);
    const before = await world.rowsWritten(spaceId);
    await renew(spaceId);
    assert.equal((await world.rowsWritten(spaceId)) - before, 1);
  });
});

describe('who may ask for it', { concurrency: true }, () => {
  test('the owner alone: without the gateway key no token is enough', async () => {
    const spaceId = world.newSpace();
    const ada = await world.second(spaceId, { userId: 'ada' });
    await ada.deliver({ text: 'x' });
    const { epoch } = ada.cursor;
    const token = await world.token(spaceId, { userId: 'root', role: 'agent', caps: ['moderate', 'system'] });
    for (const options of [
      { gatewayKey: undefined },
      { gatewayKey: undefined, token },
      { gatewayKey: `${world.gatewayKey}x`, token },
      { gatewayKey: '' },
    ]) {
      const answer = await renew(spaceId, options);
      assert.deepEqual(
        [answer.status, answer.body.code],
        [401, 'gatewayKeyInvalid'],
        JSON.stringify(options),
      );
      assert.equal(answer.body.error, 'Invalid or missing gateway key');
    }
    assert.equal((await (await world.second(spaceId)).welcome()).epoch, epoch, 'nothing changed');
    assert.equal((await renew(spaceId, { token })).status, 200, 'a token does no harm beside the key');
  });

  test('a space has to be named, and the method is POST', async () => {
    const unnamed = await renew(undefined);
    assert.deepEqual([unnamed.status, unnamed.body.code], [400, 'spaceIdRequired']);
    const read = await world.call('GET', PATH, { spaceId: world.newSpace() });
    assert.deepEqual([read.status, read.headers.get('allow')], [405, 'POST']);
  });
});
