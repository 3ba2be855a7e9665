/**
 * Edits and deletions, over sockets and HTTP.
 *
 * Owns who may change which message, what everybody hears of it, and that a deleted text is in no table.
 */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { World } from './lib/world.mjs';

const NOBODYS_ID = `m1-${'0'.repeat(16)}`;

let world;
before(async () => {
  world = await World.start();
});
after(() => world.stop());

/** Ada wrote a message, and Bob reads along. */
async function room(text = 'first', fields = {}) {
  const spaceId = world.newSpace();
  const [ada, bob] = [
    await world.second(spaceId, { userId: 'ada' }),
    await world.second(spaceId, { userId: 'bob' }),
  ];
  await ada.deliver({ text, ...fields });
  const { message } = await bob.message(text);
  return { spaceId, ada, bob, message };
}

/** One HTTP call about one message. */
function change(method, spaceId, messageId, options = {}) {
  return world.call(method, `/messages/${messageId}`, { spaceId, ...options });
}

async function stored(spaceId, messageId) {
  const { body } = await world.call('GET', '/messages?v=2', { spaceId });
  return body.messages.find(({ id }) => id === messageId);
}

describe('an edit', { concurrency: true }, () => {
  test('over a socket: everybody hears the new state, then the author its ack', async () => {
    const { spaceId, ada, bob, message } = await room();
    const ack = await ada.edit(message.id, 'second', 'edit-1');
    assert.equal(ack.type, 'ack', JSON.stringify(ack));
    const own = await ada.update(message.id, 'second');
    assert.ok(ada.frames.indexOf(own) < ada.frames.indexOf(ack));
    assert.equal(ack.seq, own.seq);
    assert.deepEqual(ack.message, own.message);
    const heard = await bob.update(message.id, 'second');
    assert.deepEqual(heard, own);
    assert.ok(heard.message.updatedAt > message.updatedAt);
    assert.equal(heard.message.editedAt, heard.message.updatedAt);
    assert.deepEqual(
      { ...heard.message, text: 'first', updatedAt: message.updatedAt, editedAt: undefined },
      { ...message, editedAt: undefined },
      'nothing else changes: not its place, its time or its author',
    );
    assert.deepEqual(await stored(spaceId, message.id), heard.message);
    for (const client of [ada, bob]) client.assertGapless();
    assert.doesNotMatch(JSON.stringify(heard), /edit-1/, 'a clientMessageId is told back to its sender only');
  });

  test('over HTTP: PATCH answers the message, and sockets hear it', async () => {
    const { spaceId, ada, bob, message } = await room();
    const claims = { userId: 'ada' };
    const answer = await change('PATCH', spaceId, message.id, { claims, body: { text: 'patched' } });
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.body.success, true);
    assert.equal(answer.body.message.text, 'patched');
    for (const client of [ada, bob]) {
      const { message: heard } = await client.update(message.id, 'patched');
      assert.equal(heard.updatedAt, answer.body.message.updatedAt);
      client.assertGapless();
    }
  });

  test('updatedAt rises with each change, however fast they come', async () => {
    const { ada, bob, message } = await room();
    const times = [message.updatedAt];
    for (let i = 0; i < 20; i += 1) {
      ada.send({ type: 'edit', messageId: message.id, text: `t${i}`, clientMessageId: `fast-${i}` });
    }
    for (let i = 0; i < 20; i += 1) times.push((await ada.answer(`fast-${i}`)).message.updatedAt);
    // Of several that leave together a reader hears the last.
    assert.equal((await bob.update(message.id, 't19')).message.updatedAt, times.at(-1));
    times.slice(1).forEach((time, i) => {
      assert.ok(time > times[i], `${times}`);
    });
    bob.assertGapless();
  });

  test('of the bounds of a text, and of missing ones', async () => {
    const { spaceId, ada, message } = await room();
    assert.equal((await ada.edit(message.id, '')).code, 'missingField', 'an empty text is as good as none');
    for (const text of ['x'.repeat(16_385), 7, {}]) {
      assert.equal((await ada.edit(message.id, text)).code, 'invalidField', String(text).slice(0, 9));
    }
    for (const absent of [undefined, null]) {
      for (const answer of [await ada.edit(message.id, absent), await ada.edit(absent, 'x')]) {
        assert.equal(answer.code, 'missingField');
      }
    }
    assert.equal((await ada.edit(message.id, 'é'.repeat(8_192))).type, 'ack', '16 KiB are taken');
    const claims = { userId: 'ada' };
    for (const body of [{}, { text: '' }, { text: 'x'.repeat(16_385) }, 'no json', '']) {
      const answer = await change('PATCH', spaceId, message.id, { claims, body });
      assert.equal(answer.status, 400, answer.text);
      assert.equal(answer.headers.get('access-control-allow-origin'), '*');
    }
  });

  test('takes the text away from what has attachments, and from nothing else', async () => {
    const attachments = [{ id: '1', url: '/f', filename: 'f', contentType: 'a/b', size: 1 }];
    const claims = { userId: 'ada' };
    for (const by of ['socket', 'HTTP']) {
      const { spaceId, ada, bob, message } = await room('caption', { attachments });
      const emptied =
        by === 'HTTP'
          ? change('PATCH', spaceId, message.id, { claims, body: { text: '' } })
          : ada.edit(message.id, '');
      await emptied;
      const { message: heard } = await bob.update(message.id, '');
      assert.deepEqual([heard.attachments, heard.deletedAt], [attachments, undefined], by);
      assert.deepEqual(await stored(spaceId, message.id), heard);
    }
    const { spaceId, ada, message } = await room();
    const { code, field } = await ada.edit(message.id, '');
    assert.deepEqual([code, field], ['missingField', 'text']);
    const { status, body } = await change('PATCH', spaceId, message.id, { claims, body: { text: '' } });
    assert.deepEqual([status, body.code, body.field], [400, 'missingField', 'text']);
  });

  test('the first version is not told, and reads the new state', async () => {
    const { spaceId, ada, message } = await room();
    const old = await world.first(spaceId, { spaceToken: await world.token(spaceId, { userId: 'old' }) });
    await old.sendMessage({ senderId: 'old', senderType: 'user', text: 'here' });
    await old.message('here');
    await ada.edit(message.id, 'second');
    await ada.deliver({ text: 'marker' });
    await old.message('marker');
    assert.deepEqual([...new Set(old.socket.frames.map(({ type }) => type))], ['message']);
    assert.equal(old.messages.filter(({ id }) => id === message.id).length, 0);
    const [, , read] = await old.getMessages();
    assert.deepEqual([read.id, read.text], [message.id, 'second']);
  });
});

describe('a deletion', { concurrency: true }, () => {
  const attachments = [{ id: '1', url: '/secret-file', filename: 'f', contentType: 'a/b', size: 1 }];

  test('leaves a tombstone: over a socket', async () => {
    const { spaceId, ada, bob, message } = await room('unwanted', { attachments });
    await ada.edit(message.id, 'edited');
    const ack = await ada.remove(message.id);
    assert.equal(ack.type, 'ack', JSON.stringify(ack));
    const heard = await bob.update(message.id, '');
    assert.deepEqual(heard, await ada.update(message.id, ''));
    assert.equal(ack.seq, heard.seq);
    const tombstone = heard.message;
    assert.equal(tombstone.attachments, undefined);
    assert.equal(tombstone.deletedAt, tombstone.updatedAt);
    assert.equal(tombstone.createdAt, message.createdAt);
    assert.equal(tombstone.senderId, 'ada');
    assert.deepEqual(await stored(spaceId, message.id), tombstone, 'it keeps its place in the history');
    bob.assertGapless();
  });

  test('over HTTP: DELETE with and without a body', async () => {
    for (const body of [undefined, {}, { clientMessageId: randomUUID() }]) {
      const { spaceId, bob, message } = await room('unwanted', { attachments });
      const answer = await change('DELETE', spaceId, message.id, { claims: { userId: 'ada' }, body });
      assert.equal(answer.status, 200, answer.text);
      assert.equal(answer.body.success, true);
      assert.equal(answer.body.message.text, '');
      assert.ok(answer.body.message.deletedAt > 0);
      await bob.update(message.id, '');
      bob.assertGapless();
    }
  });

  test('twice is once', async () => {
    const { spaceId, ada, bob, message } = await room();
    const first = await ada.remove(message.id);
    const second = await ada.remove(message.id);
    assert.deepEqual([second.type, second.seq], ['ack', first.seq]);
    assert.deepEqual(second.message, first.message);
    const third = await change('DELETE', spaceId, message.id, { claims: { userId: 'ada' } });
    assert.equal(third.status, 200);
    assert.equal(third.body.message.deletedAt, first.message.deletedAt);
    await ada.deliver({ text: 'marker' });
    await bob.message('marker');
    assert.equal(bob.ofType('update').length, 1);
    bob.assertGapless();
  });

  test('is for good: editing what was deleted is not found', async () => {
    const { spaceId, ada, message } = await room();
    await ada.remove(message.id);
    const answer = await ada.edit(message.id, 'back');
    assert.deepEqual([answer.code, answer.field], ['notFound', 'messageId']);
    assert.match(answer.error, /the message was deleted/);
    const patched = await change('PATCH', spaceId, message.id, {
      claims: { userId: 'ada' },
      body: { text: 'back' },
    });
    assert.deepEqual([patched.status, patched.body.code], [404, 'notFound']);
    assert.match(patched.body.error, /the message was deleted/);
  });

  test('a_deleted_text_is_in_no_table', async () => {
    const { spaceId, ada, message } = await room('needle-first', {
      attachments: [{ ...attachments[0], url: '/needle-file', filename: 'needle-name' }],
    });
    await ada.edit(message.id, 'needle-second');
    await ada.edit(message.id, 'needle-third');
    for (const edited of ['needle-first', 'needle-second']) {
      assert.equal(await world.rowsWith(spaceId, edited), 0, 'an edit leaves nothing of the text before');
    }
    for (const kept of ['needle-third', 'needle-file', 'needle-name']) {
      assert.ok((await world.rowsWith(spaceId, kept)) > 0, 'the search finds what is there');
    }
    await ada.remove(message.id);
    assert.equal(await world.rowsWith(spaceId, 'needle'), 0);
  });

  test('a repeat of the send that made it is answered by the tombstone', async () => {
    const spaceId = world.newSpace();
    const ada = await world.second(spaceId, { userId: 'ada' });
    const sent = await ada.deliver({ text: 'once' }, 'same');
    const { message } = await ada.message('once');
    await ada.remove(message.id);
    const again = await ada.deliver({ text: 'once' }, 'same');
    assert.equal(again.seq, sent.seq);
    assert.deepEqual([again.message.text, again.message.id], ['', message.id]);
    assert.ok(again.message.deletedAt > 0);
    assert.equal((await world.call('GET', '/messages', { spaceId })).body.messages.length, 1);
  });
});

describe('an id', { concurrency: true }, () => {
  test('of no message is not found, whatever it looks like', async () => {
    const { spaceId, ada, message } = await room();
    const foreign = `${message.id.slice(0, -1)}${message.id.endsWith('0') ? '1' : '0'}`;
    const ids = [
      NOBODYS_ID,
      foreign,
      'm0-0',
      'm',
      'x',
      `m99-${'0'.repeat(16)}`,
      `m${'9'.repeat(40)}-0`,
      '房',
    ];
    for (const id of ids) {
      const answer = await ada.edit(id, 'x');
      assert.deepEqual([answer.code, answer.field], ['notFound', 'messageId'], id);
      for (const method of ['PATCH', 'DELETE']) {
        const body = method === 'PATCH' ? { text: 'x' } : undefined;
        const claims = { userId: 'ada' };
        const called = await change(method, spaceId, encodeURIComponent(id), { claims, body });
        assert.deepEqual([called.status, called.body.code], [404, 'notFound'], `${method} ${id}`);
        assert.equal(called.headers.get('access-control-allow-origin'), '*');
      }
    }
    for (const path of ['%zz', '%', 'x'.repeat(5_000)]) {
      const answer = await change('DELETE', spaceId, path, { claims: { userId: 'ada' } });
      assert.ok([400, 404].includes(answer.status), `${path.slice(0, 9)}: ${answer.text}`);
    }
    assert.equal((await stored(spaceId, message.id)).text, 'first');
  });

  test('in the path may be percent-encoded', async () => {
    const { spaceId, message } = await room();
    const encoded = message.id.replace('m', '%6D').replace('-', '%2D');
    const claims = { userId: 'ada' };
    const answer = await change('PATCH', spaceId, encoded, { claims, body: { text: 'found' } });
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.body.message.id, message.id);
  });

  test('the path takes PATCH and DELETE, and tells so', async () => {
    const { spaceId, message } = await room();
    for (const method of ['GET', 'POST', 'PUT']) {
      const body = method === 'GET' ? undefined : {};
      const answer = await change(method, spaceId, message.id, { body });
      assert.equal(answer.status, 405, method);
      assert.deepEqual(answer.headers.get('allow').split(', ').sort(), ['DELETE', 'PATCH']);
    }
    assert.equal((await world.call('PATCH', '/messages/a/b')).status, 404);
  });
});

describe('who may change a message', { concurrency: true }, () => {
  test('nobody but its author, whom the token names', async () => {
    const { spaceId, bob, message } = await room();
    for (const answer of [await bob.edit(message.id, 'mine'), await bob.remove(message.id)]) {
      assert.equal(answer.code, 'capRequired');
      assert.match(answer.error, /moderate/, 'the text says what would do');
    }
    for (const claims of [{ userId: 'bob' }, { userId: 'bob', role: 'agent' }, {}]) {
      const patched = await change('PATCH', spaceId, message.id, { claims, body: { text: 'mine' } });
      assert.deepEqual([patched.status, patched.body.code], [403, 'capRequired']);
      const deleted = await change('DELETE', spaceId, message.id, { claims });
      assert.deepEqual([deleted.status, deleted.body.code], [403, 'capRequired']);
    }
    assert.equal((await stored(spaceId, message.id)).text, 'first');
  });

  test('the author over any of its connections', async () => {
    const { spaceId, message } = await room();
    const laptop = await world.second(spaceId, { userId: 'ada' });
    assert.equal((await laptop.edit(message.id, 'from the laptop')).type, 'ack');
  });

  test('who holds the capability moderate, and who shows the gateway key', async () => {
    const { spaceId, message } = await room();
    const moderator = await world.second(spaceId, { userId: 'mo', caps: ['moderate'] });
    const edited = await moderator.edit(message.id, 'moderated');
    assert.equal(edited.message.senderId, 'ada', 'it stays its author’s');
    const { gatewayKey } = world;
    const deleted = await change('DELETE', spaceId, message.id, { gatewayKey });
    assert.equal(deleted.status, 200, deleted.text);
  });

  test('without a name in the token: the outbox that sent it, and no other', async () => {
    const spaceId = world.newSpace();
    const open = (clientScope) => world.second(spaceId, {}, clientScope ? { clientScope } : {});
    const draft = { senderId: 'guest', senderType: 'user', text: 'hi' };
    const one = await open('scope-one');
    await one.deliver(draft);
    const { message } = await one.message('hi');
    assert.doesNotMatch(JSON.stringify(one.frames), /scope-one/, 'a scope is nobody’s to read');
    for (const other of [await open('scope-two'), await open()]) {
      assert.equal((await other.edit(message.id, 'mine')).code, 'capRequired');
    }
    const again = await open('scope-one');
    assert.equal((await again.edit(message.id, 'edited')).type, 'ack');
    const named = await world.second(spaceId, { userId: 'guest' });
    assert.equal((await named.edit(message.id, 'mine')).code, 'capRequired', 'a name proves nothing later');
    const body = { text: 'patched', clientScope: 'scope-one' };
    assert.equal((await change('PATCH', spaceId, message.id, { body })).status, 200);
    const page = await world.call('GET', '/messages?v=2', { spaceId });
    assert.doesNotMatch(page.text, /scope-one|origin|changed/, 'what is stored with it is not told');
  });
});

describe('a change and its clientMessageId', { concurrency: true }, () => {
  test('a repeat gets the same ack, with the present state, and is no second event', async () => {
    const { spaceId, ada, bob, message } = await room();
    const first = await ada.edit(message.id, 'second', 'same');
    const later = await ada.edit(message.id, 'third');
    const again = await ada.edit(message.id, 'second', 'same');
    assert.deepEqual([again.type, again.seq], ['ack', first.seq]);
    assert.deepEqual(again.message, later.message, 'a repeat undoes nothing that came after it');
    const claims = { userId: 'ada' };
    const body = { text: 'second', clientMessageId: 'same' };
    const patched = await change('PATCH', spaceId, message.id, { claims, body });
    assert.deepEqual([patched.status, patched.body.message.text], [200, 'third']);
    await ada.deliver({ text: 'marker' });
    await bob.message('marker');
    assert.equal(bob.ofType('update').length, 2);
    bob.assertGapless();
  });

  test('the same id for something else is conflictingDuplicate', async () => {
    const { spaceId, ada, message } = await room('sent', {});
    await ada.deliver({ text: 'other' }, 'sent-id');
    const { message: other } = await ada.message('other');
    await ada.edit(message.id, 'second', 'same');
    for (const answer of [
      await ada.edit(message.id, 'another text', 'same'),
      await ada.edit(other.id, 'second', 'same'),
      await ada.remove(message.id, 'same'),
      await ada.deliver({ text: 'second' }, 'same'),
      await ada.edit(other.id, 'other', 'sent-id'),
    ]) {
      assert.equal(answer.code, 'conflictingDuplicate', JSON.stringify(answer));
    }
    const claims = { userId: 'ada' };
    const body = { clientMessageId: 'same' };
    const deleted = await change('DELETE', spaceId, message.id, { claims, body });
    assert.deepEqual([deleted.status, deleted.body.code], [409, 'conflictingDuplicate']);
  });

  test('in one batch with the send: each entry stands alone', async () => {
    const { ada, bob, message } = await room();
    ada.send([
      { type: 'edit', messageId: message.id, text: 'one', clientMessageId: 'b1' },
      { type: 'message', text: 'between', clientMessageId: 'b2' },
      { type: 'edit', messageId: NOBODYS_ID, text: 'x', clientMessageId: 'b3' },
      { type: 'edit', messageId: message.id, text: 'two', clientMessageId: 'b4' },
      { type: 'delete', messageId: message.id, clientMessageId: 'b5' },
    ]);
    const answers = [];
    for (const id of ['b1', 'b2', 'b3', 'b4', 'b5']) answers.push(await ada.answer(id));
    assert.deepEqual(
      answers.map(({ type, code }) => code ?? type),
      ['ack', 'ack', 'notFound', 'ack', 'ack'],
    );
    await bob.update(message.id, '');
    for (const client of [ada, bob]) client.assertGapless();
  });
});

test('a_deleted_text_is_in_no_table after a restart, either', async () => {
  const own = await World.start({ persist: true });
  try {
    const spaceId = own.newSpace();
    const ada = await own.second(spaceId, { userId: 'ada' });
    await ada.deliver({ text: 'needle-deleted' });
    await ada.deliver({ text: 'needle-kept' });
    const { message } = await ada.message('needle-deleted');
    await ada.remove(message.id);
    await own.restart();
    assert.equal(await own.rowsWith(spaceId, 'needle-deleted'), 0);
    assert.ok((await own.rowsWith(spaceId, 'needle-kept')) > 0);
    const back = await own.second(spaceId, { userId: 'ada' }, { since: '0' });
    await back.message('needle-kept');
    assert.doesNotMatch(JSON.stringify(back.frames), /needle-deleted/, 'it replays as a tombstone');
    assert.ok(back.frames.some(({ message: told }) => told?.id === message.id && told.deletedAt > 0));
  } finally {
    await own.stop();
  }
});

test('a message’s id tells its sender that it is the one it sent', async () => {
  const spaceId = world.newSpace();
  const ada = await world.second(spaceId, { userId: 'ada' });
  const clientMessageId = 'a-client-message-id';
  await ada.deliver({ text: 'mine' }, clientMessageId);
  const { message, seq } = await ada.message('mine');
  assert.equal(message.id, `m${seq}-${fnv1a64(clientMessageId)}`);
  ada.send({ type: 'message', text: 'without' });
  assert.match((await ada.message('without')).message.id, /^m\d+-[0-9a-f]{16}$/);
});

/** FNV-1a of 64 bits, in hex. */
function fnv1a64(text) {
  let hash = 0xcbf29ce484222325n;
  for (const byte of Buffer.from(text, 'utf8')) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  }
  return hash.toString(16).padStart(16, '0');
}
