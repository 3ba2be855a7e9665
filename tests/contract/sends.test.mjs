/**
 * WebSocket, second version: messages, their acks, repeats, batches and bursts.
 *
 * Owns order and once-ness. Values of fields and rates have files of their own.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { World } from './lib/world.mjs';

let world;
before(async () => {
  world = await World.start();
});
after(() => world.stop());

describe('sends', { concurrency: true }, () => {
  async function room() {
    const spaceId = world.newSpace();
    const [ada, bob] = [
      await world.second(spaceId, { userId: 'ada' }),
      await world.second(spaceId, { userId: 'bob' }),
    ];
    return { spaceId, ada, bob };
  }

  test('the sender gets its message as an event, then the ack, which tells its seq', async () => {
    const { ada, bob } = await room();
    const ack = await ada.deliver({ text: 'hello' }, 'id-1');
    const event = await ada.message('hello');
    assert.ok(ada.frames.indexOf(event) < ada.frames.indexOf(ack));
    assert.equal(ack.seq, event.seq);
    assert.equal('message' in ack, false, 'only the ack of a repeat carries the message');
    const other = await bob.message('hello');
    assert.equal(other.seq, event.seq);
    assert.equal(other.message.id, event.message.id);
    assert.doesNotMatch(JSON.stringify(other), /id-1/, 'a clientMessageId is told back to its sender only');
  });

  test('seq is gapless over messages, participants and metadata', async () => {
    const { spaceId, ada, bob } = await room();
    await ada.deliver({ text: 'one' });
    await world.second(spaceId, { userId: 'new' });
    await world.call('PUT', '/metadata', { spaceId, gatewayKey: world.gatewayKey, body: { a: '1' } });
    await world.call('POST', '/messages', {
      spaceId,
      body: { senderId: 'post', senderType: 'user', text: 'two' },
    });
    await bob.deliver({ text: 'three' });
    for (const client of [ada, bob]) {
      await client.message('three');
      await client.fence();
      client.assertGapless();
      assert.deepEqual(client.texts, ['one', 'two', 'three']);
      const joined = client.ofType('participant').map(({ participant }) => participant.userId);
      assert.equal(joined.filter((each) => each === 'new').length, 1);
      assert.ok(!joined.includes('post'), 'whom no token names is a guest, and no event');
    }
  });

  test('a repeat gets the same ack, with the message, and is no second event', async () => {
    const { spaceId, ada, bob } = await room();
    const first = await ada.deliver({ text: 'once' }, 'same');
    const { message } = await ada.message('once');
    const again = await ada.deliver({ text: 'once' }, 'same');
    assert.equal(again.type, 'ack');
    assert.equal(again.seq, first.seq);
    assert.equal(again.message.id, message.id);
    const elsewhere = await world.second(spaceId, { userId: 'ada' });
    const third = await elsewhere.deliver({ text: 'once' }, 'same');
    assert.equal(third.seq, first.seq);
    assert.equal(third.message.id, message.id);
    const posted = await world.call('POST', '/messages', {
      spaceId,
      claims: { userId: 'ada' },
      body: { text: 'once', clientMessageId: 'same' },
    });
    assert.equal(posted.status, 201);
    assert.equal(posted.body.message.id, message.id);
    await ada.deliver({ text: 'marker' });
    await bob.message('marker');
    for (const client of [ada, bob]) assert.deepEqual(client.texts, ['once', 'marker']);
    bob.assertGapless();
    const { body } = await world.call('GET', '/messages', { spaceId });
    assert.equal(body.messages.length, 2);
  });

  test('what was posted by HTTP first is repeated by a socket', async () => {
    const { spaceId, ada } = await room();
    const body = { text: 'by post', clientMessageId: 'post-1' };
    const posted = await world.call('POST', '/messages', { spaceId, claims: { userId: 'ada' }, body });
    const ack = await ada.deliver({ text: 'by post' }, 'post-1');
    assert.equal(ack.message.id, posted.body.message.id);
  });

  test('a repeat within one batch is one message', async () => {
    const { ada } = await room();
    const entry = { type: 'message', text: 'twice', clientMessageId: 'twin' };
    ada.send([entry, entry]);
    await ada.wait(({ type, message }) => type === 'ack' && message, 'the ack of the repeat');
    assert.deepEqual(ada.texts, ['twice']);
    assert.equal(new Set(ada.ofType('ack').map(({ seq }) => seq)).size, 1);
  });

  test('the same id with another body is conflictingDuplicate', async () => {
    const { spaceId, ada } = await room();
    await ada.deliver({ text: 'one' }, 'same');
    const answer = await ada.deliver({ text: 'other' }, 'same');
    assert.equal(answer.code, 'conflictingDuplicate');
    const posted = await world.call('POST', '/messages', {
      spaceId,
      claims: { userId: 'ada' },
      body: { text: 'a third', clientMessageId: 'same' },
    });
    assert.equal(posted.status, 409);
    assert.equal(posted.body.code, 'conflictingDuplicate');
    assert.deepEqual(ada.texts, ['one']);
  });

  test('two users may use the same id', async () => {
    const { ada, bob } = await room();
    const [one, two] = [await ada.deliver({ text: 'a' }, 'same'), await bob.deliver({ text: 'b' }, 'same')];
    assert.deepEqual([one.type, two.type], ['ack', 'ack']);
    assert.notEqual(one.seq, two.seq);
  });

  test('without a name in the token, ids belong to the clientScope', async () => {
    const spaceId = world.newSpace();
    const draft = { senderId: 'x', senderType: 'user', text: 'hi' };
    const open = (clientScope) => world.second(spaceId, {}, { clientScope });
    const [one, same, other] = [await open('scope-one'), await open('scope-one'), await open('scope-two')];
    const first = await one.deliver(draft, 'same');
    assert.equal((await same.deliver(draft, 'same')).seq, first.seq);
    const foreign = await other.deliver(draft, 'same');
    assert.equal(foreign.type, 'ack');
    assert.notEqual(foreign.seq, first.seq);
  });

  test('a batch: each entry stands alone, with its own answer, a bad one in the middle too', async () => {
    const { ada, bob } = await room();
    ada.send([
      { type: 'message', text: 'first', clientMessageId: 'b1' },
      { type: 'message', text: 'x'.repeat(16_385), clientMessageId: 'b2' },
      { type: 'dance' },
      17,
      null,
      { type: 'message', text: { an: 'object' }, clientMessageId: 'b3' },
      { type: 'message', text: 'last', clientMessageId: 'b4' },
    ]);
    const answers = [];
    for (const id of ['b1', 'b2', 'b3', 'b4']) answers.push(await ada.answer(id));
    assert.deepEqual(
      answers.map(({ type, code }) => code ?? type),
      ['ack', 'invalidField', 'invalidField', 'ack'],
    );
    const codes = ada.ofType('error').map(({ code }) => code);
    assert.equal(codes.length, 5, JSON.stringify(codes));
    assert.ok(codes.includes('unknownType'));
    assert.equal(codes.filter((code) => code === 'badFrame').length, 2);
    await bob.message('last');
    assert.deepEqual(bob.texts, ['first', 'last']);
    bob.assertGapless();
  });

  test('a batch of 50 is answered entry by entry and arrives in order', async () => {
    const { ada, bob } = await room();
    const ids = Array.from({ length: 50 }, (_, i) => `m${i}`);
    ada.send(ids.map((id) => ({ type: 'message', text: id, clientMessageId: id })));
    for (const id of ids) assert.equal((await ada.answer(id)).type, 'ack');
    await bob.message('m49');
    assert.deepEqual(bob.texts, ids);
    assert.deepEqual(ada.texts, ids);
    for (const client of [ada, bob]) client.assertGapless();
  });

  test('a burst arrives in fewer frames than messages, in order, and none is larger than its limits', async () => {
    const { ada, bob } = await room();
    const before = bob.wire.length;
    for (let i = 0; i < 200; i += 1)
      ada.send({ type: 'message', text: `m${i}`, clientMessageId: `burst-${i}` });
    await bob.message('m199');
    assert.deepEqual(
      bob.texts,
      Array.from({ length: 200 }, (_, i) => `m${i}`),
    );
    bob.assertGapless();
    const frames = bob.wire.slice(before);
    assert.ok(frames.length < 200, `${frames.length} frames for 200 messages`);
    for (const frame of frames) if (Array.isArray(frame)) assert.ok(frame.length <= 50);
  });

  for (const [name, filler] of [
    ['ASCII', 'x'],
    ['two-byte characters', 'é'],
    ['three-byte characters', '語'],
    ['emoji', '🙂'],
  ]) {
    test(`a frame of ${name} may have 256 KiB as UTF-8 has it, and no byte more`, async () => {
      const { ada } = await room();
      const texts = Array.from({ length: 16 }, () => filler.repeat(16_100 / Buffer.byteLength(filler)));
      const frame = texts.map((text, i) => ({ type: 'message', text, clientMessageId: `m${i}` }));
      // The rest is a key that nobody knows.
      const rest = (bytes) => ({ ...frame[0], filler: filler + 'x'.repeat(bytes) });
      const missing = 256 * 1024 - Buffer.byteLength(JSON.stringify([rest(0), ...frame.slice(1)]));
      const full = [rest(missing), ...frame.slice(1)];
      assert.equal(Buffer.byteLength(JSON.stringify(full)), 256 * 1024);
      ada.send(full);
      await ada.wait(({ clientMessageId }) => clientMessageId === 'm15', 'the last ack');
      assert.deepEqual(ada.ofType('error'), []);
      ada.send([rest(missing + 1), ...frame.slice(1)]);
      const refused = await ada.error('tooLarge');
      assert.match(refused.error, /262145 bytes: at most 262144/);
    });
  }

  test('a lone message after silence comes whole: its event, then its ack, and nothing else', async () => {
    const { ada } = await room();
    await ada.fence();
    const from = ada.frames.length;
    await ada.deliver({ text: 'alone' }, 'lone');
    assert.deepEqual(
      ada.frames.slice(from).map(({ type }) => type),
      ['message', 'ack'],
    );
  });

  test('a message without clientMessageId is stored and has no ack', async () => {
    const { ada, bob } = await room();
    ada.send({ type: 'message', text: 'no id' });
    await bob.message('no id');
    await ada.fence();
    assert.deepEqual(ada.texts, ['no id']);
    assert.deepEqual(ada.ofType('ack'), []);
  });

  test('ids alone tell two messages of equal text apart', async () => {
    const { ada, spaceId } = await room();
    await ada.deliver({ text: 'same' });
    await ada.deliver({ text: 'same' });
    const { body } = await world.call('GET', '/messages', { spaceId });
    assert.equal(new Set(body.messages.map(({ id }) => id)).size, 2);
  });
});
