/**
 * The store: merging, stability of snapshots, and when subscribers are told.
 *
 * Owns nothing but expectations.
 */

import assert from 'node:assert/strict';
import { describe, mock, test } from 'node:test';

import { STORE_MESSAGES_MAX, Store } from '../../pkg-template/store.js';

const message = (seq, id = `m${seq}`) => ({ id, seq, createdAt: seq * 10, text: id });
const seqs = (store) => store.snapshot().messages.map(({ seq }) => seq);
const microtask = () => Promise.resolve();

describe('messages', () => {
  test('live messages and pages are merged in the order of the log, each once', () => {
    const store = new Store();
    store.addMessages([message(5)]);
    store.addMessages([message(3), message(4), message(5)]);
    store.addMessages([message(6)]);
    store.addMessages([message(2), message(1)]);
    assert.deepEqual(seqs(store), [1, 2, 3, 4, 5, 6]);
  });

  test('messages without a place in the log are ordered by time, and keep their order when it is equal', () => {
    const store = new Store();
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

  test('the newest are kept when there are too many', () => {
    const store = new Store();
    const many = Array.from({ length: STORE_MESSAGES_MAX }, (_, index) => message(index + 1));
    store.addMessages(many);
    store.addMessages([message(STORE_MESSAGES_MAX + 1)]);
    assert.equal(store.snapshot().messages.length, STORE_MESSAGES_MAX);
    assert.equal(store.snapshot().messages[0].seq, 2);
    // What was dropped is unknown again, and too old to come back.
    store.addMessages([message(1)]);
    assert.equal(store.snapshot().messages[0].seq, 2);
  });

  test('a log that began anew starts from nothing', () => {
    const store = new Store();
    store.addMessages([message(7)]);
    store.clearMessages();
    assert.deepEqual(seqs(store), []);
    store.addMessages([message(7), message(1)]);
    assert.deepEqual(seqs(store), [1, 7]);
  });
});

describe('snapshots', () => {
  test('stay the same object until something changes, and so do their parts', () => {
    const store = new Store();
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
    const store = new Store();
    store.addMessages([message(1)]);
    store.setPresence([{ userId: 'ada', role: 'agent' }]);
    store.setTyping('ada', true);
    const { messages, typing, presence } = store.snapshot();
    for (const value of [store.snapshot(), messages, typing, presence, Store.idle(), Store.idle().messages]) {
      assert.ok(Object.isFrozen(value));
    }
  });

  test('a server renders the constant idle one', () => {
    assert.equal(new Store().snapshot(), Store.idle());
    const { state, connected, messages } = Store.idle();
    assert.deepEqual({ state, connected, messages }, { state: 'idle', connected: false, messages: [] });
  });

  test('tell state, typing and errors, and a connection clears the error', () => {
    const store = new Store();
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
    store.clearPeople();
    assert.deepEqual(store.snapshot().typing, []);
  });
});

describe('subscribers', () => {
  test('are told once for a burst, after it', async () => {
    const store = new Store();
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
    const store = new Store();
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
    const store = new Store();
    const listener = mock.fn();
    const stop = store.subscribe(listener);
    store.subscribe(listener);
    stop();
    store.setPresence([]);
    await microtask();
    assert.equal(listener.mock.callCount(), 1);
  });
});
