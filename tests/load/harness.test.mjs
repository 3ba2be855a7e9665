/** The load tests' own tools must find what they are there to find. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { WebSocketServer } from 'ws';
import { until } from '../e2e/lib/waiting.mjs';
import { account, accountsOf, isComplete, sendOrderInversions, total } from './lib/accounts.mjs';
import { BareClient } from './lib/bare-client.mjs';
import { keyFor, keyOf, keysOf, textOf } from './lib/keys.mjs';

const TEST_MS_MAX = 10_000;
const ORDER = keysOf(1, 5);
const EXPECTED = { sent: new Set(ORDER), stored: 5, order: ORDER };
const NOTHING_WRONG = { lost: 0, doubled: 0, strange: 0, inverted: 0 };

test('a text carries its key, and other texts have none', () => {
  assert.equal(textOf(12, 345, 100).length, 100);
  assert.equal(keyOf(textOf(12, 345, 100)), keyFor(12, 345));
  assert.equal(keyOf('hello'), undefined);
});

test('a complete list is complete', () => {
  const counts = account(ORDER, EXPECTED);
  assert.deepEqual(counts, { received: 5, ...NOTHING_WRONG });
  assert.ok(isComplete(counts));
});

const [a, b, c, d, e] = ORDER;
const FAULTS = [
  ['a message that is missing', [a, b, d, e], { received: 4, lost: 1 }],
  ['a message that came twice', [a, b, b, c, d, e], { received: 5, doubled: 1 }],
  ['a message that nobody sent', [a, b, c, d, e, keyFor(2, 0)], { received: 5, strange: 1 }],
  ['two messages in the wrong order', [a, c, b, d, e], { received: 5, inverted: 1 }],
];
for (const [name, list, difference] of FAULTS) {
  test(`finds ${name}`, () => {
    const counts = account(list, EXPECTED);
    assert.deepEqual(counts, { received: 5, ...NOTHING_WRONG, ...difference });
    assert.equal(isComplete(counts), false);
  });
}

test('readers that disagree about the order are found', () => {
  const { accounts, order } = accountsOf([ORDER, [a, b, c, e, d]], { sent: ORDER, stored: 5 });
  assert.deepEqual(order, ORDER);
  assert.equal(total(accounts).inverted, 1);
});

test('a sender whose messages are stored out of order is found', () => {
  assert.equal(sendOrderInversions([keyFor(1, 0), keyFor(2, 0), keyFor(1, 1), keyFor(2, 1)]), 0);
  assert.equal(sendOrderInversions([keyFor(1, 1), keyFor(2, 0), keyFor(1, 0), keyFor(2, 1)]), 1);
});

/** A server that sends what it is told to, and keeps what it receives. */
let stub;
let url;
before(async () => {
  stub = new WebSocketServer({ port: 0, host: '127.0.0.1', handleProtocols: () => 'spaces.v2' });
  await once(stub, 'listening');
  url = `http://127.0.0.1:${stub.address().port}`;
});
after(() => {
  for (const socket of stub.clients) socket.terminate();
  stub.close();
});

/** A bare client, the server's end of its socket, and the frames that the server received. */
async function connected(options) {
  const accepted = once(stub, 'connection');
  const opening = BareClient.open(url, { spaceId: 'stub', ...options });
  const [socket] = await accepted;
  const frames = [];
  socket.on('message', (data) => frames.push(JSON.parse(data)));
  socket.send(JSON.stringify({ type: 'welcome', epoch: 'one', seq: 10 }));
  return { client: await opening, send: (frame) => socket.send(JSON.stringify(frame)), frames };
}

function event(seq, text = textOf(1, seq)) {
  return { type: 'message', seq, message: { text } };
}

test('a mark is echoed with the last event before it', { timeout: TEST_MS_MAX }, async () => {
  const { client, send, frames } = await connected();
  send([event(11), { type: 'mark', id: 'first' }, event(12)]);
  send({ type: 'mark', id: 'second' });
  await until(() => frames.length === 2, 'two marks are echoed');
  assert.deepEqual(frames, [
    { type: 'seen', mark: 'first', seq: 11 },
    { type: 'seen', mark: 'second', seq: 12 },
  ]);
  client.end();
});

test('gaps and repetitions of events are counted', { timeout: TEST_MS_MAX }, async () => {
  const { client, send } = await connected();
  send([event(11), event(14), event(14), { type: 'skip', from: 15, to: 17 }, event(18)]);
  await until(() => client.seq === 18, 'all events came');
  assert.deepEqual([client.missing, client.repeated], [2, 1]);
  assert.deepEqual(client.received, [keyFor(1, 11), keyFor(1, 14), keyFor(1, 18)]);
  client.end();
});

test('a delivery ends with its ack, its refusal, or the close', { timeout: TEST_MS_MAX }, async () => {
  const { client, send, frames } = await connected();
  const [acked, refused, open] = ['a', 'b', 'c'].map((text) => client.deliver(text));
  await until(() => frames.length === 3, 'three messages came');
  send({ type: 'ack', clientMessageId: frames[0].clientMessageId, seq: 11 });
  send({ type: 'error', code: 'rateLimited', ref: frames[1].clientMessageId });
  assert.equal((await acked).seq, 11);
  assert.equal((await refused).code, 'rateLimited');
  client.end();
  assert.equal((await open).type, 'closed');
});
