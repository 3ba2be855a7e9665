/**
 * Bursts of one sender, or of twenty clients, at a room with three kinds of readers: nothing stored may be missing.
 *
 * The limits are the default ones, except for the burst of 20,000 messages, which is more than one sender may send.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import WebSocket from 'ws';
import { PKG_DEV } from '../../scripts/lib/paths.mjs';
import { accountsOf, isComplete, sendOrderInversions, total } from './lib/accounts.mjs';
import { printTable } from './lib/figures.mjs';
import { END, END_TEXT, keyOf, keysOf, textOf } from './lib/keys.mjs';
import { Browser } from './lib/page.mjs';
import { RAISED_LIMITS, Server } from './lib/server.mjs';
import { whileProgressing } from './lib/waiting.mjs';

const TEST_MS_MAX = 60_000;
/** A reader that received nothing for this long receives nothing any more. A client that reconnects needs 1 s. */
const QUIET_MS = 5_000;
const RECEIVE_MS_MAX = 40_000;

const SENDER = 1;

const HEADING = [
  ...['burst', 'sent', 'refused', 'stored', 'page', 'v2', 'v1', 'own', 'lost', 'doubled', 'inverted'],
  ...['closes', 'discontinuities', 'ms'],
];

const BURSTS = [
  {
    name: 'one first-version socket, 400 × 16,000 B',
    send: (room) => sendFirstVersion(room, 400, 16_000),
  },
  {
    name: 'one first-version socket, 1,000 × 2,000 B',
    send: (room) => sendFirstVersion(room, 1_000, 2_000),
  },
  {
    name: 'one first-version socket, 20,000 × 100 B (raised limits)',
    vars: RAISED_LIMITS,
    send: (room) => sendFirstVersion(room, 20_000, 100),
  },
  {
    name: '400 parallel POSTs of 16,000 B',
    isUnordered: true,
    send: (room) => sendPosts(room, 400, 16_000),
  },
  {
    name: '20 clients of ours, 40 × 16,000 B each',
    send: (room) => sendOwnClients(room, 20, 40, 16_000),
  },
];

const rows = [];
let browser;
let server;

before(async () => {
  browser = await Browser.start();
});
afterEach(async () => {
  await browser?.closePages();
  await server?.stop();
});
after(async () => {
  await browser?.stop();
  printTable('Bursts: messages received by each reader', HEADING, rows);
});

for (const burst of BURSTS) {
  test(`${burst.name}: every reader receives every stored message`, { timeout: TEST_MS_MAX }, async () => {
    server = await Server.start({ vars: burst.vars });
    const result = await measure(burst);
    rows.push(rowOf(burst, result));
    verify(burst, result);
  });
}

/** Sends one burst into a new room with all kinds of readers, and counts. */
async function measure({ send }) {
  const spaceId = server.newSpace();
  const room = { spaceId, own: [] };
  // This user is known to the room from here on: joining is an event as well.
  await server.store(spaceId, 'the first message');
  const prepared = await send(room);
  const reader = await server.second(spaceId, 'reader');
  const old = await server.first(spaceId, 'old');
  const spaceToken = await server.token(spaceId, 'page');
  const page = await browser.open({ spaceId, spaceToken, workerUrl: server.url });
  const start = await server.store(spaceId, 'before the burst');

  const begun = Date.now();
  const { sent, refused } = await prepared();
  const end = await server.store(spaceId, END_TEXT);

  const oldKeys = () => old.messages.map(({ text }) => keyOf(text)).filter((key) => key !== undefined);
  const progress = page.watchProgress();
  const lists = [reader.received, ...room.own.map(({ received }) => received)];
  await whileProgressing({
    isDone: () =>
      progress.latest().lastKey === END &&
      lists.every((list) => list.at(-1) === END) &&
      oldKeys().at(-1) === END,
    progress: () =>
      [progress.latest().count, old.socket.frames.length, ...lists.map(({ length }) => length)].join(),
    ms: RECEIVE_MS_MAX,
    quietMs: QUIET_MS,
  });
  progress.stop();

  const report = await page.report();
  const views = { page: report.received, v2: reader.received, v1: oldKeys() };
  return {
    sent,
    refused,
    // All events between these two are messages: everybody joined before.
    stored: end - start - 1,
    views,
    own: room.own.map(({ received }) => received),
    closes: {
      page: report.states.map(({ state, reason }) => reason ?? state),
      v2: reader.closeCode,
      v1: old.socket.closeCode,
      own: room.own.flatMap(({ states }) => states),
    },
    gaps: reader.missing + reader.repeated,
    discontinuities: [...report.discontinuities, ...room.own.flatMap((each) => each.discontinuities)],
    problems: page.problems,
    ms: Math.max(report.lastAt ?? begun, Date.now() - (performance.now() - reader.lastAt)) - begun,
  };
}

/** The accounts of all readers, by kind. */
function accountsByKind({ sent, stored, views, own }) {
  const lists = [...Object.values(views), ...own].map((list) => list.filter((key) => key !== END));
  const { accounts, order } = accountsOf(lists, { sent, stored });
  const [page, v2, v1, ...ownAccounts] = accounts;
  return { page, v2, v1, own: ownAccounts, all: accounts, order };
}

function rowOf({ name }, result) {
  const { page, v2, v1, own, all } = accountsByKind(result);
  const { lost, doubled, inverted } = total(all);
  const { closes } = result;
  const links = [...closes.page, closes.v2, closes.v1, ...closes.own].filter((each) => each !== undefined);
  return [
    ...[name, result.sent.length, result.refused, result.stored],
    ...[page.received, v2.received, v1.received, own.length > 0 ? total(own).received : '–'],
    ...[lost, doubled, inverted, [...new Set(links)].join(' ') || 'none'],
    ...[result.discontinuities.length, result.ms.toFixed(0)],
  ];
}

function verify({ name, isUnordered }, result) {
  const { all, order } = accountsByKind(result);
  const { sent, refused, stored, closes, discontinuities, gaps, problems } = result;
  assert.ok(sent.length > 0 && stored > 0, `${name}: something was stored`);
  assert.equal(stored, sent.length - refused, 'what was not refused is stored');
  assert.deepEqual(
    all.filter((each) => !isComplete(each)),
    [],
    'readers that did not receive everything once and in order',
  );
  if (!isUnordered) assert.equal(sendOrderInversions(order), 0, 'the order of sending is kept');
  assert.equal(gaps, 0, 'the numbers of events have neither gap nor repetition');
  assert.deepEqual(discontinuities, [], 'no discontinuity');
  assert.deepEqual(closes, { page: [], v2: undefined, v1: undefined, own: [] }, 'no link was lost');
  assert.deepEqual(problems, [], 'no exception in the page');
}

/**
 * One first-version socket that sends everything at once. It has an answer for each message: the message itself, or an
 * error.
 */
async function sendFirstVersion({ spaceId }, count, bytes) {
  const sender = await server.first(spaceId, 'sender');
  return async () => {
    const from = sender.socket.frames.length;
    for (let index = 0; index < count; index += 1) {
      sender.sendMessage({ senderId: 'sender', senderType: 'user', text: textOf(SENDER, index, bytes) });
    }
    const answers = () => sender.socket.frames.length - from;
    await whileProgressing({
      isDone: () => answers() >= count || !sender.isConnected(),
      progress: answers,
      ms: RECEIVE_MS_MAX,
      quietMs: QUIET_MS,
    });
    const refused = sender.socket.frames.slice(from).filter(({ type }) => type === 'error').length;
    return { sent: keysOf(SENDER, count), refused };
  };
}

/** One user's HTTP requests, all at once. */
async function sendPosts({ spaceId }, count, bytes) {
  const token = await server.token(spaceId, 'sender');
  const headers = { 'x-space-id': spaceId, 'x-space-token': token, 'Content-Type': 'application/json' };
  const post = async (text) => {
    const response = await fetch(`${server.url}/messages`, {
      method: 'POST',
      headers,
      body: JSON.stringify({ senderId: 'sender', senderType: 'user', text }),
      signal: AbortSignal.timeout(RECEIVE_MS_MAX),
    });
    await response.text();
    return response.status;
  };
  assert.equal(await post('the sender is known'), 201);
  return async () => {
    const texts = Array.from({ length: count }, (_, index) => textOf(SENDER, index, bytes));
    const statuses = await Promise.all(texts.map(post));
    return { sent: keysOf(SENDER, count), refused: statuses.filter((status) => status !== 201).length };
  };
}

/** Clients of the package in Node: each sends all its messages at once, and reads those of all others. */
async function sendOwnClients(room, clients, count, bytes) {
  const spaces = await import(pathToFileURL(join(PKG_DEV, 'index.node.js')).href);
  const people = [];
  for (let number = 1; number <= clients; number += 1) {
    const person = { userId: `own-${number}`, number, received: [], states: [], discontinuities: [] };
    person.client = spaces.client({
      spaceId: room.spaceId,
      spaceToken: await server.token(room.spaceId, person.userId),
      workerUrl: server.url,
      webSocket: WebSocket,
      onMessage({ text }) {
        const key = keyOf(text);
        if (key !== undefined) person.received.push(key);
      },
      onStateChange: ({ state, reason }) => person.states.push(reason?.code ?? state),
      onDiscontinuity: (reason) => person.discontinuities.push(reason),
    });
    server.keep(() => person.client.close());
    await person.client.connect();
    person.states.length = 0;
    people.push(person);
  }
  room.own = people;
  return async () => {
    const results = await Promise.allSettled(
      people.flatMap(({ client, userId, number }) =>
        Array.from({ length: count }, (_, index) => {
          const text = textOf(number, index, bytes);
          return client.sendMessage({ senderId: userId, senderType: 'user', text }, { until: 'stored' });
        }),
      ),
    );
    return {
      sent: people.flatMap(({ number }) => keysOf(number, count)),
      refused: results.filter(({ status }) => status === 'rejected').length,
    };
  };
}
