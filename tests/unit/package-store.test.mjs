/**
 * The store: merging, stability of snapshots, and when subscribers are told.
 *
 * Owns nothing but expectations.
 */

import assert from 'node:assert/strict';
import { describe, mock, test } from 'node:test';

import { STORE_LIMITS, Store } from '../../pkg-template/store.js';
import { row } from './lib/outbox-fakes.mjs';

/** A store that somebody looks at. */
function newStore() {
  const store = new Store(() => false);
  store.look();
  return store;
}

const message = (seq, id = `m${seq}`) => ({ id, seq, createdAt: seq * 10, text: id });
const seqs = (store) => store.snapshot().messages.map(({ seq }) => seq);
const microtask = () => Promise.resolve();

describe('messages', () => {
  test('live messages and pages are merged in the order of the log, each once', () => {
    const store = newStore();
    store.addMessages([message(5)]);
    store.addMessages([message(3), message(4), message(5)]);
    store.addMessages([message(6)]);
    store.addMessages([message(2), message(1)]);
    assert.deepEqual(seqs(store), [1, 2, 3, 4, 5, 6]);
  });

  test('what comes before one’s own, told by its ack, costs no walk through the whole list', () => {
    const store = newStore();
    const many = STORE_LIMITS.messages - 200;
    let looks = 0;
    const counted = (seq) => {
      const { seq: _, ...rest } = message(seq);
      const get = () => {
        looks += 1;
        return seq;
      };
      return Object.defineProperty(rest, 'seq', { enumerable: true, get });
    };
    store.addMessages(Array.from({ length: many }, (_, i) => counted(i + 1)));
    for (const own of [1, 2, 3]) store.addMessages([counted(1_000_000 + own)]);
    looks = 0;
    for (let i = 1; i <= 100; i += 1) store.addMessages([counted(many + i)]);
    assert.ok(looks > 0 && looks < 100 * 100, `${looks} looks at places`);
    const all = seqs(store);
    assert.deepEqual(all.slice(-4), [many + 100, 1_000_001, 1_000_002, 1_000_003]);
    assert.deepEqual(
      all,
      [...all].sort((a, b) => a - b),
    );
  });

  test('messages without a place in the log are ordered by time, and keep their order when it is equal', () => {
    const store = newStore();
    const plain = (id, createdAt) => ({ id, createdAt });
    store.addMessages([plain('c', 2), plain('a', 1), plain('d', 2), plain('b', 1)]);
    assert.equal(
      store
        .snapshot()
        .messages.map(({ id }) => id)
        .join(''),
      'abcd',
    );
  });

  test('one’s own, confirmed before others of its time were told, moves to where it is told', () => {
    const store = newStore();
    const plain = (id, createdAt) => ({ id, createdAt, updatedAt: createdAt, text: id });
    const ids = () => store.snapshot().messages.map(({ id }) => id);
    store.addMessages([plain('a', 1)]);
    store.followOutbox({ row: row('own'), status: 'pending' });
    store.followOutbox({ row: row('own'), status: 'sent', message: plain('mine', 2) });
    assert.deepEqual(ids(), ['a', 'mine']);
    const mine = store.snapshot().messages[1];
    // One by one, as live messages are, in the server's order.
    for (const id of ['earlier', 'mine', 'later']) {
      store.addMessages([plain(id, 2)]);
    }
    assert.deepEqual(ids(), ['a', 'earlier', 'mine', 'later']);
    assert.equal(store.snapshot().messages[2], mine, 'nothing happened to it');
    assert.equal(mine.clientMessageId, 'own');
    // Told again, it stays.
    store.addMessages([plain('mine', 2), plain('later', 2)]);
    assert.deepEqual(ids(), ['a', 'earlier', 'mine', 'later']);
  });

  test('a row keeps its key from writing on, through storing, edits and refusals', () => {
    const store = newStore();
    const stored = { id: 'm1', seq: 1, createdAt: 1, updatedAt: 1, text: 'one' };
    const key = () => {
      const [{ key: given, id }] = store.snapshot().messages;
      return given ?? id;
    };
    const edit = row('edit', { operation: 'edit', body: { messageId: 'm1', text: 'two' } });
    const news = [
      { row: row('own'), status: 'pending' },
      { row: row('own'), status: 'sent', message: stored },
      { row: edit, status: 'pending' },
      { row: edit, status: 'failed', error: new Error('no') },
      { row: edit, status: 'pending' },
      { row: edit, status: 'sent', message: { ...stored, text: 'two', updatedAt: 2 } },
    ];
    for (const each of news) {
      store.followOutbox(each);
      assert.equal(key(), 'own', JSON.stringify(each));
    }
    store.updateMessage({ ...stored, text: '', updatedAt: 3, deletedAt: 3 });
    assert.equal(key(), 'own');
  });

  test('whatever ids a server gives, no two rows have one key', () => {
    const keys = (store) => store.snapshot().messages.map(({ key, id }) => key ?? id);
    const store = newStore();
    // Before one's own is there, while it is on its way, and once it is stored.
    store.addMessages([message(1, 'own')]);
    store.followOutbox({ row: row('own'), status: 'pending' });
    assert.deepEqual(keys(store), ['own']);
    store.addMessages([message(2, 'own'), message(3)]);
    assert.deepEqual(keys(store), ['m3', 'own']);
    store.followOutbox({ row: row('own'), status: 'sent', message: message(4) });
    store.addMessages([message(5, 'own'), message(6)]);
    assert.deepEqual(keys(store), ['m3', 'own', 'm6']);
    assert.deepEqual(seqs(store), [3, 4, 6]);
    // A server may store one's own by the sender's id.
    store.followOutbox({ row: row('same'), status: 'pending' });
    store.addMessages([message(7, 'same')]);
    store.followOutbox({ row: row('same'), status: 'sent', message: message(7, 'same') });
    store.addMessages([{ ...message(7, 'same'), updatedAt: 99, text: 'edited' }]);
    assert.deepEqual(keys(store), ['m3', 'own', 'm6', 'same']);
    assert.equal(store.snapshot().messages.at(-1).text, 'edited');
  });

  test('what changes a message on its way is shown on it, before and after it is stored', () => {
    const store = newStore();
    const shown = () => {
      const [{ text, status, key, id }] = store.snapshot().messages;
      return `${text} ${status} ${key ?? id}`;
    };
    const change = (id, messageId, text) => row(id, { operation: 'edit', body: { messageId, text } });
    store.followOutbox({ row: row('own', { body: { text: 'one' } }), status: 'pending' });
    store.followOutbox({ row: change('e1', 'own', 'two'), status: 'pending' });
    assert.equal(shown(), 'two pending own');
    const before = store.snapshot().messages[0];
    store.addMessages([message(1)]);
    assert.equal(store.snapshot().messages[1], before, 'the same object until it changes');
    store.clearMessages();
    assert.equal(shown(), 'two pending own');
    store.followOutbox({ row: change('e2', 'own', 'three'), status: 'pending' });
    store.followOutbox({ row: change('e1', 'own', 'two'), status: 'dropped' });
    assert.equal(shown(), 'three pending own');
    const stored = { id: 'm1', seq: 1, createdAt: 1, updatedAt: 1, text: 'one' };
    store.followOutbox({ row: row('own'), status: 'sent', message: stored });
    assert.equal(shown(), 'three pending own', 'the change is not through yet');
    store.followOutbox({ row: change('e2', 'm1', 'three'), status: 'pending' });
    store.followOutbox({
      row: change('e2', 'm1', 'three'),
      status: 'sent',
      message: { ...stored, text: 'three', updatedAt: 2 },
    });
    assert.equal(shown(), 'three sent own');
    assert.equal(store.snapshot().messages.length, 1);
  });

  test('a message on its way that is deleted shows no text, and is not there once it was refused', () => {
    const store = newStore();
    const remove = row('d', { operation: 'delete', body: { messageId: 'own' } });
    store.followOutbox({ row: row('own', { body: { text: 'one' } }), status: 'pending' });
    store.followOutbox({ row: remove, status: 'pending' });
    const [message] = store.snapshot().messages;
    assert.deepEqual([message.text, message.deletedAt !== undefined], ['', true]);
    store.followOutbox({ row: row('own'), status: 'dropped' });
    store.followOutbox({ row: remove, status: 'dropped' });
    assert.deepEqual(store.snapshot().messages, []);
  });

  test('the newest are kept when there are too many', () => {
    const store = newStore();
    const many = Array.from({ length: STORE_LIMITS.messages }, (_, index) => message(index + 1));
    store.addMessages(many);
    store.addMessages([message(STORE_LIMITS.messages + 1)]);
    assert.equal(store.snapshot().messages.length, STORE_LIMITS.messages);
    assert.equal(store.snapshot().messages[0].seq, 2);
    // What was dropped is unknown again, and too old to come back.
    store.addMessages([message(1)]);
    assert.equal(store.snapshot().messages[0].seq, 2);
  });

  test('whatever is in a message counts', () => {
    const store = newStore();
    const long = 'x'.repeat(1_000_000);
    for (const more of [{ senderId: long }, { whatever: long }, { nested: { deep: [long] } }]) {
      for (let seq = 1; seq <= 200; seq += 1) store.addMessages([{ ...message(seq), ...more }]);
      assert.ok(store.snapshot().messages.length <= STORE_LIMITS.bytes / (2 * long.length));
    }
  });

  test('numbers, names and depth count too', () => {
    const fields = Array.from({ length: 250_000 }, (_, index) => [`name${index}`, null]);
    let deep = [];
    for (let depth = 0; depth < 50_000; depth += 1) deep = [deep];
    for (const [more, bytesMin] of [
      [{ whatever: Array(1_000_000).fill(0) }, 8_000_000],
      [{ whatever: Object.fromEntries(fields) }, 8_000_000],
      [{ attachments: [Array(500_000).fill(true)] }, 4_000_000],
      [{ deep }, 800_000],
    ]) {
      const store = newStore();
      const most = STORE_LIMITS.bytes / bytesMin;
      for (let seq = 1; seq <= most + 5; seq += 1) store.addMessages([{ ...message(seq), ...more }]);
      const kept = store.snapshot().messages.length;
      assert.ok(kept <= most, `${kept} of ${Object.keys(more)}`);
    }
  });

  test('edits that make messages longer keep the bound: the oldest go', () => {
    const store = newStore();
    const count = 10_000;
    store.addMessages(Array.from({ length: count }, (_, index) => message(index + 1)));
    store.setHistory({ hasOlder: false });
    const text = 'x'.repeat(16_384);
    for (let seq = 1; seq <= count; seq += 1) {
      store.updateMessage({ ...message(seq), text, updatedAt: 9_999 });
    }
    const { messages, hasOlder } = store.snapshot();
    assert.ok(messages.length <= STORE_LIMITS.bytes / (2 * text.length), `${messages.length} are kept`);
    assert.equal(messages.at(-1).seq, count);
    assert.equal(hasOlder, true);
  });

  test('the newest are kept when they are too long, the very newest however long it is', () => {
    const store = newStore();
    const long = (seq, length = 16_384) => ({ ...message(seq), text: 'x'.repeat(length) });
    // One text for all: the test itself takes no memory.
    const { text } = long(0);
    const count = 4_000;
    for (let seq = 1; seq <= count; seq += 1) store.addMessages([{ ...message(seq), text }]);
    const kept = store.snapshot().messages.length;
    // Besides the text there are ids and the like, of a few characters.
    const most = STORE_LIMITS.bytes / (2 * text.length + 256);
    assert.ok(kept <= most && kept > 0.99 * most, `${kept} of ${most}`);
    assert.equal(store.snapshot().hasOlder, true);
    assert.equal(store.isFull, true, 'what was dropped last does not fit again');
    // What is edited weighs what it then has.
    for (const { id, seq } of store.snapshot().messages.slice(0, 100)) {
      store.updateMessage({ ...message(seq), id, text: '', updatedAt: 9_999 });
    }
    assert.equal(store.isFull, false, 'there is room again');
    for (let seq = count + 1; seq <= count + 90; seq += 1) store.addMessages([{ ...message(seq), text }]);
    assert.ok(store.snapshot().messages.length >= kept + 80, 'room for as many');
    store.addMessages([long(count + 100, STORE_LIMITS.bytes)]);
    assert.deepEqual(
      store.snapshot().messages.map(({ seq }) => seq),
      [count + 100],
    );
    store.clearMessages();
    store.addMessages([message(1)]);
    assert.equal(store.snapshot().messages.length, 1);
  });

  test('nothing is kept until somebody looks', () => {
    const store = new Store(() => false);
    assert.equal(store.addMessages([message(1), message(2)]), 0);
    store.followOutbox({ row: row('mine'), status: 'pending' });
    store.followOutbox({ row: row('mine'), status: 'sent', message: message(3) });
    store.followOutbox({ row: row('waits'), status: 'pending' });
    assert.equal(store.find(message(3).id), undefined);
    assert.equal(store.isInUse, false);
    assert.deepEqual(
      store.snapshot().messages.map(({ clientMessageId }) => clientMessageId),
      ['waits'],
      'what is on its way is known',
    );
    store.addMessages([message(4)]);
    assert.equal(store.snapshot().messages.length, 2);
  });

  test('for an app that only hears of updates a tail is kept', () => {
    let hears = true;
    const store = new Store(() => hears);
    for (let seq = 1; seq <= 3_000; seq += 1) store.addMessages([message(seq)]);
    assert.equal(store.find(message(2_000).id), undefined);
    assert.equal(store.find(message(2_001).id).seq, 2_001);
    assert.equal(store.isInUse, false, 'nobody looks');
    hears = false;
    store.addMessages([message(3_001)]);
    assert.equal(store.find(message(3_001).id), undefined);
  });

  test('whatever comes in whichever order, each message stands in its place in its latest state', () => {
    // A small generator of our own: the same numbers at every run.
    let seed = 7;
    const below = (bound) => {
      seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
      return seed % bound;
    };
    for (let run = 0; run < 50; run += 1) {
      const store = newStore();
      const latest = new Map();
      for (let step = 0; step < 60; step += 1) {
        const from = below(80);
        const batch = Array.from({ length: 1 + below(8) }, (_, index) => ({
          ...message(from + index),
          // Several share a time, as they do in a log.
          createdAt: Math.floor((from + index) / 3),
          updatedAt: below(4),
        }));
        for (const one of batch) {
          const isNews = !latest.has(one.id) || latest.get(one.id).updatedAt < one.updatedAt;
          latest.set(one.id, isNews ? one : latest.get(one.id));
        }
        store.addMessages(step % 2 ? batch : batch.reverse());
        store.followOutbox({
          row: row('edit', { operation: 'edit', body: { messageId: `m${below(80)}`, text: 'edited' } }),
          status: ['pending', 'failed', 'dropped'][below(3)],
        });
      }
      store.followOutbox({
        row: row('edit', { operation: 'edit', body: { messageId: 'm7', text: 'edited' } }),
        status: 'dropped',
      });
      const shown = store.snapshot().messages;
      const expected = [...latest.values()].sort((a, b) => a.seq - b.seq);
      assert.deepEqual(
        shown.map(({ seq, updatedAt }) => [seq, updatedAt]),
        expected.map(({ seq, updatedAt }) => [seq, updatedAt]),
      );
    }
  });

  test('a server that numbers its messages in any order makes no more work than another', () => {
    let comparisons = 0;
    const number = (n) => ({
      valueOf() {
        comparisons += 1;
        return n;
      },
    });
    const most = {};
    for (const [order, seqOf] of Object.entries({
      up: (n) => n,
      down: (n) => -n,
      jumps: (n) => (n * 617) % 1_000,
    })) {
      const store = newStore();
      comparisons = 0;
      for (let n = 1; n <= 1_000; n += 1) store.addMessages([{ ...message(n), seq: number(seqOf(n)) }]);
      assert.equal(store.snapshot().messages.length, 1_000);
      most[order] = comparisons;
    }
    assert.ok(most.down <= 2 * most.up && most.jumps <= 2 * most.up, JSON.stringify(most));
  });

  test('a page that holds a message twice shows its latest state', () => {
    const store = newStore();
    store.addMessages([
      { ...message(1), updatedAt: 1 },
      { ...message(1), updatedAt: 3 },
      { ...message(1), updatedAt: 2 },
    ]);
    assert.deepEqual(
      store.snapshot().messages.map(({ updatedAt }) => updatedAt),
      [3],
    );
  });

  test('one more message leaves all others the same objects, in a list of 50,000 too', () => {
    const store = newStore();
    store.addMessages(Array.from({ length: 50_000 }, (_, index) => message(index + 1)));
    const edit = { operation: 'edit', body: { messageId: 'm25000', text: 'edited' } };
    store.followOutbox({ row: row('edit', edit), status: 'pending' });
    store.followOutbox({ row: row('mine'), status: 'pending' });
    const before = store.snapshot().messages;
    store.addMessages([message(50_001)]);
    const after = store.snapshot().messages;
    assert.equal(after.length, before.length + 1);
    assert.equal(after[24_999].text, 'edited');
    assert.ok(after.slice(0, 50_000).every((one, index) => one === before[index]));
    assert.equal(after.at(-2).seq, 50_001);
    assert.equal(after.at(-1), before.at(-1));
  });

  test('a log that began anew starts from nothing', () => {
    const store = newStore();
    store.addMessages([message(7)]);
    store.followOutbox({
      row: row('e1', { operation: 'edit', body: { messageId: 'm7', text: 'x' } }),
      status: 'pending',
    });
    store.clearMessages();
    assert.deepEqual(seqs(store), []);
    assert.equal(store.find('m7'), undefined, 'not even as it was going to be');
    store.addMessages([message(7), message(1)]);
    assert.deepEqual(seqs(store), [1, 7]);
  });
});

describe('updates', () => {
  const known = (seq, updatedAt, text) => ({ ...message(seq), updatedAt, text });
  const texts = (store) => store.snapshot().messages.map(({ text }) => text);

  test('that are older than what is there, or of messages that are not there, change nothing', () => {
    const store = newStore();
    store.addMessages([known(1, 10, 'new')]);
    const before = store.snapshot();
    store.updateMessage(known(1, 9, 'older'));
    store.updateMessage(known(1, 10, 'the same again'));
    store.updateMessage(known(2, 99, 'of another'));
    assert.equal(store.snapshot(), before);
    store.updateMessage(known(1, 11, 'newer'));
    assert.deepEqual(texts(store), ['newer']);
    assert.equal('status' in store.find('m1'), false, 'it is not one of our own');
  });

  test('a page that knows more than the store brings it up to date, one that knows less does not', () => {
    const store = newStore();
    store.addMessages([known(1, 10, 'a'), known(2, 10, 'b')]);
    store.addMessages([known(1, 12, 'a edited'), known(2, 8, 'b before')]);
    assert.deepEqual(texts(store), ['a edited', 'b']);
  });

  test('messages that nothing happened to stay the same objects', () => {
    const store = newStore();
    const quiet = known(1, 10, 'quiet');
    store.addMessages([quiet, known(2, 10, 'edited')]);
    store.updateMessage(known(2, 11, 'new'));
    store.followOutbox({ row: row('c1'), status: 'pending' });
    assert.equal(store.snapshot().messages[0], quiet);
    assert.equal(quiet.status, undefined);
    const [, , own] = store.snapshot().messages;
    store.addMessages([known(3, 10, 'more')]);
    assert.equal(store.snapshot().messages[3], own);
  });

  test('rows from the disk stand before what was written since, in their order', () => {
    const store = newStore();
    store.followOutbox({ row: row('new'), status: 'pending' });
    store.reserveOutbox(['old1', 'old2', 'somebody else'].map(row));
    assert.deepEqual(texts(store), ['text of new'], 'a place that is kept free is not shown');
    for (const id of ['old2', 'old1']) {
      store.followOutbox({ row: row(id), status: 'pending' });
    }
    assert.deepEqual(texts(store), ['text of old1', 'text of old2', 'text of new']);
    store.addMessages([known(1, 10, 'stored')]);
    assert.deepEqual(texts(store), ['stored', 'text of old1', 'text of old2', 'text of new']);
  });

  test('rows of several loads stand in the order in which they are sent', () => {
    const store = newStore();
    const load = (...rows) => {
      store.reserveOutbox(rows);
      for (const one of rows) store.followOutbox({ row: one, status: 'pending' });
    };
    const at = (id, addedAt) => ({ ...row(id), addedAt });
    store.followOutbox({ row: at('new', 5), status: 'pending' });
    load(at('a1', 10), at('a2', 20));
    const by = (scope, one) => ({ ...one, scope });
    load(...[at('b1', 15), at('b2', 14)].map((one) => by('b', one)), by('c', at('c1', 5)));
    const sent = ['c1', 'a1', 'b1', 'b2', 'a2', 'new'].map((id) => `text of ${id}`);
    assert.deepEqual(texts(store), sent);
    store.followOutbox({ row: at('a1', 10), status: 'sent', message: known(1, 10, 'stored a1') });
    load(at('d1', 1));
    assert.deepEqual(texts(store), [
      'stored a1',
      'text of d1',
      ...sent.filter((text) => text !== 'text of a1'),
    ]);
  });
});

describe('snapshots', () => {
  test('stay the same object until something changes, and so do their parts', () => {
    const store = newStore();
    store.addMessages([message(1)]);
    const first = store.snapshot();
    assert.equal(store.snapshot(), first);
    store.addMessages([message(1)]);
    store.setTyping('ada', false);
    assert.equal(store.snapshot(), first);
    store.setTyping('ada', true);
    const second = store.snapshot();
    assert.notEqual(second, first);
    assert.equal(second.messages, first.messages);
    assert.deepEqual(first.typing, []);
  });

  test('are frozen, with their lists', () => {
    const store = newStore();
    store.addMessages([message(1)]);
    store.setPresence([{ userId: 'ada', role: 'agent' }]);
    store.setTyping('ada', true);
    const { messages, typing, presence } = store.snapshot();
    for (const value of [store.snapshot(), messages, typing, presence, Store.idle(), Store.idle().messages]) {
      assert.ok(Object.isFrozen(value));
    }
  });

  test('a server renders the constant idle one', () => {
    assert.equal(newStore().snapshot(), Store.idle());
    const { state, connected, messages } = Store.idle();
    assert.deepEqual({ state, connected, messages }, { state: 'idle', connected: false, messages: [] });
  });

  test('tell state, typing and errors, and a connection clears the error', () => {
    const store = newStore();
    const reason = new Error('gone');
    store.setState({ state: 'reconnecting', retryInMs: 500, reason });
    assert.equal(store.snapshot().error, reason);
    assert.equal(store.snapshot().retryInMs, 500);
    store.setTyping('ada', true);
    store.setTyping('bob', true);
    store.setTyping('ada', false);
    assert.deepEqual(store.snapshot().typing, ['bob']);
    store.setState({ state: 'connected' });
    const { connected, error, retryInMs } = store.snapshot();
    assert.deepEqual(
      { connected, error, retryInMs },
      { connected: true, error: undefined, retryInMs: undefined },
    );
    store.setError(new Error('the space is full'));
    assert.equal(store.snapshot().error, undefined, 'of a message, and not of the connection');
    store.clearPeople();
    assert.deepEqual(store.snapshot().typing, []);
  });
});

describe('subscribers', () => {
  test('are told once for a burst, after it', async () => {
    const store = newStore();
    const seen = [];
    store.subscribe(() => seen.push(seqs(store)));
    store.addMessages([message(1)]);
    store.addMessages([message(2)]);
    store.setTyping('ada', true);
    assert.deepEqual(seen, []);
    await microtask();
    assert.deepEqual(seen, [[1, 2]]);
    store.addMessages([message(2)]);
    await microtask();
    assert.equal(seen.length, 1);
  });

  test('may come, go and throw while they are told', async (t) => {
    t.after(() => {
      delete globalThis.reportError;
    });
    const reported = mock.fn();
    globalThis.reportError = reported;
    const store = newStore();
    const told = [];
    const stops = [];
    store.subscribe(() => {
      told.push('first');
      stops[0]();
      stops[0]();
      store.subscribe(() => told.push('late'));
      throw new Error('from a listener');
    });
    stops.push(store.subscribe(() => told.push('removed')));
    store.subscribe(() => told.push('last'));
    store.setPresence([]);
    await microtask();
    assert.deepEqual(told, ['first', 'last']);
    assert.equal(reported.mock.calls[0].arguments[0].message, 'from a listener');
  });

  test('one function subscribed twice is two subscriptions', async () => {
    const store = newStore();
    const listener = mock.fn();
    const stop = store.subscribe(listener);
    store.subscribe(listener);
    stop();
    store.setPresence([]);
    await microtask();
    assert.equal(listener.mock.callCount(), 1);
  });
});
