/**
 * An app in a process of its own, so that its memory and its pauses are its own: `node page.mjs <workerUrl> <kind>`, where
 * `kind` is `callbacks`, `view` for one that looks at the store, or `lists` for one that asks for
 * everything there is. Prints what it has, as JSON, for each line on its input.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { createInterface } from 'node:readline';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { WebSocket } from 'ws';

const NS_PER_MS = 1e6;
const BYTES_PER_MIB = 1024 * 1024;
const LISTS = 30;
const LOOK_EVERY_MS = 10;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc');

const { client } = await import('../../../.build/pkg-dev/index.node.js');
const [workerUrl, kind] = process.argv.slice(2);
const told = { messages: 0, errors: [], lists: 0, refused: 0, parts: 0, peakMib: 0 };
const space = client({
  ...{ spaceId: 'room', spaceToken: 'a.b.9999999999999.c', workerUrl, webSocket: WebSocket },
  onMessage: () => {
    told.messages += 1;
  },
  onTyping: () => {},
  onError: (error) => told.errors.push(error.code),
});
if (kind === 'view') space.subscribe(() => space.getSnapshot());
await space.connect();
collect();
const heapBefore = process.memoryUsage().heapUsed;
const delays = monitorEventLoopDelay({ resolution: 1 });
delays.enable();
if (kind === 'lists') {
  const { rss } = process.memoryUsage();
  setInterval(() => {
    told.peakMib = Math.max(told.peakMib, (process.memoryUsage().rss - rss) / BYTES_PER_MIB);
  }, LOOK_EVERY_MS).unref();
  const limit = 1_000;
  const askForMessages = async () => {
    const messages = await space.getMessages({ limit });
    if (messages.length > 0 && messages.length < limit) told.parts += 1;
  };
  const asked = [() => space.getParticipants(), askForMessages];
  for (const ask of Array.from({ length: LISTS }, () => asked).flat()) {
    ask()
      .catch(() => {
        told.refused += 1;
      })
      .finally(() => {
        told.lists += 1;
      });
  }
}

for await (const _ of createInterface({ input: process.stdin })) {
  const longestMs = delays.max / NS_PER_MS;
  collect();
  const { messages, typing, presence } = kind === 'view' ? space.getSnapshot() : {};
  console.log(
    JSON.stringify({
      ...told,
      shown: messages?.length,
      typing: typing?.length,
      presence: presence?.length,
      heapMib: (process.memoryUsage().heapUsed - heapBefore) / BYTES_PER_MIB,
      longestMs,
    }),
  );
  delays.reset();
}
space.close();
