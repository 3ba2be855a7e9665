/**
 * Nothing is left behind: no socket, timer, listener or closure, however often one connects and disconnects.
 */
import assert from 'node:assert/strict';
import { assertNoProblems, test, until, useStack } from './lib/stack.mjs';

/** Nobody who is honest connects a thousand times in a row: a space would turn them away. */
const stack = useStack({ vars: { HTTP_BURST: '1000000', HTTP_PER_SECOND: '1000000' } });

const CYCLES = 1_000;
/** The first cycles fill caches and tables that stay; what grows after them is a leak. */
const WARM_UP_CYCLES = 100;
const HEAP_GROWTH_BYTES_MAX = 1_000_000;

/** Counts what the page holds, from before anything runs in it. */
function countResources() {
  const timers = new Set();
  const listeners = new Map();
  const sockets = new Set();
  globalThis.held = () => ({
    timers: timers.size,
    listeners: [...listeners.values()].reduce((sum, set) => sum + set.size, 0),
    sockets: [...sockets].filter(({ readyState }) => readyState !== WebSocket.CLOSED).length,
  });

  for (const [set, clear, repeats] of [
    ['setTimeout', 'clearTimeout', false],
    ['setInterval', 'clearInterval', true],
  ]) {
    const nativeSet = globalThis[set];
    const nativeClear = globalThis[clear];
    globalThis[set] = (fn, delay, ...args) => {
      const id = nativeSet(
        (...given) => {
          if (!repeats) timers.delete(id);
          fn(...given);
        },
        delay,
        ...args,
      );
      timers.add(id);
      return id;
    };
    globalThis[clear] = (id) => {
      timers.delete(id);
      nativeClear(id);
    };
  }

  // Of what lives as long as the page: a listener on a socket goes with the socket.
  const { addEventListener, removeEventListener } = EventTarget.prototype;
  const isLasting = (target) => target === undefined || target === window || target === document;
  EventTarget.prototype.addEventListener = function (type, listener, options) {
    if (isLasting(this)) {
      const known = listeners.get(type) ?? new Set();
      listeners.set(type, known.add(listener));
    }
    return addEventListener.call(this ?? window, type, listener, options);
  };
  EventTarget.prototype.removeEventListener = function (type, listener, options) {
    if (isLasting(this)) listeners.get(type)?.delete(listener);
    return removeEventListener.call(this ?? window, type, listener, options);
  };

  const Native = WebSocket;
  globalThis.WebSocket = class extends Native {
    constructor(...args) {
      super(...args);
      sockets.add(this);
      addEventListener.call(this, 'close', () => sockets.delete(this));
    }
  };
}

async function newCountingTab(space) {
  const tab = await stack.newBareTab({ initScript: countResources });
  await tab.evaluate(async (space) => {
    globalThis.spaces = await import('/kuratchi-spaces/index.js');
    const { liveResources } = await import('/kuratchi-spaces/kuratchi_spaces.js');
    globalThis.liveResources = liveResources;
    globalThis.init = await fetch(`/api/chat/init?space=${space}`).then((r) => r.json());
  }, space);
  return tab;
}

async function heapBytes(tab) {
  const session = await tab.context().newCDPSession(tab);
  await session.send('HeapProfiler.collectGarbage');
  const { usedSize } = await session.send('Runtime.getHeapUsage');
  await session.detach();
  return usedSize;
}

async function assertNothingHeld(tab, before) {
  await until(
    () => tab.evaluate(() => liveResources() === 0 && held().sockets === 0 && held().timers === 0),
    'the shell holds nothing and no socket is open',
  ).catch(async (error) => {
    const now = await tab.evaluate(() => ({ ...held(), shell: liveResources() }));
    throw new Error(`${error.message}: ${JSON.stringify(now)}`);
  });
  assert.deepEqual(await tab.evaluate(() => held()), before);
  await until(() => stack.proxy.socketCount === 0, 'the server sees no socket of ours');
}

test('a_thousand_connections_of_one_client_leave_nothing_behind', async () => {
  const tab = await newCountingTab(stack.newSpace('leak'));
  const cycle = (count) =>
    tab.evaluate(async (count) => {
      const { spaceId, spaceToken, workerUrl } = globalThis.init;
      globalThis.client ??= spaces.client({ spaceId, spaceToken, workerUrl, onMessage: () => {} });
      for (let index = 0; index < count; index += 1) {
        await globalThis.client.connect();
        globalThis.client.disconnect();
      }
    }, count);
  const before = await tab.evaluate(() => held());
  await cycle(WARM_UP_CYCLES);
  const heapBefore = await heapBytes(tab);
  await cycle(CYCLES - WARM_UP_CYCLES);
  await assertNothingHeld(tab, before);
  const growth = (await heapBytes(tab)) - heapBefore;
  assert.ok(growth < HEAP_GROWTH_BYTES_MAX, `the heap grew by ${growth} bytes`);
  assertNoProblems(tab);
  await tab.context().close();
});

test('clients_that_are_closed_while_connecting_leave_nothing_behind', async () => {
  const tab = await newCountingTab(stack.newSpace('leak'));
  const before = await tab.evaluate(() => held());
  await tab.evaluate(async () => {
    const { spaceId, spaceToken, workerUrl } = globalThis.init;
    for (let index = 0; index < 200; index += 1) {
      const client = spaces.client({ spaceId, spaceToken, workerUrl, onMessage: () => {} });
      const connected = client.connect();
      // At once, a little later, and when connected: every stage is ended at some time.
      if (index % 3 === 1) await new Promise((resolve) => setTimeout(resolve, index % 7));
      if (index % 3 === 2) await connected;
      client.close();
    }
  });
  await assertNothingHeld(tab, before);
  assertNoProblems(tab);
  await tab.context().close();
});
