/**
 * Housekeeping: what a space forgets, when, and that it sleeps otherwise.
 *
 * Owns `LOG_EVENTS_KEPT`, `RETENTION_DAYS` and the 30 days of a clientMessageId. Days pass by putting the space's
 * clock ahead; an alarm that falls due by it rings as it would have on its day.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { eventually, World } from './lib/world.mjs';

const DAY_MS = 24 * 60 * 60 * 1_000;
const LOG_EVENTS_KEPT = 1_000;
const RETENTION_DAYS = 7;
const BATCH = 50;

/** Posts as a named user, without a socket, so that nothing but the space's own alarm wakes it. */
function poster(world, spaceId) {
  return async (text, clientMessageId) => {
    const body = { text, clientMessageId };
    const answer = await world.call('POST', '/messages', { spaceId, claims: { userId: 'ada' }, body });
    assert.equal(answer.status, 201, answer.text);
    return answer.body.message;
  };
}

async function texts(world, spaceId) {
  const { body } = await world.call('GET', '/messages?limit=200', { spaceId });
  return body.messages.map(({ text }) => text).reverse();
}

describe('a space with the default settings', { concurrency: true }, () => {
  let world;
  before(async () => {
    world = await World.start();
  });
  after(() => world.stop());

  test('keeps house a second after its first event, and sleeps then', async () => {
    const spaceId = world.newSpace();
    await poster(world, spaceId)('hello');
    const { alarmAt } = await world.look(spaceId);
    assert.ok(alarmAt <= Date.now() + 1_500, 'an alarm a second ahead');
    await world.housekept(spaceId);
    assert.equal((await world.look(spaceId)).alarmAt, null, 'nothing wakes an idle space');
    assert.equal(await world.alarmsSet(spaceId), 1);
  });

  test('keeps house once a day, and only if somebody comes', async () => {
    const spaceId = world.newSpace();
    const post = poster(world, spaceId);
    await post('the first day');
    await world.housekept(spaceId);
    for (let i = 0; i < 5; i += 1) await post(`the first day, ${i}`);
    assert.equal(await world.alarmsSet(spaceId), 1, 'no other one on the same day');
    for (const days of [1, 2, 3]) {
      await world.putAhead(spaceId, days * DAY_MS + 60_000 * days);
      assert.equal((await world.look(spaceId)).alarmAt, null, 'nobody came');
      await post(`day ${days}`);
      await world.housekept(spaceId);
      assert.equal(await world.alarmsSet(spaceId), 1 + days);
      await world.loseMemory(spaceId);
      await post(`day ${days}, again`);
      assert.equal(await world.alarmsSet(spaceId), 1 + days, 'the day is in the store');
    }
  });

  test('an empty space that is only looked at sets no alarm', async () => {
    const spaceId = world.newSpace();
    for (const path of ['/messages', '/participants', '/metadata'])
      await world.call('GET', path, { spaceId });
    const nobody = await world.second(spaceId);
    await nobody.fence();
    assert.equal((await world.look(spaceId)).alarmAt, null);
  });

  test('a clientMessageId is known for 30 days, and forgotten after', async () => {
    const spaceId = world.newSpace();
    const post = poster(world, spaceId);
    const first = await post('once', 'a-rare-id-1');
    await world.housekept(spaceId);
    await world.putAhead(spaceId, 29 * DAY_MS);
    await post('29 days later', 'a-rare-id-2');
    await world.housekept(spaceId);
    assert.equal((await post('once', 'a-rare-id-1')).id, first.id, 'still a repeat');
    await world.putAhead(spaceId, 31 * DAY_MS);
    await post('31 days later');
    await world.housekept(spaceId);
    assert.equal(await world.rowsWith(spaceId, 'a-rare-id-1'), 0, 'its record is gone');
    assert.ok((await world.rowsWith(spaceId, 'a-rare-id-2')) > 0, 'a younger one is not');
    assert.notEqual((await post('once', 'a-rare-id-1')).id, first.id, 'a message of its own');
    assert.deepEqual(await texts(world, spaceId), ['once', '29 days later', '31 days later', 'once']);
  });

  test('messages are kept for ever', async () => {
    const spaceId = world.newSpace();
    const post = poster(world, spaceId);
    await post('old');
    await world.housekept(spaceId);
    await world.putAhead(spaceId, 3_650 * DAY_MS);
    await post('new');
    await world.housekept(spaceId);
    assert.deepEqual(await texts(world, spaceId), ['old', 'new']);
  });
});

describe('LOG_EVENTS_KEPT', () => {
  let world;
  before(async () => {
    world = await World.start({ vars: { LOG_EVENTS_KEPT: String(LOG_EVENTS_KEPT) } });
  });
  after(() => world.stop());

  test('older events can not be resumed from; history, the head and later cursors are as before', async () => {
    const spaceId = world.newSpace();
    const ada = await world.second(spaceId, { userId: 'ada' });
    const send = async (from, count) => {
      const batch = Array.from({ length: count }, (_, i) => ({
        type: 'message',
        text: `m${from + i}`,
        clientMessageId: `id-${from + i}`,
      }));
      ada.send(batch);
      return (await ada.answer(batch.at(-1).clientMessageId)).seq;
    };
    await send(0, BATCH);
    await world.housekept(spaceId);
    const cursor = ada.cursor;
    let head;
    for (let from = BATCH; from <= LOG_EVENTS_KEPT; from += BATCH) head = await send(from, BATCH);
    const at = (since) => world.second(spaceId, {}, { epoch: cursor.epoch, since: String(since) });
    const oldest = head - LOG_EVENTS_KEPT;
    assert.ok(oldest > 2, 'more was said than is kept');
    assert.equal((await (await at(oldest + 1)).welcome()).recovered, true);
    ada.kill();
    const before = await world.rowsWritten(spaceId);
    await world.putAhead(spaceId, DAY_MS + 60_000);
    assert.equal((await world.call('GET', '/participants', { spaceId })).status, 200);
    await world.housekept(spaceId);
    // A row that is removed is a row written; so is the note that each part of the work leaves.
    const notes = (await world.rowsWritten(spaceId)) - before - oldest;
    assert.ok(notes >= 1 && notes <= 3, `${oldest} events removed, and ${notes} notes`);
    // What the space knows from here on is what its store holds.
    await world.loseMemory(spaceId);
    for (const since of [0, 1, oldest - 1]) {
      const late = await at(since);
      const welcome = await late.welcome();
      assert.deepEqual([welcome.recovered, welcome.seq], [false, head], `since ${since}`);
      await late.fence();
      assert.deepEqual(late.texts, []);
    }
    for (const since of [oldest, head - 10]) {
      const back = await at(since);
      assert.equal((await back.welcome()).recovered, true, `since ${since}`);
      await back.message(`m${LOG_EVENTS_KEPT + BATCH - 1}`);
      assert.equal(back.assertGapless(since), head);
    }
    const live = await at(head);
    const from = live.frames.length;
    live.send({ type: 'sync', since: 1 });
    const answer = await live.wait(({ type }) => type === 'head', 'head', { from });
    assert.equal(answer.recovered, false, 'a sync from before the log says so as well');
    let oldestRead;
    const read = [];
    for (;;) {
      const query = oldestRead === undefined ? '' : `&before=${oldestRead}`;
      const { body } = await world.call('GET', `/messages?limit=200${query}`, { spaceId });
      if (body.messages.length === 0) break;
      read.unshift(...body.messages.map(({ text }) => text).reverse());
      oldestRead = body.messages.at(-1).createdAt;
    }
    assert.deepEqual(
      read,
      Array.from({ length: LOG_EVENTS_KEPT + BATCH }, (_, i) => `m${i}`),
      'pages know nothing of the log',
    );
    const repeat = await world.call('POST', '/messages', {
      spaceId,
      claims: { userId: 'ada' },
      body: { text: 'm0', clientMessageId: 'id-0' },
    });
    assert.equal(repeat.body.message.text, 'm0', 'a repeat is known whatever is trimmed');
    await poster(world, spaceId)('next');
    assert.equal((await live.message('next')).seq, head + 1);
    live.assertGapless(head);
  });
});

describe(`RETENTION_DAYS=${RETENTION_DAYS}`, { concurrency: true }, () => {
  let world;
  before(async () => {
    world = await World.start({ vars: { RETENTION_DAYS: String(RETENTION_DAYS) } });
  });
  after(() => world.stop());

  test('a message is removed when its time is over, though nobody comes', async () => {
    const spaceId = world.newSpace();
    await poster(world, spaceId)('needle-old');
    await world.housekept(spaceId);
    const { alarmAt } = await world.look(spaceId);
    const inDays = (alarmAt - Date.now()) / DAY_MS;
    assert.ok(Math.abs(inDays - RETENTION_DAYS) < 0.01, `one alarm, in ${inDays} days`);
    await world.putAhead(spaceId, (RETENTION_DAYS - 1) * DAY_MS);
    assert.ok((await world.rowsWith(spaceId, 'needle-old')) > 0, 'not before');
    await world.putAhead(spaceId, RETENTION_DAYS * DAY_MS + 60_000);
    const gone = async () => (await world.rowsWith(spaceId, 'needle-old')) === 0;
    await eventually(gone, 'the text to be in no table');
    await world.housekept(spaceId);
    assert.deepEqual(await texts(world, spaceId), []);
    assert.equal((await world.look(spaceId)).alarmAt, null, 'a space that holds nothing sleeps');
  });

  test('younger ones stay, and what went is passed over by resumes, pages and changes', async () => {
    const spaceId = world.newSpace();
    const post = poster(world, spaceId);
    const bob = await world.second(spaceId, { userId: 'bob' });
    const old = [];
    for (let i = 0; i < 3; i += 1) old.push(await post(`old ${i}`, `old-${i}`));
    await bob.message('old 2');
    const cursor = bob.cursor;
    bob.kill();
    await world.housekept(spaceId);
    await world.putAhead(spaceId, 4 * DAY_MS);
    await post('young');
    await world.housekept(spaceId);
    await world.putAhead(spaceId, 8 * DAY_MS);
    const onlyYoung = async () => (await texts(world, spaceId)).join() === 'young';
    await eventually(onlyYoung, 'the old ones to go');
    const { epoch, since } = cursor;
    const beginning = await world.second(spaceId, { userId: 'bob' }, { epoch, since: '0' });
    assert.equal((await beginning.welcome()).recovered, true, 'the log itself is whole');
    await beginning.message('young');
    assert.deepEqual(beginning.texts, ['young']);
    beginning.assertGapless(0);
    const back = await world.second(spaceId, { userId: 'bob' }, cursor);
    await back.message('young');
    back.assertGapless(Number(since));
    const claims = { userId: 'ada' };
    const edit = await world.call('PATCH', `/messages/${old[0].id}`, {
      spaceId,
      claims,
      body: { text: 'x' },
    });
    assert.equal(edit.status, 404);
    const before = await world.call('GET', `/messages?before=${old[2].createdAt}`, { spaceId });
    assert.deepEqual(before.body.messages, []);
    await post('next');
    await back.message('next');
    back.assertGapless(Number(since));
    assert.deepEqual(await texts(world, spaceId), ['young', 'next']);
  });

  test('an edit makes a message no younger', async () => {
    const spaceId = world.newSpace();
    const { id } = await poster(world, spaceId)('needle');
    await world.housekept(spaceId);
    await world.putAhead(spaceId, 6 * DAY_MS);
    const claims = { userId: 'ada' };
    const edit = await world.call('PATCH', `/messages/${id}`, {
      spaceId,
      claims,
      body: { text: 'needle 2' },
    });
    assert.equal(edit.status, 200);
    await world.housekept(spaceId);
    await world.putAhead(spaceId, 8 * DAY_MS);
    const gone = async () => (await world.rowsWith(spaceId, 'needle')) === 0;
    await eventually(gone, 'the text to be in no table');
  });
});
