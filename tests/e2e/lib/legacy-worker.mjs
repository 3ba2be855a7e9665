/**
 * A worker deployed from the TypeScript SDK: its contract, and what was measured of it, mistakes included.
 *
 * Owns the routes, the order of its checks and its error texts, a table of messages in memory, and faults on
 * demand. Written from the contract and the measurements alone. It must not know our own Worker or our client: no
 * `seq`, no `clientMessageId`, no `verified`, no edits.
 */
import { createHmac, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';

const CORS = {
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Allow-Methods': 'POST, GET, OPTIONS',
  'Access-Control-Allow-Headers': 'Content-Type, Authorization, x-space-id, x-space-token',
};

/**
 * @param {object} options
 * @param {string} options.gatewayKey Demanded by everything but a preflight.
 * @returns {Promise<LegacyWorker>}
 */
export async function startLegacyWorker(options) {
  const worker = new LegacyWorker(options);
  await worker.listen();
  return worker;
}

/** An answer that is no success. */
class Refused extends Error {
  constructor(status, error) {
    super(error);
    this.status = status;
  }
}

export class LegacyWorker {
  url;
  /** How often each fault hit something. */
  faults = { socketRefused: 0, socketCut: 0, answerLost: 0, failed: 0 };
  /** What came: `{ method, path, hasKey, status }`, preflights and upgrades included. */
  requests = [];
  /** Its clock, in milliseconds since 1970. */
  now = Date.now;
  /**
   * Whether sockets open without headers, as they do where something on the way adds the key: the first frame is
   * `auth` then. Browsers can set no header on a socket, so that none opens as the worker is deployed.
   */
  opensSockets = false;
  /** Whether every request fails with 500. */
  fails = false;
  #gatewayKey;
  #spaces = new Map();
  #server;
  /** It answers an offer of subprotocols with none, which a browser takes for a failure. */
  #sockets = new WebSocketServer({ noServer: true, handleProtocols: () => false });
  #answersToLose = [];

  constructor({ gatewayKey }) {
    this.#gatewayKey = gatewayKey;
  }

  async listen() {
    this.#server = createServer((request, response) => this.#receive(request, response));
    this.#server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
    await new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(0, '127.0.0.1', resolve);
    });
    this.url = `http://127.0.0.1:${this.#server.address().port}`;
  }

  async close() {
    this.cutSockets();
    await new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }

  /**
   * The answers to the next `POST /messages` that are stored never arrive whole: `kinds` says of each what happens
   * to it. `'before'` breaks the connection before the answer begins, `'within'` in the middle of its body; `'none'`
   * leaves it alone.
   *
   * @param {...('before' | 'within' | 'none')} kinds
   */
  loseAnswers(...kinds) {
    this.#answersToLose.push(...kinds);
  }

  /** Breaks every socket. */
  cutSockets() {
    for (const socket of this.#sockets.clients) {
      socket.terminate();
      this.faults.socketCut += 1;
    }
  }

  /** Stores a message as if its sender had posted it, and tells the sockets. */
  post(spaceId, { senderId, senderType = 'user', text, attachments }) {
    const at = this.now();
    const message = {
      id: randomUUID(),
      senderId,
      senderType,
      text,
      attachments: attachments || null,
      createdAt: at,
      updatedAt: at,
    };
    const space = this.#space(spaceId);
    space.messages.push(message);
    this.#broadcast(space, { type: 'message', message });
    return message;
  }

  /** What is stored, oldest first; among equal times, as stored. */
  messages(spaceId) {
    return this.#space(spaceId).messages.toSorted((a, b) => a.createdAt - b.createdAt);
  }

  /** How many sockets of the space were accepted and are open. */
  socketCount(spaceId) {
    return this.#space(spaceId).sockets.size;
  }

  /** How many requests came for `method path`. */
  count(method, path) {
    return this.requests.filter((request) => request.method === method && request.path === path).length;
  }

  #space(spaceId) {
    if (!this.#spaces.has(spaceId)) this.#spaces.set(spaceId, { messages: [], sockets: new Set() });
    return this.#spaces.get(spaceId);
  }

  async #receive(request, response) {
    const { pathname, searchParams } = new URL(request.url, this.url);
    const entry = { method: request.method, path: pathname, hasKey: 'authorization' in request.headers };
    this.requests.push(entry);
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const { status, body, isStored = false } = this.#judge(request, pathname, searchParams, chunks);
    entry.status = status;
    const text = body === undefined ? '' : JSON.stringify(body);
    response.writeHead(status, {
      ...CORS,
      ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
      'Content-Length': Buffer.byteLength(text),
      // On a connection that was used before, browsers send a request again by themselves when it breaks.
      Connection: 'close',
    });
    const loss = isStored ? (this.#answersToLose.shift() ?? 'none') : 'none';
    if (loss === 'none') {
      response.end(text);
      return;
    }
    this.faults.answerLost += 1;
    if (loss === 'before') request.socket.destroy();
    else response.write(text.slice(0, text.length / 2), () => request.socket.destroy());
  }

  /** Answers; refuses in the order in which the worker checks. */
  #judge(request, path, query, chunks) {
    try {
      // Nothing is looked at before: a browser's preflight carries no key.
      if (request.method === 'OPTIONS') return { status: 200 };
      if (this.fails) {
        this.faults.failed += 1;
        throw new Refused(500, 'Error: internal error');
      }
      const spaceId = this.#credentials(request.headers);
      if (!['GET', 'POST'].includes(request.method)) throw new Refused(405, 'Method not allowed');
      const read = () => JSON.parse(Buffer.concat(chunks).toString());
      return this.#route(`${request.method} ${path}`, spaceId, query, read);
    } catch (error) {
      return { status: error.status ?? 500, body: { error: error.status ? error.message : String(error) } };
    }
  }

  #credentials(headers) {
    if (headers.authorization !== `Bearer ${this.#gatewayKey}`) {
      throw new Refused(401, 'Invalid or missing gateway key');
    }
    const spaceId = headers['x-space-id'];
    if (!spaceId) throw new Refused(400, 'x-space-id required');
    this.#token(headers['x-space-token'], spaceId);
    return spaceId;
  }

  #token(token, spaceId) {
    if (!token) throw new Refused(401, 'Missing x-space-token');
    // From the left: a space id with a dot can not be used.
    const parts = token.split('.');
    if (parts.length !== 4) throw new Refused(401, 'Invalid token format');
    const [space, random, exp, signature] = parts;
    if (space !== spaceId) throw new Refused(401, 'Token space mismatch');
    if (!(Number(exp) >= Date.now())) throw new Refused(401, 'Token expired');
    const signed = createHmac('sha256', this.#gatewayKey).update(`${space}.${random}.${Number(exp)}`);
    if (signed.digest('base64url') !== signature) throw new Refused(401, 'Invalid token signature');
  }

  #route(row, spaceId, query, read) {
    switch (row) {
      case 'POST /messages': {
        const { senderId, senderType, text, attachments } = read();
        if (!senderId || !senderType || !text) throw new Refused(400, 'Missing required fields');
        const message = this.post(spaceId, { senderId, senderType, text, attachments });
        return { status: 201, body: { success: true, message }, isStored: true };
      }
      case 'GET /messages':
        return { status: 200, body: { success: true, messages: this.#page(spaceId, query) } };
      case 'GET /participants':
        // Never written.
        return { status: 200, body: { success: true, participants: [] } };
      case 'POST /typing': {
        const { userId, isTyping } = read();
        this.#broadcast(this.#space(spaceId), { type: 'typing', userId, isTyping });
        return { status: 200, body: { success: true } };
      }
      case 'GET /metadata':
        return { status: 200, body: { success: true, metadata: {} } };
      default:
        throw new Refused(404, 'Invalid endpoint');
    }
  }

  /** Newest first, strictly earlier than `before`: where times are equal, what did not fit the page is skipped. */
  #page(spaceId, query) {
    const limit = Number.parseInt(query.get('limit') || '50', 10);
    if (Number.isNaN(limit)) throw new Error('datatype mismatch');
    const before = query.has('before') ? Number.parseInt(query.get('before'), 10) : Number.POSITIVE_INFINITY;
    const page = this.messages(spaceId).filter(({ createdAt }) => createdAt < before);
    page.reverse();
    // A negative limit is none.
    return limit < 0 ? page : page.slice(0, limit);
  }

  #broadcast(space, frame) {
    for (const socket of space.sockets) socket.send(JSON.stringify(frame));
  }

  #upgrade(request, socket, head) {
    const { pathname, searchParams } = new URL(request.url, this.url);
    const status = this.opensSockets && !this.fails ? 101 : 401;
    const hasKey = 'authorization' in request.headers;
    this.requests.push({ method: 'UPGRADE', path: pathname, hasKey, status });
    if (status !== 101) {
      this.faults.socketRefused += 1;
      socket.on('error', () => {});
      const body = JSON.stringify({ error: 'Invalid or missing gateway key' });
      socket.end(
        `HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n` +
          `Connection: close\r\n\r\n${body}`,
      );
      return;
    }
    this.#sockets.handleUpgrade(request, socket, head, (opened) => {
      this.#serve(opened, searchParams.get('spaceId'));
    });
  }

  /** A socket of the first version: silent until its `auth` frame, and nothing answers that frame. */
  #serve(socket, spaceId) {
    const space = this.#space(spaceId);
    socket.on('close', () => space.sockets.delete(socket));
    socket.on('error', () => {});
    socket.on('message', (data) => {
      const frame = JSON.parse(data.toString());
      if (frame.type === 'auth') {
        try {
          if (frame.gatewayKey !== this.#gatewayKey) throw new Refused(401, 'Invalid or missing gateway key');
          this.#token(frame.spaceToken, spaceId);
          space.sockets.add(socket);
        } catch (error) {
          socket.send(JSON.stringify({ type: 'error', error: error.message }));
          socket.close(1008);
        }
      } else if (!space.sockets.has(socket)) {
        socket.send(JSON.stringify({ type: 'error', error: 'Not authenticated' }));
      } else if (frame.type === 'message') {
        this.post(spaceId, frame);
      } else if (frame.type === 'typing') {
        const { userId, isTyping } = frame;
        this.#broadcast(space, { type: 'typing', userId, isTyping });
      }
    });
  }
}
