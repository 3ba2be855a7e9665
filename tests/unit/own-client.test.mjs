/**
 * When a changed config means another client, and one client in the place of several.
 *
 * Owns nothing but expectations.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Following } from '../../pkg-template/following.js';
import { heardBy, keyOf, OwnClient, userOf } from '../../pkg-template/own-client.js';
import { generateToken } from '../../pkg-template/tokens.js';

const GATEWAY_KEY = 'a-gateway-key-of-more-than-32-characters';
const tokenOf = (userId) => generateToken('room.with.dots', { gatewayKey: GATEWAY_KEY, userId });

test('a token tells whom it names, without being checked', async () => {
  assert.equal(userOf(await tokenOf('ada')), 'ada');
  assert.equal(userOf(await tokenOf('Ängström 🙂')), 'Ängström 🙂');
  assert.equal(userOf(await tokenOf()), '');
  for (const none of [undefined, null, '', 'a.b', '<h1>Sign in.</h1>', 'r.b~!.1.c', 'r.b~bnVsbA.1.c', 5]) {
    assert.equal(userOf(none), undefined, String(none));
  }
});

test('another client is another place, order or user, and nothing else', async () => {
  const config = { spaceId: 'a', workerUrl: 'https://x.example', spaceToken: await tokenOf('ada') };
  const key = keyOf(config);
  for (const same of [
    { ...config, spaceToken: await tokenOf('ada') },
    { ...config, onMessage: () => {} },
  ]) {
    assert.equal(keyOf(same), key);
  }
  for (const other of [
    { ...config, spaceId: 'b' },
    { ...config, workerUrl: 'https://y.example' },
    { ...config, order: 'desc' },
    { ...config, spaceToken: await tokenOf('bo') },
    { ...config, spaceToken: () => '' },
    undefined,
  ]) {
    assert.notEqual(keyOf(other), key);
  }
  for (const spaceToken of [undefined, '', '<h1>Sign in</h1>']) {
    assert.ok(new OwnClient(config, () => ({})).isOf({ ...config, spaceToken }), 'nobody else is named');
  }
  const by = (spaceToken) => keyOf({ ...config, spaceToken });
  assert.equal(
    by(() => 'a'),
    by(() => 'b'),
    'a function is asked anew each time',
  );
});

/** A client that notes what it is asked. */
class FakeClient {
  asked = [];
  listeners = new Map();
  subscribers = new Set();

  constructor(config) {
    this.config = config;
  }

  setToken(token) {
    this.asked.push(`setToken ${token}`);
  }

  sendMessage({ text }) {
    this.asked.push(`send ${text}`);
    return 'sent';
  }

  on(event, listener) {
    this.listeners.set(event, listener);
    return () => this.listeners.delete(event);
  }

  subscribe(listener) {
    this.subscribers.add(listener);
    return () => this.subscribers.delete(listener);
  }

  getSnapshot() {
    return this.config;
  }
}

test('the functions of the latest config are called, and its token is shown', async () => {
  const said = [];
  const own = new OwnClient(
    { spaceId: 'a', spaceToken: () => 'first', onMessage: () => said.push('first') },
    (config) => new FakeClient(config),
  );
  assert.equal(own.space.config.onMessage, undefined, 'nothing is heard before anybody listens');
  const stop = own.listen(own.heard);
  own.config = { spaceId: 'a', spaceToken: () => 'second', onMessage: () => said.push('second') };
  own.space.listeners.get('message')('hi');
  assert.deepEqual(said, ['second']);
  assert.equal(own.space.config.spaceToken(), 'second');
  own.showToken();
  const spaceToken = await tokenOf('ada');
  for (const given of [spaceToken, '', '<h1>Sign in</h1>']) {
    own.config = { spaceId: 'a', spaceToken: given };
    own.showToken();
  }
  assert.deepEqual(own.space.asked, [`setToken ${spaceToken}`]);
  assert.deepEqual(heardBy(own.config), []);
  stop();
  assert.equal(own.space.listeners.size, 0);
});

describe('following', () => {
  test('subscribers and listeners go over to the next client, and are told', () => {
    const [one, other] = [new FakeClient('one'), new FakeClient('other')];
    const following = new Following(one);
    const said = [];
    const unsubscribe = following.subscribe(() => said.push(following.getSnapshot()));
    const stop = following.on('message', (text) => said.push(text));
    one.listeners.get('message')('by one');
    following.follow(other);
    assert.deepEqual([one.subscribers.size, one.listeners.size], [0, 0]);
    other.listeners.get('message')('by other');
    for (const tell of other.subscribers) tell();
    assert.deepEqual(said, ['by one', 'other', 'by other', 'other']);
    unsubscribe();
    stop();
    assert.deepEqual([other.subscribers.size, other.listeners.size], [0, 0]);
  });

  test('calls reach the latest client, also those that were taken as functions before', () => {
    const [one, other] = [new FakeClient('one'), new FakeClient('other')];
    const following = new Following(one);
    const { sendMessage } = following;
    assert.equal(sendMessage({ text: 'a' }), 'sent');
    following.follow(other);
    sendMessage({ text: 'b' });
    assert.deepEqual([one.asked, other.asked], [['send a'], ['send b']]);
  });
});
