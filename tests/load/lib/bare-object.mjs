/**
 * A plain JavaScript Durable Object to measure beside our Worker, in the same runtime.
 *
 * It does the least that a chat room must do: it stores each message in SQLite, one row a message, and sends it to every
 * socket and an ack to the sender. It coalesces as our room does: a lone event leaves at once and opens a window of
 * 5 ms, and what follows within it leaves as JSON arrays of at most 50 frames and 64 KiB. It has no tokens, limits,
 * replay, de-duplication or presence, and it never asks a reader how far it has read.
 */
import { startLocalWorker } from '../../../pkg-template/cli/local-worker.js';
import { miniflare } from '../../../scripts/lib/backend.mjs';

const SOURCE = `
import { DurableObject } from 'cloudflare:workers';

const WINDOW_MS = 5;
const BATCH_FRAMES_MAX = 50;
const BATCH_BYTES_MAX = 64 * 1024;

export class Space extends DurableObject {
  seq = 0;
  /** Frames that wait for the window to end: { text, only }; \`only\` is the one socket that gets it. */
  queue = [];
  windowTimer;

  constructor(ctx, env) {
    super(ctx, env);
    ctx.storage.sql.exec(
      'CREATE TABLE messages (seq INTEGER PRIMARY KEY, id TEXT NOT NULL, sender TEXT NOT NULL, ' +
        'text TEXT NOT NULL, createdAt INTEGER NOT NULL)',
    );
  }

  fetch(request) {
    const { 0: client, 1: server } = new WebSocketPair();
    this.ctx.acceptWebSocket(server);
    server.serializeAttachment(new URL(request.url).searchParams.get('user'));
    server.send(JSON.stringify({ type: 'welcome', epoch: 'bare', seq: this.seq, serverTime: Date.now() }));
    const headers = { 'Sec-WebSocket-Protocol': 'spaces.v2' };
    return new Response(null, { status: 101, webSocket: client, headers });
  }

  webSocketMessage(socket, text) {
    const frame = JSON.parse(text);
    for (const entry of Array.isArray(frame) ? frame : [frame]) {
      if (entry.type === 'message') this.store(socket, entry);
    }
    if (this.windowTimer === undefined || this.isBatchFull()) this.flush();
  }

  webSocketClose(socket, code) {
    socket.close(code === 1005 || code === 1006 ? 1000 : code);
  }

  store(socket, { clientMessageId, text }) {
    this.seq += 1;
    const id = 'm' + this.seq + '-' + clientMessageId;
    const senderId = socket.deserializeAttachment();
    const at = Date.now();
    this.ctx.storage.sql.exec('INSERT INTO messages VALUES (?, ?, ?, ?, ?)', this.seq, id, senderId, text, at);
    const times = { createdAt: at, updatedAt: at };
    const message = { ...times, id, senderId, senderType: 'user', seq: this.seq, text, verified: true };
    this.queue.push({ text: JSON.stringify({ type: 'message', seq: this.seq, message }) });
    this.queue.push({ text: JSON.stringify({ type: 'ack', clientMessageId, seq: this.seq }), only: socket });
  }

  isBatchFull() {
    let frames = 0;
    let bytes = 0;
    for (const { text, only } of this.queue) {
      if (only) continue;
      frames += 1;
      bytes += text.length;
    }
    return frames >= BATCH_FRAMES_MAX || bytes >= BATCH_BYTES_MAX;
  }

  flush() {
    const queue = this.queue;
    if (queue.length === 0) return;
    this.queue = [];
    const shared = batches(queue.filter(({ only }) => only === undefined));
    const senders = new Set(queue.map(({ only }) => only));
    for (const socket of this.ctx.getWebSockets()) {
      const own = senders.has(socket)
        ? batches(queue.filter(({ only }) => only === undefined || only === socket))
        : shared;
      for (const text of own) {
        try {
          socket.send(text);
        } catch {
          // It has closed.
        }
      }
    }
    clearTimeout(this.windowTimer);
    this.windowTimer = setTimeout(() => {
      this.windowTimer = undefined;
      this.flush();
    }, WINDOW_MS);
  }
}

/** Frames as texts for the wire: one alone, or arrays. */
function batches(frames) {
  const texts = [];
  let batch = [];
  let bytes = 0;
  const end = () => {
    if (batch.length > 0) texts.push(batch.length === 1 ? batch[0] : '[' + batch.join(',') + ']');
    batch = [];
    bytes = 0;
  };
  for (const { text } of frames) {
    if (batch.length >= BATCH_FRAMES_MAX || bytes + text.length > BATCH_BYTES_MAX) end();
    batch.push(text);
    bytes += text.length;
  }
  end();
  return texts;
}

export default {
  fetch(request, env) {
    const space = new URL(request.url).searchParams.get('spaceId');
    return env.SPACES.getByName(space).fetch(request);
  },
};
`;

/**
 * Starts a Worker with the plain object.
 *
 * @returns {Promise<{ url: string, stop: () => Promise<void> }>}
 */
export function startBareObject() {
  const modules = [{ name: 'index.js', content: SOURCE }];
  return startLocalWorker({ miniflare, modules, gatewayKey: 'unused' });
}
