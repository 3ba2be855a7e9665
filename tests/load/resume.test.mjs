/**
 * Coming back after 9,000 events: over the socket, over `GET /events`, and as our client in Chromium that was offline,
 * with sockets and without.
 *
 * Eight named users store the events within the default limits.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startMiddlebox } from '../e2e/lib/middlebox.mjs';
import { startNetwork } from '../e2e/lib/network.mjs';
import { until } from '../e2e/lib/waiting.mjs';
import { account } from './lib/accounts.mjs';
import { printTable } from './lib/figures.mjs';
import { keyOf, keysOf, textOf } from './lib/keys.mjs';
import { Browser } from './lib/page.mjs';
import { Server } from './lib/server.mjs';
import { whileProgressing } from './lib/waiting.mjs';

const SETUP_MS_MAX = 60_000;
const TEST_MS_MAX = 60_000;
const SENDERS = 8;
const MESSAGES_PER_SENDER = 1_125;
const EVENTS = SENDERS * MESSAGES_PER_SENDER;
const TEXT_BYTES = 200;
/** A reader that received nothing for this long receives nothing any more. */
const QUIET_MS = 6_000;
const RECEIVE_MS_MAX = 40_000;
const HTTP_MS_MAX = 15_000;
/** An answer of `GET /events` brings at least one event, so this many are more than enough. */
const REQUESTS_MAX = 200;

const HEADING = [
  ...['way', 'events missed', 'received', 'lost', 'doubled', 'inverted', 'discontinuities', 'ms'],
  ...['tasks of the page', 'longest, ms'],
];
const ALL = {
  sent: new Set(Array.from({ length: SENDERS }, (_, index) => keysOf(index + 1, MESSAGES_PER_SENDER)).flat()),
  stored: EVENTS,
};
const rows = [];
let server;
let middlebox;
let browser;
/** A page whose client has sockets, one whose client has to poll, and the networks between them and the server. */
const here = { page: undefined, network: undefined };
const polling = { page: undefined, network: undefined };
let spaceId;
/** The place in the log before the events, and the last one of them. */
let cursor;
let head;
/** The keys in the order of the log. */
let order;

before(
  async () => {
    server = await Server.start();
    middlebox = await startMiddlebox(() => server.url);
    middlebox.blockSockets('refuse');
    here.network = await startNetwork(server.url);
    polling.network = await startNetwork(middlebox.url);
    browser = await Browser.start();
    spaceId = server.newSpace();
    const witness = await server.second(spaceId, 'witness');
    const senders = [];
    for (let number = 1; number <= SENDERS; number += 1) {
      senders.push(await server.second(spaceId, `sender-${number}`));
    }
    // Whoever resumes is known before: joining is an event as well.
    (await server.second(spaceId, 'socket')).end();
    (await server.second(spaceId, 'poller')).end();
    for (const [name, one] of Object.entries({ here, polling })) {
      const spaceToken = await server.token(spaceId, name);
      one.page = await browser.open({ spaceId, spaceToken, workerUrl: one.network.url });
    }
    const first = await server.second(spaceId, 'witness');
    cursor = { epoch: first.epoch, since: first.welcome.seq };
    first.end();
    for (const { network } of [here, polling]) network.goDown();
    // One after the other: the log's order is then known without asking a reader.
    order = [];
    for (const [index, sender] of senders.entries()) {
      const texts = Array.from({ length: MESSAGES_PER_SENDER }, (_, i) => textOf(index + 1, i, TEXT_BYTES));
      assert.equal(await sender.sendInWindow(texts), texts.length, 'messages within the limits are stored');
      order.push(...keysOf(index + 1, MESSAGES_PER_SENDER));
    }
    head = cursor.since + EVENTS;
    witness.end();
    const last = await server.second(spaceId, 'witness');
    assert.equal(last.welcome.seq, head, 'exactly the messages are stored');
    server.dropClients();
  },
  { timeout: SETUP_MS_MAX },
);
after(async () => {
  await browser?.stop();
  for (const { network } of [here, polling]) await network?.close();
  await middlebox?.close();
  await server?.stop();
  printTable(`Coming back after ${EVENTS} events`, HEADING, rows);
});

// The first ones, so that they were not offline for long: attempts to connect become rarer with time.
for (const [name, one] of [
  ['our client', here],
  ['our client, polling', polling],
]) {
  test(`${name} in Chromium that was offline receives every event`, { timeout: TEST_MS_MAX }, async () => {
    const { page, network } = one;
    const away = await page.progress();
    assert.equal(away.count, 0, 'nothing came while the link was cut');
    assert.ok(away.state !== undefined && away.state !== 'connected', 'the link was cut');
    const endTrace = await browser.traceTasks();
    network.heal();
    const progress = page.watchProgress();
    await until(() => progress.latest().state === 'connected', 'the client is connected again');
    await whileProgressing({
      isDone: () => progress.latest().lastKey === order.at(-1) && progress.latest().count >= EVENTS,
      progress: () => JSON.stringify(progress.latest()),
      ms: RECEIVE_MS_MAX,
      quietMs: QUIET_MS,
    });
    progress.stop();
    const tasks = await endTrace();
    assert.ok(tasks.length > 0, 'the browser traced its tasks');
    const { received, discontinuities, states, lastAt } = await page.report();
    const connectedAt = states.findLast(({ state }) => state === 'connected')?.at;
    const counts = record(name, received, {
      ms: lastAt - connectedAt,
      discontinuities: discontinuities.length,
      tasks,
    });
    assert.deepEqual(discontinuities, [], 'no discontinuity');
    assert.deepEqual(counts, { received: EVENTS, lost: 0, doubled: 0, strange: 0, inverted: 0 });
    assert.deepEqual(page.problems, [], 'no exception in the page');
    await page.close();
  });
}

test('a socket that resumes receives every event', { timeout: TEST_MS_MAX }, async () => {
  const begun = performance.now();
  const { epoch, since } = cursor;
  const client = await server.second(spaceId, 'socket', { query: { epoch, since: String(since) } });
  await whileProgressing({
    isDone: () => client.seq >= head && client.received.length >= EVENTS,
    progress: () => client.received.length,
    ms: RECEIVE_MS_MAX,
    quietMs: QUIET_MS,
  });
  const counts = record('socket', client.received, { ms: client.lastAt - begun });
  assert.equal(client.welcome.recovered, true, 'the server has every event after the cursor');
  assert.deepEqual(counts, { received: EVENTS, lost: 0, doubled: 0, strange: 0, inverted: 0 });
  assert.deepEqual(
    { missing: client.missing, repeated: client.repeated, seq: client.seq, closed: client.closeCode },
    { missing: 0, repeated: 0, seq: head, closed: undefined },
  );
});

test('GET /events, followed while there is more, gives every event', { timeout: TEST_MS_MAX }, async () => {
  const token = await server.token(spaceId, 'poller');
  const headers = { 'x-space-id': spaceId, 'x-space-token': token };
  const received = [];
  const seqs = [];
  const begun = performance.now();
  let since = cursor.since;
  let requests = 0;
  let welcome;
  do {
    const query = new URLSearchParams({ epoch: cursor.epoch, since: String(since) });
    const signal = AbortSignal.timeout(HTTP_MS_MAX);
    const response = await fetch(`${server.url}/events?${query}`, { headers, signal });
    assert.equal(response.status, 200, await response.clone().text());
    const [first, ...events] = await response.json();
    welcome = first;
    for (const { type, seq, message } of events) {
      if (seq === undefined) continue;
      seqs.push(seq);
      since = seq;
      if (type === 'message') received.push(keyOf(message.text));
    }
    requests += 1;
    assert.ok(!welcome.more || events.length > 0, 'an answer that is not the last one brings something');
  } while (welcome.more && requests < REQUESTS_MAX);
  const counts = record(`GET /events, ${requests} requests`, received, { ms: performance.now() - begun });
  assert.equal(welcome.recovered, true, 'the server has every event after the cursor');
  assert.deepEqual(counts, { received: EVENTS, lost: 0, doubled: 0, strange: 0, inverted: 0 });
  assert.deepEqual(
    seqs,
    Array.from({ length: EVENTS }, (_, index) => cursor.since + 1 + index),
    'the numbers have neither gap nor repetition',
  );
});

/** Adds a row to the table, and returns the counts in it. */
function record(way, received, { ms, discontinuities = '–', tasks }) {
  const counts = account(received, { ...ALL, order });
  rows.push([
    ...[way, EVENTS, counts.received, counts.lost, counts.doubled, counts.inverted, discontinuities],
    received.length > 0 ? ms.toFixed(0) : '–',
    tasks ? String(tasks.length) : '–',
    tasks ? tasks[0].toFixed(1) : '–',
  ]);
  return counts;
}
