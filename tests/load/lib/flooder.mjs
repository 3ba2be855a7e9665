/**
 * A hostile member, in a process of its own: sockets that send frames of every type as fast as they are taken.
 *
 * Started by flood.test.mjs with `fork`. It gets its task as one message, and answers with one message of counts when
 * its time is over. It reads what it is sent, ignores it, and reconnects whenever it is closed.
 */
import { randomUUID } from 'node:crypto';
import WebSocket from 'ws';
import { secondVersion } from '../../contract/lib/second-version-client.mjs';
import { textOf } from './keys.mjs';

const FRAME_BYTES_MAX = 256 * 1024;
const SAFE_INTEGER_MAX = Number.MAX_SAFE_INTEGER;
const TEXT_BYTES = 16_000;
/** A socket that has this much unsent waits for its turn. */
const UNSENT_BYTES_MAX = 1024 * 1024;
/** Frames of one socket before another one has its turn. */
const TURN_FRAMES = 100;
const RECONNECT_MS = 20;
/** How long a socket may take to send what is left when the time is over. */
const LEAVE_MS_MAX = 3_000;

/** Requests over HTTP that are under way at once. */
const REQUESTS = 6;

let messages = 0;
/** The id of a message that somebody wrote, as the flooder was told last. */
let someId = 'm1-0';

/** One message that counts up, so that those stored can be recognised. */
function message(sender, bytes) {
  messages += 1;
  return { type: 'message', clientMessageId: randomUUID(), text: textOf(sender, messages - 1, bytes) };
}

/** A text of exactly so many bytes, as large as a frame may be. */
function filledFrame(bytes) {
  const frame = (text) => JSON.stringify({ type: 'typing', isTyping: true, text });
  return frame('x'.repeat(bytes - frame('').length));
}

/** An edit of some message: of somebody else's it is refused, of the flooder's own it is an event. */
function edit(number) {
  return { type: 'edit', messageId: someId, text: `edit ${number}`, clientMessageId: randomUUID() };
}

const NESTED = `[[${Array(80_000).fill('[]').join(',')}]]`;
const JUNK_BATCH = JSON.stringify(Array.from({ length: 1_000 }, () => ({})));
const LARGEST_FRAME = filledFrame(FRAME_BYTES_MAX);
const TOO_LARGE_FRAME = filledFrame(FRAME_BYTES_MAX + 1);
/** A body far beyond what a request may have. */
const TOO_LARGE_BODY = 'x'.repeat(4_000_000);
const JUNK_BYTES = Buffer.alloc(1_000, 7);

/** Every kind of frame, and how many of it come in one round. Each makes its text, or bytes for a binary frame. */
const KINDS = {
  message: { times: 20, make: ({ sender }) => JSON.stringify(message(sender)) },
  'long message': { times: 2, make: ({ sender }) => JSON.stringify(message(sender, TEXT_BYTES)) },
  'batch of messages': {
    times: 1,
    make: ({ sender }) => JSON.stringify(Array.from({ length: 50 }, () => message(sender))),
  },
  'message after a lie': {
    times: 5,
    make: ({ sender }) => JSON.stringify({ ...message(sender), after: randomUUID() }),
  },
  typing: { times: 20, make: () => '{"type":"typing","isTyping":true}' },
  sync: { times: 10, make: () => '{"type":"sync","since":0}' },
  'auth with junk': { times: 10, make: () => JSON.stringify({ type: 'auth', token: `a.b.${Date.now()}.c` }) },
  ping: { times: 10, make: () => '{"type":"ping"}' },
  'ping of another spelling': { times: 10, make: () => '{"type": "ping"}' },
  'seen with a lie': {
    times: 10,
    make: () => JSON.stringify({ type: 'seen', mark: randomUUID(), seq: SAFE_INTEGER_MAX }),
  },
  'seen without mark': { times: 10, make: () => JSON.stringify({ type: 'seen', seq: SAFE_INTEGER_MAX }) },
  'unknown type': { times: 10, make: () => '{"type":"nonsense"}' },
  'no JSON': { times: 10, make: () => '{"type":' },
  'batch of 1,000 {}': { times: 1, make: () => JUNK_BATCH },
  edit: { times: 10, make: () => JSON.stringify(edit(0)) },
  deletion: { times: 2, make: () => JSON.stringify({ type: 'delete', messageId: someId }) },
  'batch of 1,000 edits': {
    times: 1,
    make: () => JSON.stringify(Array.from({ length: 1_000 }, (_, i) => edit(i))),
  },
  'batch of 100 syncs': {
    times: 1,
    make: () => JSON.stringify(Array.from({ length: 100 }, (_, since) => ({ type: 'sync', since }))),
  },
  'nested arrays': { times: 1, make: () => NESTED },
  binary: { times: 5, make: () => JUNK_BYTES },
  '256 KiB': { times: 1, make: () => LARGEST_FRAME },
  'more than 256 KiB': { times: 1, make: () => TOO_LARGE_FRAME },
};

/** The kinds of one round, mixed: those of one kind are spread over the whole round. */
const ROUND = Object.entries(KINDS)
  .flatMap(([kind, { times }]) => Array.from({ length: times }, (_, i) => ({ kind, at: (i + 0.5) / times })))
  .sort((a, b) => a.at - b.at)
  .map(({ kind }) => kind);

/** What happened, as it is reported. */
const counts = {
  ...{ frames: 0, bytes: 0, kinds: {}, connects: 0, closes: {}, errors: {}, answers: {} },
  ...{ requests: 0, statuses: {} },
};
let isOver = false;

/** Adds to a count by name. */
function count(table, name, by = 1) {
  table[name] = (table[name] ?? 0) + by;
}

/** One socket that is open as long as the flood lasts, but for the moments between two connections. */
class Flooding {
  socket;
  #task;
  #round;
  #place;

  constructor(task, index) {
    this.#task = task;
    this.#round = task.kind === undefined ? ROUND : [task.kind];
    // Each socket begins at another kind.
    this.#place = index * 31;
    this.#connect();
  }

  /** Sends until the socket has enough to do; resolves to whether it sent anything. */
  turn() {
    if (this.socket.readyState !== WebSocket.OPEN) return false;
    let sent = 0;
    while (sent < TURN_FRAMES && this.socket.bufferedAmount < UNSENT_BYTES_MAX) {
      const kind = this.#round[this.#place % this.#round.length];
      this.#place += 1;
      const frame = KINDS[kind].make(this.#task);
      this.socket.send(frame);
      sent += 1;
      counts.frames += 1;
      counts.bytes += frame.length;
      count(counts.kinds, kind);
    }
    return sent > 0;
  }

  #connect() {
    if (isOver) return;
    const { url, token } = this.#task;
    counts.connects += 1;
    this.socket = new WebSocket(url, secondVersion(token), { perMessageDeflate: false });
    this.socket.on('message', (data) => countAnswers(data));
    this.socket.on('error', () => {});
    this.socket.on('close', (code) => {
      count(counts.closes, code);
      setTimeout(() => this.#connect(), RECONNECT_MS);
    });
  }
}

/** What is asked over HTTP, one after the other. */
const REQUEST_KINDS = [
  () => ['GET', '/messages?limit=200'],
  () => ['GET', '/events?since=0'],
  () => ['GET', '/participants'],
  ({ sender }) => ['POST', '/messages', message(sender, TEXT_BYTES)],
  () => ['POST', '/typing', { isTyping: true }],
  () => ['PATCH', `/messages/${someId}`, { text: 'edited' }],
  () => ['PUT', '/metadata', { topic: 'x'.repeat(4_000) }],
  () => ['GET', '/metadata'],
  () => ['POST', '/messages', TOO_LARGE_BODY],
];

/** Asks over HTTP as long as the flood lasts, one request at a time. */
async function askOn(task, index) {
  const { url, spaceId, token } = task;
  const base = new URL(url).origin.replace(/^ws/, 'http');
  const headers = { 'x-space-id': spaceId, 'x-space-token': token, 'content-type': 'application/json' };
  for (let place = index; !isOver; place += 1) {
    const [method, path, body] = REQUEST_KINDS[place % REQUEST_KINDS.length](task);
    counts.requests += 1;
    try {
      const response = await fetch(base + path, { method, headers, body: body && JSON.stringify(body) });
      count(counts.statuses, response.status);
      await response.arrayBuffer();
    } catch (error) {
      count(counts.statuses, error.name);
    }
  }
}

/** Counts errors by code, and frames of the other types that answer something, without decoding the rest. */
function countAnswers(data) {
  const text = data.toString('latin1');
  someId = /"id":"(m\d+-[0-9a-f]+)"/.exec(text)?.[1] ?? someId;
  for (const [, code] of text.matchAll(/"code":"(\w+)"/g)) count(counts.errors, code);
  for (const [, type] of text.matchAll(/"type":"(welcome|ack|head|mark)"/g)) count(counts.answers, type);
}

/** Floods for the time given, and reports. */
async function flood(task) {
  const end = performance.now() + task.ms;
  const sockets = Array.from({ length: task.sockets }, (_, index) => new Flooding(task, index));
  const asking =
    task.kind === undefined ? Array.from({ length: REQUESTS }, (_, index) => askOn(task, index)) : [];
  while (performance.now() < end) {
    const sent = sockets.filter((socket) => socket.turn());
    // Reading has its turn, and nobody spins while all sockets are full or closed.
    await new Promise((resolve) => (sent.length > 0 ? setImmediate(resolve) : setTimeout(resolve, 1)));
  }
  isOver = true;
  for (const { socket } of sockets) await leave(socket);
  await Promise.all(asking);
  process.send({ ...counts, messages });
}

/** Closes a socket once what it sent has left: a runtime that still answers must not become what is measured. */
async function leave(socket) {
  const end = performance.now() + LEAVE_MS_MAX;
  while (socket.bufferedAmount > 0 && performance.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  socket.close();
}

process.once('message', (task) => flood(task).then(() => process.disconnect()));
