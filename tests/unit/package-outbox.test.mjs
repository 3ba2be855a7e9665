/**
 * What a client makes of the outbox: calls, news, the store, holes in the log, and storage that fails.
 *
 * Owns nothing but expectations; the core is a double.
 */

import assert from 'node:assert/strict';
import { afterEach, describe, mock, test } from 'node:test';
import { setImmediate as nextTask } from 'node:timers/promises';

import { placeOf } from '../../pkg-template/options.js';
import { CONFIG, CoreDouble, setUp, setUpConnected } from './lib/core-double.mjs';
import { row } from './lib/outbox-fakes.mjs';

const stored = (seq, more = {}) => ({
  id: `m${seq}`,
  seq,
  senderId: 'ada',
  senderType: 'user',
  text: `text ${seq}`,
  createdAt: seq,
  updatedAt: seq,
  ...more,
});

const shown = (client) =>
  client.getSnapshot().messages.map(({ id, text, status }) => [id, text, status].filter(Boolean).join(' '));

const codeOf = (promise) =>
  promise.then(
    () => 'resolved',
    (error) => error.code,
  );

afterEach(() => mock.restoreAll());

describe('calls', () => {
  test('reach the core with what it takes, and give what it gives', async () => {
    const { client, core } = await setUpConnected();
    const edit = { text: 'new', until: 'stored' };
    client.editMessage('m1', edit);
    edit.text = 'changed later';
    client.editMessage('m1', { text: 'newer' });
    client.deleteMessage('m1');
    client.deleteMessage('m2', { until: 'stored' });
    const retried = client.retry('c1');
    client.discard('c2');
    assert.deepEqual(core.asked.slice(1), [
      ['editMessage', 'm1', { text: 'new' }, true],
      ['editMessage', 'm1', { text: 'newer' }, false],
      ['deleteMessage', 'm1', false],
      ['deleteMessage', 'm2', true],
      ['retry', 'c1'],
      ['discard', 'c2'],
    ]);
    core.settle('retry', 'resolve', stored(3));
    assert.deepEqual(await retried, stored(3));
    await assert.rejects(client.deleteMessage('m1', { until: 'read' }), { field: 'until' });
    await assert.rejects(client.editMessage('m1', { text: '' }, 'stored'), { field: 'options' });
    client.close();
    for (const call of ['editMessage', 'deleteMessage', 'retry', 'discard', 'clearLocal']) {
      assert.equal(await codeOf(client[call]('m1')), 'closed');
    }
  });

  test('clearLocal() takes no token: whoever signs out has none any more', async () => {
    const { client, load } = setUp({ spaceToken: undefined });
    const clearing = client.clearLocal();
    assert.equal(await codeOf(client.discard('c1')), 'invalidArgument');
    const core = await load();
    core.settle('clearLocal', 'resolve');
    await clearing;
    client.close();
  });
});

describe('news of the outbox', () => {
  test('an optimistic message is shown and told at once, and never by onMessage', async () => {
    const onMessage = mock.fn();
    const { client, core } = await setUpConnected({ onMessage });
    const updates = [];
    client.on('messageUpdate', (update) => updates.push(update));
    core.host.onMessage(stored(1));
    core.host.onOutbox({ row: row('c1', { body: { text: 'hello' } }), status: 'pending' });
    assert.deepEqual(shown(client), ['m1 text 1', 'c1 hello pending']);
    assert.deepEqual(updates, [
      {
        id: 'c1',
        senderId: 'ada',
        senderType: 'user',
        text: 'hello',
        createdAt: 1_000,
        updatedAt: 1_000,
        status: 'pending',
        clientMessageId: 'c1',
      },
    ]);
    assert.equal(onMessage.mock.callCount(), 1);
  });

  test('nothing_shows_twice: the stored message takes the place of the optimistic one in one snapshot', async () => {
    const onMessageUpdate = mock.fn();
    const { client, core } = await setUpConnected({ onMessageUpdate });
    const seen = [];
    client.subscribe(() => seen.push(shown(client)));
    core.host.onOutbox({ row: row('c1'), status: 'pending' });
    await nextTask();
    core.host.onOutbox({ row: row('c1'), status: 'sent', message: stored(1) });
    const between = client.getSnapshot().messages;
    await nextTask();
    core.host.onMessage(stored(1));
    assert.equal(client.getSnapshot().messages, between, 'the event that follows changes nothing');
    await nextTask();
    assert.deepEqual(seen, [['c1 text of c1 pending'], ['m1 text 1 sent']]);
    assert.equal(between[0].clientMessageId, 'c1');
    const [, sent] = onMessageUpdate.mock.calls.map(({ arguments: [update] }) => update);
    assert.deepEqual(sent, { ...stored(1), status: 'sent', clientMessageId: 'c1' });
  });

  test('a refusal stays, with its reason, until it is retried or discarded', async () => {
    const { client, core } = await setUpConnected();
    const updates = [];
    client.on('messageUpdate', ({ status, error, dropped }) => updates.push([status, error?.code, dropped]));
    const error = core.host.error('senderMismatch', 'refused', false);
    const failure = { code: 'senderMismatch', message: 'refused' };
    for (const id of ['c1', 'c2']) {
      core.host.onOutbox({ row: row(id), status: 'pending' });
    }
    core.host.onOutbox({ row: row('c1', { failure }), status: 'failed', error });
    assert.deepEqual(shown(client), ['c1 text of c1 failed', 'c2 text of c2 pending']);
    assert.equal(client.getSnapshot().messages[0].error, error);
    core.host.onOutbox({ row: row('c1'), status: 'pending' });
    assert.deepEqual(shown(client), ['c2 text of c2 pending', 'c1 text of c1 pending'], 'behind the others');
    assert.equal(client.getSnapshot().messages[1].error, undefined);
    core.host.onOutbox({ row: row('c1'), status: 'dropped' });
    assert.deepEqual(shown(client), ['c2 text of c2 pending']);
    core.host.onOutbox({ row: row('c2'), status: 'sent' });
    assert.deepEqual(shown(client), []);
    assert.deepEqual(updates, [
      ['pending', undefined, undefined],
      ['pending', undefined, undefined],
      ['failed', 'senderMismatch', undefined],
      ['pending', undefined, undefined],
      ['pending', undefined, true],
      ['sent', undefined, true],
    ]);
  });

  test('an edit is laid over the stored message, and falls back when it is refused', async () => {
    const { client, core } = await setUpConnected();
    const updates = [];
    client.on('messageUpdate', ({ id, text, status }) => updates.push(`${id} ${text} ${status}`));
    core.host.onMessage(stored(1));
    const edit = (id, text, more) => row(id, { operation: 'edit', body: { messageId: 'm1', text }, ...more });
    core.host.onOutbox({ row: edit('e1', 'first'), status: 'pending' });
    core.host.onOutbox({ row: edit('e2', 'second'), status: 'pending' });
    assert.deepEqual(shown(client), ['m1 second pending']);
    const message = stored(1, { text: 'first', updatedAt: 7, editedAt: 7 });
    core.host.onUpdate(message);
    core.host.onOutbox({ row: edit('e1', 'first'), status: 'sent', message });
    assert.deepEqual(shown(client), ['m1 second pending']);
    const error = core.host.error('capRequired', 'no', false);
    core.host.onOutbox({ row: edit('e2', 'second', { failure: {} }), status: 'failed', error });
    assert.deepEqual(shown(client), ['m1 first failed']);
    assert.equal(client.getSnapshot().messages[0].clientMessageId, 'e2');
    core.host.onOutbox({ row: edit('e2', 'second'), status: 'dropped' });
    assert.deepEqual(shown(client), ['m1 first']);
    assert.equal(client.getSnapshot().messages[0].error, undefined);
    assert.deepEqual(updates, ['m1 first pending', 'm1 second pending', 'm1 first failed', 'm1 first sent']);
    core.host.onOutbox({ row: edit('e3', 'third'), status: 'pending' });
    core.host.onUpdate(stored(1, { text: '', updatedAt: 8, deletedAt: 8 }));
    assert.match(updates.at(-1), /^m1 {2}sent$/, 'what was deleted is told at once');
  });

  test('a change of a message that nobody has seen is not made up', async () => {
    const onMessageUpdate = mock.fn();
    const { client, core } = await setUpConnected({ onMessageUpdate });
    const deletion = row('d1', { operation: 'delete', body: { messageId: 'm1' } });
    core.host.onOutbox({ row: deletion, status: 'pending' });
    assert.equal(onMessageUpdate.mock.callCount(), 0);
    const reading = client.getMessages();
    const attachments = [{ id: 'f' }];
    core.settle('getMessages', 'resolve', [stored(1, { attachments })]);
    await reading;
    const [message] = client.getSnapshot().messages;
    assert.deepEqual([message.text, message.status, message.attachments], ['', 'pending', undefined]);
    assert.equal(message.deletedAt, 1_000);
  });

  test('a_change_that_failed_is_told_always: also when the message is not known here', async () => {
    const onMessageUpdate = mock.fn();
    const { client, core } = await setUpConnected({ onMessageUpdate });
    const updates = () => onMessageUpdate.mock.calls.map(({ arguments: [update] }) => update);
    const error = core.host.error('capRequired', 'no', false);
    const tell = (change) => {
      core.host.onOutbox({ row: change, status: 'pending' });
      core.host.onOutbox({ row: { ...change, failure: {} }, status: 'failed', error });
    };
    const made = { senderType: 'user', createdAt: 1_000, updatedAt: 1_000, status: 'failed', error };
    tell(row('e1', { operation: 'edit', body: { messageId: 'm1', text: 'new' } }));
    tell(row('d1', { operation: 'delete', owner: 'bearer', body: { messageId: 'm2' } }));
    assert.deepEqual(updates(), [
      { ...made, id: 'm1', senderId: 'ada', text: 'new', clientMessageId: 'e1' },
      { ...made, id: 'm2', senderId: '', text: '', clientMessageId: 'd1' },
    ]);
    assert.deepEqual(shown(client), [], 'the list shows nothing that is made up');
    core.host.onMessage(stored(3));
    core.host.onOutbox({
      row: row('e3', { operation: 'edit', body: { messageId: 'm3', text: 'new' } }),
      status: 'pending',
    });
    core.host.onDiscontinuity('gap');
    const failed = row('e3', { operation: 'edit', body: { messageId: 'm3', text: 'new' }, failure: {} });
    core.host.onOutbox({ row: failed, status: 'failed', error });
    assert.deepEqual(updates().at(-1), {
      ...made,
      id: 'm3',
      senderId: 'ada',
      text: 'new',
      clientMessageId: 'e3',
    });
    client.close();
  });

  test('a_deleted_message_gets_no_text_back: an edit that is laid over it changes nothing', async () => {
    const { client, core } = await setUpConnected();
    const edit = (id) => row(id, { operation: 'edit', body: { messageId: 'm1', text: 'edited' } });
    core.host.onMessage(stored(1));
    core.host.onOutbox({ row: edit('e1'), status: 'pending' });
    assert.deepEqual(shown(client), ['m1 edited pending']);
    core.host.onUpdate(stored(1, { text: '', updatedAt: 7, deletedAt: 7 }));
    const [{ text, deletedAt, editedAt }] = client.getSnapshot().messages;
    assert.deepEqual([text, deletedAt, editedAt], ['', 7, undefined]);
    core.host.onMessage(stored(2));
    const deletion = row('d2', { operation: 'delete', body: { messageId: 'm2' } });
    core.host.onOutbox({ row: deletion, status: 'pending' });
    core.host.onOutbox({
      row: { ...edit('e2'), body: { messageId: 'm2', text: 'late' } },
      status: 'pending',
    });
    assert.equal(client.getSnapshot().messages[1].text, '', 'nor one that was made after a deletion');
  });

  test('an empty text is refused at once where the message is shown without attachments', async () => {
    const { client, core } = await setUpConnected();
    const attachments = [{ id: 'f', url: '/f', filename: 'f', contentType: 'a/b', size: 1 }];
    core.host.onMessage(stored(1));
    core.host.onMessage(stored(2, { attachments }));
    const before = core.asked.length;
    await assert.rejects(client.editMessage('m1', { text: '' }), { code: 'invalidArgument', field: 'text' });
    client.editMessage('m2', { text: '' });
    client.editMessage('m3', { text: '' });
    const asked = core.asked.slice(before).map(([, id]) => id);
    assert.deepEqual(asked, ['m2', 'm3'], 'of what is not shown, the room decides');
    client.close();
  });

  test('a change by one request is told once, and shown', async () => {
    const onMessageUpdate = mock.fn();
    const { client, core } = await setUpConnected({ onMessageUpdate });
    const told = () => onMessageUpdate.mock.calls.map(({ arguments: [{ text, status }] }) => [text, status]);
    core.host.onMessage(stored(1));
    client.disconnect();
    const edited = stored(1, { text: 'edited', updatedAt: 20, editedAt: 20 });
    const editing = client.editMessage('m1', { text: 'edited' });
    await nextTask();
    core.settle('editMessage', 'resolve', edited);
    assert.equal(await editing, edited);
    assert.deepEqual(shown(client), ['m1 edited']);
    const deleted = stored(1, { text: '', updatedAt: 30, deletedAt: 30 });
    const deleting = client.deleteMessage('m1');
    await nextTask();
    core.settle('deleteMessage', 'resolve', deleted);
    await deleting;
    assert.equal(client.getSnapshot().messages[0].deletedAt, 30);
    const refused = client.editMessage('m1', { text: 'late' });
    await nextTask();
    core.settle('editMessage', 'reject', core.host.error('notFound', 'no', false));
    assert.equal(await codeOf(refused), 'notFound');
    const late = client.deleteMessage('m1');
    await nextTask();
    core.settle('deleteMessage', 'resolve', stored(1, { updatedAt: 40 }));
    client.close();
    await late.catch(() => {});
    assert.deepEqual(shown(client), ['m1'], 'what is closed stays as it was');
    assert.deepEqual(told(), [
      ['edited', 'sent'],
      ['', 'sent'],
    ]);
  });

  test('nothing_is_told_twice: a change that the outbox or the log told of is not told by its call', async () => {
    const { client, core } = await setUpConnected();
    const updates = [];
    client.on('messageUpdate', ({ id, status, updatedAt }) => updates.push([id, status, updatedAt]));
    const change = row('e1', { operation: 'edit', body: { messageId: 'm1', text: 'x' } });
    const message = stored(1, { updatedAt: 20, text: 'x' });
    const editing = client.editMessage('m1', { text: 'x' });
    core.host.onOutbox({ row: change, status: 'sent', message });
    core.settle('editMessage', 'resolve', message);
    await editing;
    const deleting = client.deleteMessage('m2');
    core.settle('deleteMessage', 'resolve', stored(2, { updatedAt: 30 }));
    core.host.onUpdate(stored(2, { updatedAt: 30 }));
    await deleting;
    const waiting = client.editMessage('m3', { text: 'y' });
    core.settle('editMessage', 'resolve', undefined);
    await waiting;
    assert.deepEqual(updates, [
      ['m1', 'sent', 20],
      ['m2', 'sent', 30],
    ]);
    client.close();
  });

  test('edits and deletions by anybody are told as such', async () => {
    const onMessageUpdate = mock.fn();
    const { core, client } = await setUpConnected({ onMessageUpdate });
    core.host.onUpdate(stored(9, { updatedAt: 20, text: '', deletedAt: 20 }));
    const [update] = onMessageUpdate.mock.calls[0].arguments;
    assert.deepEqual([update.id, update.status, update.deletedAt], ['m9', 'sent', 20]);
    assert.deepEqual(shown(client), [], 'a message that is not there does not appear by an update');
    core.host.onMessage(stored(8));
    core.host.onUpdate(stored(8, { updatedAt: 21, text: 'new', editedAt: 21 }));
    assert.deepEqual(shown(client), ['m8 new'], 'no status: it is not one of our own');
  });
});

describe('a hole in the log', () => {
  test('is told to whoever listens, and else as an error', async () => {
    const onError = mock.fn();
    const { client, core } = await setUpConnected({ onError });
    core.host.onDiscontinuity('gap');
    const [error] = onError.mock.calls[0].arguments;
    assert.deepEqual([error.code, error.name], ['discontinuity', 'ChatError']);
    assert.match(error.message, /\(gap\).+onDiscontinuity/);
    const heard = mock.fn();
    const stop = client.on('discontinuity', heard);
    core.host.onDiscontinuity('reset');
    assert.deepEqual(heard.mock.calls[0].arguments, ['reset']);
    assert.equal(onError.mock.callCount(), 1);
    stop();
    core.host.onDiscontinuity('gap');
    assert.equal(onError.mock.callCount(), 2);
    assert.equal(client.getSnapshot().error, undefined, 'the store mends itself');
  });

  test('the store drops what it had and loads the newest messages; what is on its way stays', async () => {
    const { client, core } = await setUpConnected();
    core.host.onMessage(stored(1));
    core.host.onOutbox({ row: row('c1'), status: 'pending' });
    core.host.onDiscontinuity('gap');
    assert.deepEqual(shown(client), ['c1 text of c1 pending']);
    core.host.onMessage(stored(11));
    core.settle('newestMessages', 'resolve', [stored(9), stored(10), stored(11)]);
    await nextTask();
    assert.deepEqual(shown(client), ['m9 text 9', 'm10 text 10', 'm11 text 11', 'c1 text of c1 pending']);
  });

  test('a store that nobody uses loads nothing', async () => {
    const { client, core } = await setUpConnected();
    core.host.onDiscontinuity('gap');
    assert.ok(!core.names().includes('newestMessages'));
    client.subscribe(() => {});
    core.host.onDiscontinuity('gap');
    assert.ok(core.names().includes('newestMessages'));
  });

  test('when loading fails, the next connection tries again', async () => {
    const { client, core } = await setUpConnected();
    core.host.onMessage(stored(1));
    core.host.onDiscontinuity('gap');
    core.settle('newestMessages', 'reject', new Error('network'));
    await nextTask();
    core.host.onState({ state: 'reconnecting' });
    core.host.onState({ state: 'connected' });
    core.settle('newestMessages', 'resolve', [stored(8)]);
    await nextTask();
    assert.deepEqual(shown(client), ['m8 text 8']);
    core.host.onState({ state: 'reconnecting' });
    core.host.onState({ state: 'connected' });
    assert.equal(core.names().filter((name) => name === 'newestMessages').length, 2);
  });

  test('a_store_stays_empty_no_longer_than_the_trouble: loading is repeated, ever more slowly', async (t) => {
    const { client, core } = await setUpConnected();
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const asked = () => core.names().filter((name) => name === 'newestMessages').length;
    const fail = async () => {
      core.settle('newestMessages', 'reject', new Error('network'));
      await nextTask();
    };
    core.host.onMessage(stored(1));
    core.host.onDiscontinuity('gap');
    let expected = 1;
    for (const delayMs of [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]) {
      await fail();
      t.mock.timers.tick(delayMs - 1);
      assert.equal(asked(), expected, `not before ${delayMs} ms`);
      t.mock.timers.tick(1);
      expected += 1;
      assert.equal(asked(), expected, `after ${delayMs} ms`);
    }
    await fail();
    core.host.onDiscontinuity('reset');
    assert.equal(asked(), expected + 1, 'another one asks at once');
    await fail();
    t.mock.timers.tick(1_000);
    assert.equal(asked(), expected + 2, 'and starts over');
    core.settle('newestMessages', 'resolve', [stored(8)]);
    await nextTask();
    assert.deepEqual(shown(client), ['m8 text 8']);
    t.mock.timers.tick(120_000);
    assert.equal(asked(), expected + 2, 'it worked');
  });

  test('loading rests without a link, and goes on with the next', async (t) => {
    for (const end of ['reconnecting', 'idle', 'close']) {
      const { client, core } = await setUpConnected();
      t.mock.timers.enable({ apis: ['setTimeout'] });
      const asked = () => core.names().filter((name) => name === 'newestMessages').length;
      core.host.onMessage(stored(1));
      core.host.onDiscontinuity('gap');
      core.settle('newestMessages', 'reject', new Error('network'));
      await nextTask();
      if (end === 'close') {
        client.close();
      } else {
        core.host.onState({ state: end });
      }
      t.mock.timers.tick(60_000);
      assert.equal(asked(), 1, end);
      if (end !== 'close') {
        core.host.onState({ state: 'connected' });
        assert.equal(asked(), 2, 'asked at once');
        core.host.onState({ state: 'reconnecting' });
        core.settle('newestMessages', 'reject', new Error('network'));
        await nextTask();
        t.mock.timers.tick(60_000);
        assert.equal(asked(), 2, 'a failure without a link is not followed by another request');
        client.close();
      }
      t.mock.timers.reset();
    }
  });

  test('only the latest request that failed is repeated, and none before there is a link', async (t) => {
    const { client, core } = await setUpConnected();
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const asked = () => core.names().filter((name) => name === 'newestMessages').length;
    core.host.onMessage(stored(1));
    core.host.onState({ state: 'reconnecting' });
    core.host.onDiscontinuity('gap');
    core.settle('newestMessages', 'reject', new Error('network'));
    await nextTask();
    t.mock.timers.tick(60_000);
    assert.equal(asked(), 1);
    core.host.onState({ state: 'connected' });
    core.host.onDiscontinuity('reset');
    const [earlier, latest] = core.owed.filter(({ name }) => name === 'newestMessages');
    earlier.reject(new Error('network'));
    await nextTask();
    t.mock.timers.tick(60_000);
    assert.equal(asked(), 3, 'the latest is under way still');
    latest.reject(new Error('network'));
    await nextTask();
    t.mock.timers.tick(1_000);
    assert.equal(asked(), 4);
    client.close();
  });

  test('pages that were asked for before it are not merged in', async () => {
    const { client, core } = await setUpConnected();
    core.host.onMessage(stored(1));
    const reading = client.getMessages();
    core.host.onDiscontinuity('gap');
    core.host.onDiscontinuity('reset');
    const [first] = core.owed.filter(({ name }) => name === 'newestMessages');
    first.resolve([stored(2)]);
    core.settle('getMessages', 'resolve', [stored(3)]);
    assert.deepEqual(await reading, [stored(3)]);
    await nextTask();
    assert.deepEqual(shown(client), []);
    core.settle('newestMessages', 'resolve', [stored(4)]);
    await nextTask();
    assert.deepEqual(shown(client), ['m4 text 4']);
  });
});

describe('states', () => {
  test('offline is one, and the next attempt has a time', async (t) => {
    t.mock.timers.enable({ apis: ['Date'], now: 5_000 });
    const states = [];
    const { client, core } = await setUpConnected({ onStateChange: (change) => states.push(change) });
    core.host.onState({ state: 'offline' });
    core.host.onState({ state: 'reconnecting', retryInMs: 700 });
    assert.deepEqual(states.slice(-2), [
      { state: 'offline' },
      { state: 'reconnecting', retryInMs: 700, retryAt: 5_700 },
    ]);
    const { state, connected, retryInMs, retryAt } = client.getSnapshot();
    assert.deepEqual(
      { state, connected, retryInMs, retryAt },
      {
        state: 'reconnecting',
        connected: false,
        retryInMs: 700,
        retryAt: 5_700,
      },
    );
  });
});

describe('storage', () => {
  test('in Node memory serves', async () => {
    const { client, core } = await setUpConnected();
    core.host.loadOutbox();
    await nextTask();
    assert.deepEqual(core.asked.slice(1), [['outboxLoaded', []]]);
    assert.equal(client.persistence, 'memory');
    assert.equal(client.getSnapshot().persistence, 'memory');
    core.host.putRow(row('c1'));
    core.host.removeRow('c1');
    await nextTask();
    assert.deepEqual(core.asked.slice(2), [
      ['persisted', 'c1'],
      ['removed', 'c1'],
    ]);
    client.close();
    core.host.loadOutbox();
    await nextTask();
    assert.equal(core.asked.length, 5, 'a closed client asks its core nothing but to disconnect');
  });

  test('persistence_that_is_lost_is_said, once', async (t) => {
    for (const [name, value] of [
      ['indexedDB', { open: () => assert.fail('opened by idb only') }],
      ['sessionStorage', { getItem: () => null, setItem: () => {} }],
    ]) {
      Object.defineProperty(globalThis, name, { configurable: true, value });
      t.after(() => Object.defineProperty(globalThis, name, { configurable: true, value: undefined }));
    }
    const onError = mock.fn();
    const { client, core } = await setUpConnected({ onError });
    const { persistence } = client;
    assert.notEqual(persistence, 'memory');
    assert.equal(client.getSnapshot().persistence, persistence);
    globalThis.indexedDB.open = () => {
      throw new DOMException('storage is broken', 'UnknownError');
    };
    core.host.loadOutbox();
    for (let round = 0; round < 10; round += 1) {
      await nextTask();
    }
    assert.deepEqual(
      onError.mock.calls.map(({ arguments: [error] }) => [error.code, error.cause.message]),
      [['persistenceLost', 'storage is broken']],
    );
    assert.deepEqual([client.persistence, client.getSnapshot().persistence], ['memory', 'memory']);
    assert.ok(core.names().includes('persistFailed'));
    client.close();
  });

  test('closing a client gives back what its outbox holds of the page', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const page = new EventTarget();
    const listening = new Set();
    page.addEventListener = (event) => listening.add(event);
    page.removeEventListener = (event) => listening.delete(event);
    const globals = {
      indexedDB: { open: () => new EventTarget() },
      IDBRequest: EventTarget,
      sessionStorage: { getItem: () => null, setItem: () => {} },
      window: page,
    };
    for (const [name, value] of Object.entries(globals)) {
      Object.defineProperty(globalThis, name, { configurable: true, value });
      t.after(() => Object.defineProperty(globalThis, name, { configurable: true, value: undefined }));
    }
    const { client, core } = await setUpConnected();
    core.host.loadOutbox();
    assert.deepEqual([...listening].sort(), ['pagehide', 'pageshow']);
    client.close();
    assert.deepEqual([...listening], []);
  });

  test('two spellings of one Worker are one place', () => {
    const place = (workerUrl) => placeOf({ workerUrl, spaceId: 's' }).workerUrl;
    assert.equal(place('https://chat.example'), 'https://chat.example');
    for (const other of ['https://chat.example/', 'wss://chat.example', ' HTTPS://Chat.Example// ']) {
      assert.equal(place(other), 'https://chat.example');
    }
    assert.equal(place('ws://chat.example:81/a/?b=c'), 'http://chat.example:81/a?b=c');
    assert.notEqual(place('http://chat.example'), place('https://chat.example'));
  });

  test('making a client touches no storage', () => {
    const touched = mock.fn();
    const storage = new Proxy({}, { get: touched });
    Object.defineProperty(globalThis, 'sessionStorage', { configurable: true, value: storage });
    Object.defineProperty(globalThis, 'indexedDB', { configurable: true, value: storage });
    try {
      setUp().client.close();
    } finally {
      Object.defineProperty(globalThis, 'sessionStorage', { configurable: true, value: undefined });
      Object.defineProperty(globalThis, 'indexedDB', { configurable: true, value: undefined });
    }
    assert.equal(touched.mock.callCount(), 0);
    assert.deepEqual([CoreDouble.made, CONFIG.spaceId], [[], 'a']);
  });
});
