/**
 * `GET /events`: the answer of a resume, for clients whose network lets no socket through.
 *
 * Owns that it is told to the letter what a socket would be told, that asking leaves no trace, and what it refuses.
 * What a resume itself brings has a file of its own.
 */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { World } from './lib/world.mjs';

const BATCH = 50;
const WINDOW_BYTES_MAX = 512 * 1024;
/** Long enough for the coalescing window of a live socket, and for the platform's own way. */
const SETTLE_MS = 100;

let world;
before(async () => {
  world = await World.start();
});
after(() => world.stop());

/** Asks as bob does, whom the space knows; `cursor` as a client's. */
async function poll(spaceId, cursor = {}, options = {}) {
  const query = new URLSearchParams(cursor);
  return world.call('GET', `/events?${query}`, { spaceId, claims: { userId: 'bob' }, ...options });
}

/** As `poll`, for those that are answered: the frames. */
async function frames(spaceId, cursor) {
  const { status, body, text } = await poll(spaceId, cursor);
  assert.equal(status, 200, text);
  assert.ok(Array.isArray(body) && body.length > 0, text);
  return body;
}

/** What a socket of bob's is told that comes with this cursor: all but who is here, which is a connection's. */
async function resumed(spaceId, cursor) {
  const socket = await world.second(spaceId, { userId: 'bob' }, cursor);
  await socket.fence();
  const told = socket.frames.filter(({ type }) => type !== 'presence');
  // The fence's own answer.
  assert.equal(told.pop().type, 'head');
  await socket.close();
  return told;
}

/** The frames as JSON text, without what differs from one answer to the next by right. */
function letters(told) {
  const [{ connectionId, serverTime, ...welcome }, ...events] = told;
  assert.equal(typeof serverTime, 'number');
  return [welcome, ...events].map((frame) => JSON.stringify(frame));
}

async function assertSame(spaceId, cursor) {
  const polled = await frames(spaceId, cursor);
  assert.deepEqual(letters(polled), letters(await resumed(spaceId, cursor)));
  assert.equal('connectionId' in polled[0], false, 'there is no connection');
  return polled;
}

/** Sends `count` messages in batches; resolves when the last one is stored. */
async function fill(client, count, text = (i) => `m${i}`) {
  for (let from = 0; from < count; from += BATCH) {
    const size = Math.min(BATCH, count - from);
    const entry = (_, i) => ({
      type: 'message',
      text: text(from + i),
      clientMessageId: randomUUID(),
    });
    const batch = Array.from({ length: size }, entry);
    client.send(batch);
    const { type } = await client.answer(batch.at(-1).clientMessageId);
    assert.equal(type, 'ack');
  }
}

/** A space where bob was, and where ada still is. */
async function talk() {
  const spaceId = world.newSpace();
  const bob = await world.second(spaceId, { userId: 'bob' });
  const ada = await world.second(spaceId, { userId: 'ada' });
  await ada.deliver({ text: 'heard' });
  const { message } = await bob.message('heard');
  const { cursor } = bob;
  await bob.close();
  return { spaceId, ada, cursor, heard: message };
}

const types = (told) => told.map(({ type }) => type);

describe('an answer is a resume’s', { concurrency: true }, () => {
  test('without a cursor: the welcome alone, with the limits', async () => {
    const { spaceId, cursor } = await talk();
    const [welcome, ...others] = await assertSame(spaceId, {});
    assert.deepEqual(others, []);
    assert.deepEqual(
      [welcome.type, welcome.epoch, String(welcome.seq), 'recovered' in welcome],
      ['welcome', cursor.epoch, cursor.since, false],
    );
    assert.ok(Math.abs(welcome.serverTime - Date.now()) < 60_000);
    assert.equal(welcome.limits.textBytesMax, 16_384);
  });

  test('nothing missed: the welcome says so, and nothing follows', async () => {
    const { spaceId, cursor } = await talk();
    const [welcome, ...others] = await assertSame(spaceId, cursor);
    assert.deepEqual([welcome.recovered, others], [true, []]);
  });

  test('messages, an edit, a deletion’s tombstone, somebody new and metadata, in order', async () => {
    const { spaceId, ada, cursor, heard } = await talk();
    await fill(ada, 3);
    await ada.edit(heard.id, 'edited');
    await ada.edit(heard.id, 'edited twice');
    await ada.deliver({ text: 'unwanted-5a1c' });
    const { message: unwanted } = await ada.message('unwanted-5a1c');
    await ada.remove(unwanted.id);
    const put = await world.call('PUT', '/metadata', {
      spaceId,
      claims: { userId: 'carol', caps: ['metadata'] },
      body: { topic: 'boats' },
    });
    assert.equal(put.status, 200, put.text);
    await ada.deliver({ text: 'last' });
    const [welcome, ...events] = await assertSame(spaceId, cursor);
    assert.equal(welcome.recovered, true);
    const updates = events.filter(({ type }) => type === 'update').map(({ message }) => message);
    assert.deepEqual(
      updates.map(({ id, text }) => [id, text]),
      [
        [heard.id, 'edited twice'],
        [unwanted.id, ''],
      ],
    );
    assert.equal(typeof updates[1].deletedAt, 'number');
    assert.doesNotMatch(JSON.stringify(events), /unwanted-5a1c/, 'a deleted text is told to nobody');
    let last = Number(cursor.since);
    for (const { type, seq, from, to } of events) {
      assert.equal(from ?? seq, last + 1, `${type} continues the log`);
      last = to ?? seq;
    }
    assert.equal(last, welcome.seq);
    for (const type of ['message', 'update', 'metadata', 'skip'])
      assert.ok(types(events).includes(type), type);
  });

  test('one window in an answer, and `more` where the log goes on', async () => {
    const { spaceId, ada, cursor } = await talk();
    await fill(ada, 1_100);
    const text = 'x'.repeat(16_384);
    for (let i = 0; i < 60; i += 1) await ada.deliver({ text });
    let { since } = cursor;
    const sizes = [];
    for (let more = true; more; ) {
      const answer = await poll(spaceId, { ...cursor, since });
      const [welcome, ...events] = answer.body;
      assert.equal(welcome.recovered, true);
      assert.deepEqual(
        events.map(({ seq }) => seq),
        Array.from(events, (_, i) => Number(since) + 1 + i),
      );
      sizes.push(answer.text.length);
      more = welcome.more === true;
      since = String(events.at(-1).seq);
      if (!more) assert.equal(Number(since), welcome.seq);
    }
    assert.ok(sizes.length >= 3, `${sizes}`);
    for (const size of sizes) assert.ok(size < WINDOW_BYTES_MAX + 8_192, `${sizes}`);
  });

  test('another life of the log, and a place beyond the head, are not followed', async () => {
    const { spaceId, ada, cursor } = await talk();
    await ada.deliver({ text: 'missed' });
    const beyond = { ...cursor, since: String(Number(cursor.since) + 2) };
    for (const lost of [{ ...cursor, epoch: '0'.repeat(32) }, beyond]) {
      const [welcome, ...others] = await assertSame(spaceId, lost);
      assert.deepEqual([welcome.recovered, others], [false, []], JSON.stringify(lost));
      assert.equal(welcome.epoch, cursor.epoch, 'where to go on from is told all the same');
    }
    const renewed = await world.call('POST', '/admin/epoch', {
      spaceId,
      token: undefined,
      gatewayKey: world.gatewayKey,
    });
    assert.equal(renewed.status, 200);
    const [welcome, ...others] = await assertSame(spaceId, cursor);
    assert.deepEqual([welcome.recovered, welcome.epoch, others], [false, renewed.body.epoch, []]);
  });

  test('an empty space is told of, and followed by who met it empty', async () => {
    const spaceId = world.newSpace();
    const [empty] = await frames(spaceId);
    assert.deepEqual([empty.epoch, empty.seq], [null, 0]);
    const since = { since: '0' };
    assert.equal((await frames(spaceId, since))[0].recovered, true);
    const ada = await world.second(spaceId, { userId: 'ada' });
    await ada.deliver({ text: 'first' });
    const [welcome, ...events] = await frames(spaceId, since);
    assert.deepEqual([welcome.recovered, types(events)], [true, ['participant', 'message']]);
    const far = await frames(world.newSpace(), { since: '5' });
    assert.deepEqual([far[0].recovered, far.length], [false, 1]);
  });

  test('polled again and again, it brings every event once, across a lost memory', async () => {
    const { spaceId, ada, cursor } = await talk();
    const texts = [];
    let { epoch, since } = cursor;
    for (let round = 0; round < 6; round += 1) {
      await fill(ada, 7, (i) => `r${round}-${i}`);
      if (round === 3) await world.loseMemory(spaceId);
      const [welcome, ...events] = await frames(spaceId, { epoch, since });
      assert.equal(welcome.recovered, true);
      texts.push(...events.filter(({ type }) => type === 'message').map(({ message }) => message.text));
      ({ epoch } = welcome);
      since = String(welcome.seq);
    }
    const expected = Array.from({ length: 6 * 7 }, (_, i) => `r${Math.floor(i / 7)}-${i % 7}`);
    assert.deepEqual(texts, expected);
  });
});

describe('asking leaves no trace', { concurrency: true }, () => {
  test('nobody arrives, nothing is told and no row is written', async () => {
    const { spaceId, ada, cursor } = await talk();
    await world.housekept(spaceId);
    await ada.fence();
    const [rows, alarms, told] = [
      await world.rowsWritten(spaceId),
      await world.alarmsSet(spaceId),
      ada.frames.length,
    ];
    for (const claims of [{ userId: 'bob' }, { userId: 'stranger', role: 'support' }, {}]) {
      for (const place of [{}, cursor]) {
        assert.equal((await poll(spaceId, place, { claims })).status, 200);
      }
    }
    await sleep(SETTLE_MS);
    assert.deepEqual(
      [await world.rowsWritten(spaceId), await world.alarmsSet(spaceId), (await world.look(spaceId)).sockets],
      [rows, alarms, 1],
    );
    await ada.fence();
    assert.deepEqual(types(ada.frames.slice(told)), ['head'], 'only its own fence');
    const { body } = await world.call('GET', '/participants', { spaceId });
    assert.equal(JSON.stringify(body).includes('stranger'), false);
  });

  test('an empty space stays empty', async () => {
    const spaceId = world.newSpace();
    const rows = await world.rowsWritten(spaceId);
    for (const place of [{}, { since: '0' }, { epoch: 'e', since: '3' }]) await frames(spaceId, place);
    assert.deepEqual([await world.rowsWritten(spaceId), await world.alarmsSet(spaceId)], [rows, 0]);
  });
});

describe('the row of the table', { concurrency: true }, () => {
  test('a bad cursor is 400, names its field, and wakes no object', async () => {
    const spaceId = world.newSpace();
    const { constructed } = await world.look(spaceId);
    for (const [field, place] of [
      ['since', { since: 'abc' }],
      ['since', { since: '-1' }],
      ['since', { since: '' }],
      ['since', { since: '01' }],
      ['since', { since: '1.5' }],
      ['since', { since: '9007199254740992' }],
      ['since', { epoch: 'e' }],
      ['epoch', { epoch: 'e'.repeat(65), since: '1' }],
    ]) {
      const { status, body } = await poll(spaceId, place);
      assert.deepEqual([status, body.field], [400, field], JSON.stringify([place, body]));
      assert.match(body.code, /^(invalidField|missingField)$/);
    }
    assert.equal((await world.look(spaceId)).constructed, constructed);
  });

  test('it takes the credentials of every call, in every spelling', async () => {
    const spaceId = `räume.${world.newSpace()}`;
    assert.equal((await poll(spaceId)).status, 200, 'not in ASCII');
    for (const [options, status, error] of [
      [{ token: undefined }, 401, 'Invalid or missing gateway key'],
      [{ token: await world.token('another') }, 401, 'Token space mismatch'],
      [{ token: world.expiredToken(spaceId) }, 401, 'Token expired'],
      [{ token: await world.forgedToken(spaceId) }, 401, 'Invalid token signature'],
      [{ spaceId: undefined, token: 'x' }, 400, 'x-space-id required'],
    ]) {
      const answer = await poll(spaceId, { since: 'abc' }, options);
      assert.deepEqual([answer.status, answer.body.error], [status, error]);
      assert.equal(answer.headers.get('access-control-allow-origin'), '*', error);
    }
  });

  test('no cache keeps it, and pages may read it', async () => {
    const { spaceId, cursor } = await talk();
    const { headers } = await poll(spaceId, cursor);
    assert.equal(headers.get('cache-control'), 'no-store');
    assert.match(headers.get('content-type'), /^application\/json/);
    assert.equal(headers.get('access-control-allow-origin'), '*');
    const preflight = await world.call('OPTIONS', '/events');
    assert.equal(preflight.status, 204);
    assert.equal(preflight.headers.get('access-control-allow-methods'), 'GET, OPTIONS');
    assert.match(preflight.headers.get('access-control-allow-headers'), /x-space-token/);
  });

  test('HEAD is a GET without a body, and other methods are 405', async () => {
    const { spaceId, cursor } = await talk();
    const head = await world.call('HEAD', `/events?${new URLSearchParams(cursor)}`, { spaceId });
    assert.deepEqual([head.status, head.text], [200, '']);
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
      const { status, body, headers } = await world.call(method, '/events', { spaceId });
      assert.deepEqual(
        [status, body.error, headers.get('allow')],
        [405, 'Method not allowed', 'GET'],
        method,
      );
    }
    assert.equal((await world.call('GET', '/events/1', { spaceId })).status, 404);
  });
});

test('it counts as the caller’s other requests do: 429 with Retry-After, then works', async () => {
  const own = await World.start({ vars: { HTTP_BURST: '3', HTTP_PER_SECOND: '1' } });
  try {
    const call = await own.caller(own.newSpace(), { userId: 'bob' });
    const answers = [];
    for (let i = 0; i < 8; i += 1) answers.push(await call('GET', i % 2 ? '/events' : '/messages'));
    assert.deepEqual(
      answers.slice(0, 3).map(({ status }) => status),
      [200, 200, 200],
    );
    const refusal = answers.find(({ status }) => status === 429);
    assert.equal(refusal?.body.code, 'rateLimited');
    await sleep(Number(refusal.headers.get('retry-after')) * 1_000 + 50);
    assert.equal((await call('GET', '/events')).status, 200);
  } finally {
    await own.stop();
  }
});

test('a server that wants names tells nothing to who has none', async () => {
  const own = await World.start({ vars: { REQUIRE_IDENTITY: '1' } });
  try {
    const spaceId = own.newSpace();
    const nameless = await own.call('GET', '/events', { spaceId });
    assert.equal(nameless.body.code, 'identityRequired');
    const named = await own.call('GET', '/events', { spaceId, claims: { userId: 'bob' } });
    assert.equal(named.status, 200);
  } finally {
    await own.stop();
  }
});
