/**
 * One round in the page: frames are made beforehand, fed through a socket of our own, and timed until the
 * callback has had every message.
 *
 * Owns the socket, the two handlers and the clock. Must not know how often it is asked.
 */
import { client } from '/index.js';

/** Far longer than a round takes. */
const ROUND_MS_MAX = 20_000;
const EPOCH = '0123456789abcdef0123456789abcdef';

/** The socket that was made last. */
let socket;

/** What the `webSocket` option takes. It lets everybody in and sends what it is told to. */
class PageSocket {
  binaryType = 'blob';
  readyState = 1;
  protocol = 'spaces.v2';
  onopen = null;
  onmessage = null;
  onclose = null;
  onerror = null;

  constructor() {
    socket = this;
    queueMicrotask(() => {
      this.onopen?.({});
      const welcome = { type: 'welcome', epoch: EPOCH, seq: 0, connectionId: 'c1', serverTime: Date.now() };
      this.onmessage?.({ data: JSON.stringify({ ...welcome, limits: {} }) });
    });
  }

  send() {}

  close() {}
}

/** Frames as the Worker sends them, each message entry of exactly `bytes` bytes. */
function makeFrames({ messages, bytes, perFrame }) {
  const frames = [];
  const now = Date.now();
  const entry = (seq, text) => {
    const id = `m${seq}-${(seq * 2654435761).toString(16).padStart(16, '0').slice(-16)}`;
    const times = { createdAt: now + seq, updatedAt: now + seq };
    const message = { ...times, id, senderId: 'bob', senderType: 'user', seq, text, verified: true };
    return JSON.stringify({ type: 'message', seq, message });
  };
  for (let seq = 1; seq <= messages; seq += perFrame) {
    const entries = Array.from({ length: perFrame }, (_, index) => {
      const room = bytes - entry(seq + index, '').length;
      return entry(seq + index, 'lorem ipsum '.repeat(bytes).slice(0, room));
    });
    frames.push(perFrame === 1 ? entries[0] : `[${entries.join(',')}]`);
  }
  return frames;
}

/** The least that an app could write by hand. */
async function openPlain(onMessage) {
  const plain = new PageSocket();
  await new Promise((resolve) => {
    plain.onmessage = resolve;
  });
  plain.onmessage = ({ data }) => {
    const parsed = JSON.parse(data);
    for (const frame of Array.isArray(parsed) ? parsed : [parsed]) {
      if (frame.type === 'message') onMessage(frame.message);
    }
  };
  return () => {};
}

async function openClient(onMessage) {
  const space = client({
    spaceId: 'bench',
    spaceToken: 'token',
    workerUrl: location.origin,
    webSocket: PageSocket,
    onMessage,
  });
  await space.connect();
  return () => space.close();
}

/** Gives µs a message. */
globalThis.measure = async ({ handler, perFrame, messages, bytes }) => {
  const frames = makeFrames({ messages, bytes, perFrame });
  let heard = 0;
  let length = 0;
  const onMessage = (message) => {
    heard += 1;
    length += message.text.length;
  };
  const close = await (handler === 'client' ? openClient : openPlain)(onMessage);
  const started = performance.now();
  for (const data of frames) socket.onmessage({ data });
  // Whoever works on after the event has returned is waited for.
  while (heard < messages && performance.now() - started < ROUND_MS_MAX) {
    await new Promise((resolve) => setTimeout(resolve));
  }
  const took = performance.now() - started;
  close();
  if (heard !== messages || length === 0) throw new Error(`${handler} told ${heard} of ${messages} messages`);
  return (took * 1000) / messages;
};
