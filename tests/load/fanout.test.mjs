/**
 * One sender at full speed and fifty readers: our Worker beside a plain JavaScript object that stores and coalesces
 * alike (lib/bare-object.mjs), in turns. No reader may miss a message on either side; times are printed only.
 *
 * Full speed means that the sender waits for no answer, only for its own socket. So our rate limits are raised.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { machine, median } from '../../bench/figures.mjs';
import { account, isComplete, total } from './lib/accounts.mjs';
import { BareClient } from './lib/bare-client.mjs';
import { startBareObject } from './lib/bare-object.mjs';
import { printTable } from './lib/figures.mjs';
import { keysOf, textOf } from './lib/keys.mjs';
import { RAISED_LIMITS, Server } from './lib/server.mjs';
import { whileProgressing } from './lib/waiting.mjs';

const TEST_MS_MAX = 90_000;
const READERS = 50;
const ROUNDS = 2;
const TEXT_BYTES = 96;
const SENDER = 1;
const CASES = [
  { name: '1 a frame', perFrame: 1, messages: 8_000 },
  { name: '50 a frame', perFrame: 50, messages: 20_000 },
  // Not full speed: as our client sends, so that the sender is no slower reader than the others.
  { name: '1 a frame, 100 unanswered at most', unansweredMax: 100, messages: 8_000 },
];
/** A reader that received nothing for this long receives nothing any more. */
const QUIET_MS = 4_000;
const RECEIVE_MS_MAX = 20_000;

const HEADING = [
  ...['sending', 'messages', 'not stored: ours', 'bare'],
  ...['deliveries missing: ours', 'bare', 'doubled or inverted: ours', 'bare'],
  ...['closes: ours', 'bare', 'ms: ours', 'bare', 'deliveries/s: ours', 'bare'],
];
const rows = [];
let server;
let bare;
let round = 0;

before(async () => {
  server = await Server.start({ vars: RAISED_LIMITS });
  bare = await startBareObject();
});
after(async () => {
  await server?.stop();
  await bare?.stop();
  printTable(`Fan-out to ${READERS} readers, ${ROUNDS} rounds a side; ${machine()}`, HEADING, rows);
});

for (const { name, ...sending } of CASES) {
  const { messages } = sending;
  test(`${name}: no reader misses a message`, { timeout: TEST_MS_MAX }, async () => {
    const ours = [];
    const bares = [];
    for (let turn = 0; turn < ROUNDS; turn += 1) {
      ours.push(await measure(openOurs, sending));
      bares.push(await measure(openBare, sending));
    }
    const sides = [ours, bares].map(summary);
    const pair = (cell) => sides.map(cell);
    rows.push([
      ...[name, ROUNDS * messages],
      ...pair(({ unstored }) => unstored),
      ...pair(({ missing }) => missing),
      ...pair(({ disorder }) => disorder),
      ...pair(({ closes }) => closes),
      ...pair(({ ms }) => ms.toFixed(0)),
      ...pair(({ received, ms }) => Math.round((received * READERS * 1_000) / ms)),
    ]);
    for (const [side, results] of Object.entries({ ours, bare: bares })) {
      for (const { stored, accounts, closes, acked } of results) {
        assert.equal(stored, messages, `${side}: everything is stored`);
        assert.deepEqual(
          accounts.filter((each) => !isComplete(each)),
          [],
          `${side}: readers that did not receive everything once and in order`,
        );
        assert.deepEqual(closes, [], `${side}: no socket was closed`);
        assert.equal(acked, messages, `${side}: every message was acknowledged to its sender`);
      }
    }
  });
}

/** A socket at our Worker. */
function openOurs(spaceId, userId) {
  return server.second(spaceId, userId);
}

/** A socket at the plain object. It ends with its server. */
function openBare(spaceId, user) {
  return BareClient.open(bare.url, { spaceId, query: { user } });
}

/** Sends everything into a new room, and waits until all readers have it. */
async function measure(open, { perFrame, messages, unansweredMax }) {
  round += 1;
  const spaceId = `fanout-${round}`;
  const readers = [];
  for (let index = 1; index <= READERS; index += 1) readers.push(await open(spaceId, `reader-${index}`));
  const sender = await open(spaceId, 'sender');
  const start = await head(open, spaceId);
  const texts = Array.from({ length: messages }, (_, index) => textOf(SENDER, index, TEXT_BYTES));
  const begun = performance.now();
  if (unansweredMax) await sender.sendInWindow(texts, { windowBytes: unansweredMax * TEXT_BYTES });
  else await sender.sendAtFullSpeed(texts, { perFrame });
  await whileProgressing({
    isDone: () => sender.acked === messages && readers.every(({ received }) => received.length >= messages),
    progress: () => readers.reduce((sum, { received }) => sum + received.length, sender.acked),
    ms: RECEIVE_MS_MAX,
    quietMs: QUIET_MS,
  });
  const stored = (await head(open, spaceId)) - start;
  const order = keysOf(SENDER, messages);
  const expected = { sent: new Set(order), stored, order };
  const result = {
    stored,
    unstored: messages - stored,
    accounts: readers.map(({ received }) => account(received, expected)),
    closes: [sender, ...readers].map(({ closeCode }) => closeCode).filter((code) => code !== undefined),
    acked: sender.acked,
    ms: Math.max(sender.lastAt, ...readers.map(({ lastAt }) => lastAt)) - begun,
  };
  for (const client of [sender, ...readers]) client.end();
  return result;
}

/** The number of the last event, as somebody who joins is told it. */
async function head(open, spaceId) {
  const probe = await open(spaceId, 'probe');
  probe.end();
  return probe.welcome.seq;
}

/** All rounds of one side in one. */
function summary(results) {
  const { received, lost, doubled, inverted } = total(results.flatMap(({ accounts }) => accounts));
  const closes = results.flatMap((result) => result.closes);
  return {
    unstored: results.reduce((sum, { unstored }) => sum + unstored, 0),
    received,
    missing: lost,
    disorder: doubled + inverted,
    closes: closes.length > 0 ? `${closes.length} × ${closes[0]}` : 'none',
    ms: median(results.map(({ ms }) => ms)),
  };
}
