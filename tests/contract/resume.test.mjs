/**
 * Resuming: where a client left off, whatever happened to it or to the space meanwhile.
 *
 * Owns what is followed to the letter, what is not followed and says so, and what becomes of frames that nobody
 * got. A log that was trimmed and a new epoch have files of their own.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { eventually, World } from './lib/world.mjs';

const WINDOW_BYTES_MAX = 512 * 1024;
const BATCH = 50;

let world;
before(async () => {
  world = await World.start({ persist: true });
});
after(() => world.stop());

/** Sends `count` messages in batches; resolves when the last one is stored. */
async function fill(client, count, text = (i) => `m${i}`) {
  for (let from = 0; from < count; from += BATCH) {
    const size = Math.min(BATCH, count - from);
    const entry = (_, i) => ({
      type: 'message',
      text: text(from + i),
      clientMessageId: `fill-${text(from + i).slice(0, 20)}-${from + i}`,
    });
    const batch = Array.from({ length: size }, entry);
    client.send(batch);
    const { type } = await client.answer(batch.at(-1).clientMessageId);
    assert.equal(type, 'ack');
  }
}

/** Comes back where `client` was when this is called; gives the new client and its welcome. */
async function resume(spaceId, cursor, claims = { userId: 'bob' }) {
  const client = await world.second(spaceId, claims, cursor);
  return { client, welcome: await client.welcome() };
}

async function talk() {
  const spaceId = world.newSpace();
  const ada = await world.second(spaceId, { userId: 'ada' });
  const bob = await world.second(spaceId, { userId: 'bob' });
  await ada.deliver({ text: 'heard' });
  await bob.message('heard');
  return { spaceId, ada, bob };
}

describe('a cursor is followed', { concurrency: true }, () => {
  test('from the first welcome on, in a space that was empty then', async () => {
    const spaceId = world.newSpace();
    const bob = await world.second(spaceId, { userId: 'bob' });
    await bob.fence();
    const cursor = bob.cursor;
    bob.kill();
    const nobody = await world.second(world.newSpace());
    assert.deepEqual(nobody.cursor, { since: '0' }, 'an empty space has no epoch to tell');
    const ada = await world.second(spaceId, { userId: 'ada' });
    await fill(ada, 3);
    const { client, welcome } = await resume(spaceId, cursor);
    assert.equal(welcome.recovered, true);
    await client.message('m2');
    assert.deepEqual(client.texts, ['m0', 'm1', 'm2']);
    client.assertGapless(Number(cursor.since));
  });

  test('by one that met the space empty and knows no epoch', async () => {
    const spaceId = world.newSpace();
    const ada = await world.second(spaceId, { userId: 'ada' });
    await fill(ada, 3);
    const { client, welcome } = await resume(spaceId, { since: '0' });
    assert.equal(welcome.recovered, true);
    await client.message('m2');
    assert.deepEqual(client.texts, ['m0', 'm1', 'm2']);
    client.assertGapless(0);
  });

  test('when nothing was missed', async () => {
    const { spaceId, bob } = await talk();
    const cursor = bob.cursor;
    bob.kill();
    const { client, welcome } = await resume(spaceId, cursor);
    assert.equal(welcome.recovered, true);
    await client.fence();
    assert.deepEqual(client.texts, []);
    client.assertGapless(Number(cursor.since));
  });

  test('twice in a row, and each time from where it was', async () => {
    const { spaceId, ada, bob } = await talk();
    bob.kill();
    await fill(ada, 2, (i) => `first-${i}`);
    const one = await resume(spaceId, bob.cursor);
    await one.client.message('first-1');
    one.client.kill();
    await fill(ada, 2, (i) => `second-${i}`);
    const cursor = one.client.cursor;
    const two = await resume(spaceId, { ...cursor, epoch: bob.cursor.epoch });
    assert.deepEqual([one.welcome.recovered, two.welcome.recovered], [true, true]);
    await two.client.message('second-1');
    assert.deepEqual(one.client.texts, ['first-0', 'first-1']);
    assert.deepEqual(two.client.texts, ['second-0', 'second-1']);
  });

  test('during a resume that broke off: nothing of it counts as had', async () => {
    const { spaceId, ada, bob } = await talk();
    bob.kill();
    await fill(ada, 200);
    const cursor = bob.cursor;
    for (let round = 0; round < 3; round += 1) {
      const token = await world.token(spaceId, { userId: 'bob' });
      const broken = await world.secondSocket({ spaceId, token, query: cursor });
      await broken.opened;
      broken.kill();
    }
    const { client, welcome } = await resume(spaceId, cursor);
    assert.equal(welcome.recovered, true);
    await client.message('m199');
    assert.equal(client.texts.length, 200);
    client.assertGapless(Number(cursor.since));
  });

  test('while others go on talking: what comes live continues what was replayed', async () => {
    const { spaceId, ada, bob } = await talk();
    bob.kill();
    await fill(ada, 100, (i) => `missed-${i}`);
    const live = fill(ada, 200, (i) => `live-${i}`);
    const { client } = await resume(spaceId, bob.cursor);
    await live;
    await client.message('live-199');
    client.assertGapless(Number(bob.cursor.since));
    assert.equal(new Set(client.texts).size, 300);
  });

  test('over more than one window, edits among the events', async () => {
    const { spaceId, ada, bob } = await talk();
    const { message } = await bob.message('heard');
    bob.kill();
    const text = (i) => `${i} ${'x'.repeat(2_000)}`;
    await fill(ada, 1_000, text);
    await ada.edit(message.id, 'edited');
    const { client, welcome } = await resume(spaceId, bob.cursor);
    assert.equal(welcome.recovered, true);
    await client.update(message.id, 'edited');
    assert.deepEqual(
      client.texts,
      Array.from({ length: 1_000 }, (_, i) => text(i)),
    );
    client.assertGapless(Number(bob.cursor.since));
    await ada.deliver({ text: 'live' });
    await client.message('live');
    client.assertGapless(Number(bob.cursor.since));
  });

  test('one window at a time, as far as the client says that it reads', async () => {
    const { spaceId, ada, bob } = await talk();
    bob.kill();
    await fill(ada, 900, (i) => `${i} ${'x'.repeat(2_000)}`);
    const token = await world.token(spaceId, { userId: 'bob' });
    const client = await world.secondSocket({ spaceId, token, query: bob.cursor });
    client.isReading = false;
    assert.equal((await client.welcome()).recovered, true);
    // Who is here stands behind the first window.
    await client.wait(({ type }) => type === 'presence', 'presence');
    const bytes = JSON.stringify(client.ofType('message')).length;
    assert.ok(bytes > WINDOW_BYTES_MAX / 2 && bytes < WINDOW_BYTES_MAX + 4_096, `${bytes} bytes`);
    // An answer to something else comes, and nothing more of the log.
    client.sendText('{"type":"ping"}');
    await client.wait(({ type }) => type === 'pong', 'pong');
    assert.equal(JSON.stringify(client.ofType('message')).length, bytes);
    client.read();
    await client.wait(({ seq }) => seq === Number(bob.cursor.since) + 900, 'the last event');
    client.assertGapless(Number(bob.cursor.since));
  });

  test('several edits of one message are replayed as its present state, once', async () => {
    const { spaceId, ada, bob } = await talk();
    const { message } = await bob.message('heard');
    bob.kill();
    for (const text of ['one', 'two', 'three']) await ada.edit(message.id, text);
    await ada.deliver({ text: 'fresh' });
    const { message: fresh } = await ada.message('fresh');
    await ada.edit(fresh.id, 'fresh, edited');
    await ada.deliver({ text: 'unwanted' });
    const { message: unwanted } = await ada.message('unwanted');
    await ada.remove(unwanted.id);
    await ada.deliver({ text: 'last' });
    const { client } = await resume(spaceId, bob.cursor);
    await client.message('last');
    client.assertGapless(Number(bob.cursor.since));
    assert.deepEqual(
      client.ofType('update').map(({ message: { id, text } }) => [id, text]),
      [
        [message.id, 'three'],
        [fresh.id, 'fresh, edited'],
        [unwanted.id, ''],
      ],
    );
    assert.doesNotMatch(JSON.stringify(client.frames), /unwanted|"one"|"two"/, 'no earlier state is told');
  });
});

describe('a cursor is not followed, and the welcome says so', { concurrency: true }, () => {
  async function refused(spaceId, cursor, claims) {
    const { client, welcome } = await resume(spaceId, cursor, claims);
    assert.equal(welcome.recovered, false);
    await client.fence();
    assert.deepEqual([client.texts, client.ofType('skip')], [[], []], 'all or nothing');
    return { client, welcome };
  }

  test('an empty space, of which the client remembers events', async () => {
    for (const cursor of [{ epoch: '0'.repeat(32), since: '5' }, { since: '5' }]) {
      // Whom a token names would be the first event there is.
      const { welcome } = await refused(world.newSpace(), cursor, {});
      assert.deepEqual([welcome.epoch ?? null, welcome.seq], [null, 0]);
    }
  });
});

describe('a space that lost its memory', { concurrency: true }, () => {
  test('is found out by a live link: head, then sync brings what nobody got', async () => {
    const { spaceId, ada, bob } = await talk();
    const from = bob.frames.length;
    await world.loseMemory(spaceId, { at: 'afterCommit' });
    ada.send({ type: 'message', text: 'swallowed', clientMessageId: 'swallowed' });
    await eventually(async () => (await world.look(spaceId)).resets === 1, 'the reset');
    for (const client of [ada, bob]) assert.ok(client.isOpen, 'no connection is lost');
    const last = Number(bob.cursor.since);
    // Silence: whatever comes next, of whomever, wakes the space; the look at it may have.
    assert.equal((await world.call('GET', '/participants', { spaceId })).status, 200);
    const head = await bob.wait(({ type }) => type === 'head', 'head', { from });
    assert.deepEqual([head.epoch, head.seq], [bob.cursor.epoch, last + 1]);
    assert.equal(bob.texts.includes('swallowed'), false, 'it was on its way when the memory was lost');
    bob.send({ type: 'sync', since: last });
    assert.equal((await bob.message('swallowed')).seq, last + 1);
    const repeat = await ada.deliver({ text: 'swallowed' }, 'swallowed');
    assert.deepEqual([repeat.type, repeat.seq, repeat.message?.text], ['ack', last + 1, 'swallowed']);
    ada.send({ type: 'sync', since: last });
    await ada.message('swallowed');
    await ada.deliver({ text: 'next' });
    await bob.message('next');
    for (const client of [ada, bob]) {
      client.assertGapless();
      assert.deepEqual(client.texts, ['heard', 'swallowed', 'next']);
    }
  });

  test('between commit and answer of a POST: the repeat finds it', async () => {
    const { spaceId, bob } = await talk();
    const call = await world.caller(spaceId, { userId: 'ada' });
    const body = { text: 'posted', clientMessageId: 'post' };
    await world.loseMemory(spaceId, { at: 'afterCommit' });
    const lost = await call('POST', '/messages', body);
    assert.ok(lost.status >= 500, String(lost.status));
    const again = await call('POST', '/messages', body);
    assert.equal(again.status, 201);
    const { body: page } = await call('GET', '/messages');
    assert.deepEqual(
      page.messages.map(({ text }) => text),
      ['posted', 'heard'],
    );
    assert.equal(page.messages[0].id, again.body.message.id);
    bob.send({ type: 'sync', since: Number(bob.cursor.since) });
    await bob.message('posted');
    bob.assertGapless();
  });

  test('between commit and answer of an edit: the repeat finds it', async () => {
    const { spaceId, ada, bob } = await talk();
    const { message } = await bob.message('heard');
    await world.loseMemory(spaceId, { at: 'afterCommit' });
    ada.send({ type: 'edit', messageId: message.id, text: 'edited', clientMessageId: 'edit' });
    await eventually(async () => (await world.look(spaceId)).resets === 1, 'the reset');
    const repeat = await ada.edit(message.id, 'edited', 'edit');
    assert.deepEqual([repeat.type, repeat.message.text], ['ack', 'edited']);
    assert.equal(repeat.seq, Number(bob.cursor.since) + 1);
    bob.send({ type: 'sync', since: Number(bob.cursor.since) });
    await bob.update(message.id, 'edited');
    bob.assertGapless();
  });

  test('in the middle of somebody’s arrival: the next attempt arrives', async () => {
    const { spaceId, bob } = await talk();
    await world.loseMemory(spaceId, { at: 'afterCommit' });
    // An arrival writes where it makes a participant.
    const token = await world.token(spaceId, { userId: 'carol' });
    const carol = await world.secondSocket({ spaceId, token });
    assert.equal((await carol.ended()).code, 4500);
    assert.deepEqual(carol.ofType('welcome'), []);
    const { client, welcome } = await resume(spaceId, bob.cursor, { userId: 'carol' });
    assert.equal(welcome.recovered, true);
    await client.wait(({ type }) => type === 'participant', 'carol, whom the first attempt made known');
    client.assertGapless(Number(bob.cursor.since));
    assert.equal(client.ofType('participant').length, 1);
  });
});

test('a cursor is followed after a restart of everything', async () => {
  const { spaceId, ada, bob } = await talk();
  const cursor = bob.cursor;
  await ada.deliver({ text: 'missed' }, 'missed');
  await world.restart();
  const { client, welcome } = await resume(spaceId, cursor);
  assert.equal(welcome.recovered, true);
  await client.message('missed');
  client.assertGapless(Number(cursor.since));
});

// A panic takes the whole Wasm instance along, and with it the memory of every space.
describe('a panic between commit and flush', () => {
  let own;
  before(async () => {
    own = await World.start();
  });
  after(() => own.stop());

  test('is found out without anybody’s doing: the space wakes by itself', async () => {
    const spaceId = own.newSpace();
    const [ada, bob] = [
      await own.second(spaceId, { userId: 'ada' }),
      await own.second(spaceId, { userId: 'bob' }),
    ];
    await ada.deliver({ text: 'heard' });
    await bob.message('heard');
    const last = Number(bob.cursor.since);
    await own.loseMemory(spaceId, { at: 'afterCommit', by: 'panic' });
    ada.send({ type: 'message', text: 'swallowed', clientMessageId: 'swallowed' });
    for (const client of [ada, bob]) {
      await client.wait(
        ({ type, seq }) => type === 'head' && seq === last + 1,
        'the head, from the object anew',
      );
      assert.equal(client.texts.includes('swallowed'), false);
      client.send({ type: 'sync', since: last });
      await client.message('swallowed');
    }
    const repeat = await ada.deliver({ text: 'swallowed' }, 'swallowed');
    assert.deepEqual([repeat.seq, repeat.message?.text], [last + 1, 'swallowed']);
    for (const client of [ada, bob]) client.assertGapless();
  });
});
