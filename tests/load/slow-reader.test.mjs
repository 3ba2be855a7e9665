/**
 * Readers that are slower than the room: they lag, catch up, and receive every message once and in order. Meanwhile
 * the memory of the Worker is printed.
 *
 * Fifty second-version readers, and 20 MB by six named users within the default limits.
 */
import assert from 'node:assert/strict';
import { after, afterEach, test } from 'node:test';
import { startNetwork } from '../e2e/lib/network.mjs';
import { sleep } from '../e2e/lib/waiting.mjs';
import { accountsOf, isComplete, total } from './lib/accounts.mjs';
import { printTable } from './lib/figures.mjs';
import { END, END_TEXT, keysOf, textOf } from './lib/keys.mjs';
import { MemoryWatch } from './lib/memory.mjs';
import { Server } from './lib/server.mjs';
import { whileProgressing } from './lib/waiting.mjs';

const TEST_MS_MAX = 60_000;
const READERS = 50;
const SENDERS = 6;
const MESSAGES_PER_SENDER = 1_000;
const TEXT_BYTES = 3_400;
const MESSAGES = SENDERS * MESSAGES_PER_SENDER;

/** The throttled reader's line: slow until it lags by enough, then fast enough for the test to end. */
const SLOW_BYTES_PER_SECOND = 100_000;
const FASTER_BYTES_PER_SECOND = 2_000_000;
const SLOW_MS = 6_000;
const PAUSE_MS = 5_000;
/** Readers must lag by more than this before they may catch up. */
const LAG_BYTES_MIN = 1024 * 1024;

/** A reader that received nothing for this long receives nothing any more. */
const QUIET_MS = 5_000;
const CATCH_UP_MS_MAX = 35_000;

const HEADING = [
  ...['run', 'sent', 'stored', 'lag of slowest, kB', 'received by slowest', 'received by others'],
  ...['lost', 'doubled', 'inverted', 'closes', 'sent in ms', 'caught up in ms'],
  ...['MiB before', 'peak', 'after'],
];
const rows = [];
let server;
let network;

afterEach(async () => {
  await network?.close();
  network = undefined;
  await server?.stop();
});
after(() => printTable('Slow readers, and the resident memory of workerd', HEADING, rows));

test('one throttled reader lags, catches up and misses nothing', { timeout: TEST_MS_MAX }, async () => {
  server = await Server.start();
  network = await startNetwork(server.url);
  const spaceId = server.newSpace();
  const slow = await server.second(spaceId, 'reader-0', { via: network.url });
  const others = await openReaders(spaceId, READERS - 1);
  await measure('1 of 50 at 100 kB/s', spaceId, {
    slow: [slow],
    others,
    async slowDown() {
      network.throttle(SLOW_BYTES_PER_SECOND, 'down');
      await sleep(SLOW_MS);
      const lagBytes = others[0].bytes - slow.bytes;
      network.throttle(FASTER_BYTES_PER_SECOND, 'down');
      return lagBytes;
    },
  });
  assert.ok(network.faults.throttled > 0, 'the throttle slowed something');
});

test('fifty readers that pause lag, catch up and miss nothing', { timeout: TEST_MS_MAX }, async () => {
  server = await Server.start();
  const spaceId = server.newSpace();
  const slow = await openReaders(spaceId, READERS);
  const witness = await server.second(spaceId, 'witness');
  await measure('50 of 50 pause for 5 s', spaceId, {
    slow,
    others: [witness],
    async slowDown() {
      for (const reader of slow) reader.pause();
      await sleep(PAUSE_MS);
      const lagBytes = witness.bytes - Math.max(...slow.map(({ bytes }) => bytes));
      for (const reader of slow) reader.resume();
      return lagBytes;
    },
  });
});

async function openReaders(spaceId, count) {
  const readers = [];
  for (let index = 1; index <= count; index += 1) {
    readers.push(await server.second(spaceId, `reader-${index}`));
  }
  return readers;
}

/**
 * Sends everything while some readers are slow, waits until all have caught up, and verifies the counts.
 *
 * `slowDown` makes the slow readers slow for some seconds. It resolves when they are fast again, with the bytes that
 * they were behind by then.
 */
async function measure(name, spaceId, { slow, others, slowDown }) {
  const senders = [];
  for (let number = 1; number <= SENDERS; number += 1) {
    senders.push(await server.second(spaceId, `sender-${number}`));
  }
  const readers = [...slow, ...others];
  const start = await server.store(spaceId, 'before');
  const memory = new MemoryWatch(server.pid);
  const begun = performance.now();
  const slowness = slowDown();
  const stored = await Promise.all(
    senders.map((sender, index) =>
      sender.sendInWindow(
        Array.from({ length: MESSAGES_PER_SENDER }, (_, i) => textOf(index + 1, i, TEXT_BYTES)),
      ),
    ),
  );
  const sentMs = performance.now() - begun;
  const acknowledged = stored.reduce((sum, count) => sum + count, 0);
  const end = await server.store(spaceId, END_TEXT);
  const lagBytes = await slowness;
  await whileProgressing({
    isDone: () => readers.every(({ received }) => received.at(-1) === END),
    progress: () => readers.reduce((sum, { received }) => sum + received.length, 0),
    ms: CATCH_UP_MS_MAX,
    quietMs: QUIET_MS,
  });
  const caughtUpMs = Math.max(...readers.map(({ lastAt }) => lastAt)) - begun;
  const mib = memory.stop();

  const result = {
    sent: Array.from({ length: SENDERS }, (_, index) => keysOf(index + 1, MESSAGES_PER_SENDER)).flat(),
    stored: end - start - 1,
  };
  const lists = readers.map(({ received }) => received.filter((key) => key !== END));
  const { accounts } = accountsOf(lists, result);
  const sums = total(accounts);
  const closes = readers.map(({ closeCode }) => closeCode).filter((code) => code !== undefined);
  rows.push([
    ...[name, MESSAGES, result.stored, (lagBytes / 1_000).toFixed(0)],
    ...[total(accounts.slice(0, slow.length)).received, total(accounts.slice(slow.length)).received],
    ...[
      sums.lost,
      sums.doubled,
      sums.inverted,
      closes.length > 0 ? `${closes.length} × ${closes[0]}` : 'none',
    ],
    ...[sentMs.toFixed(0), caughtUpMs.toFixed(0)],
    ...[mib.before, mib.peak, mib.after].map((each) => each.toFixed(0)),
  ]);

  assert.equal(acknowledged, MESSAGES, 'every message is within the limits and was acknowledged');
  assert.equal(result.stored, MESSAGES, 'and stored');
  assert.ok(lagBytes > LAG_BYTES_MIN, `the slow readers lagged by ${lagBytes} bytes only`);
  assert.deepEqual(closes, [], 'no reader was closed');
  assert.deepEqual(
    accounts.filter((each) => !isComplete(each)),
    [],
    'readers that did not receive everything once and in order',
  );
  const gaps = readers.filter(({ missing, repeated }) => missing + repeated > 0);
  assert.equal(gaps.length, 0, 'the numbers of events have neither gap nor repetition');
}
