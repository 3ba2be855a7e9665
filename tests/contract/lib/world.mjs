/**
 * One Worker on workerd, and everybody who talks to it in a test file.
 *
 * Owns start, stop, tokens, fresh space ids and HTTP calls. Must not know what a right answer is.
 */
import { createHmac, randomUUID } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateToken } from '../../../pkg-template/tokens.js';
import { startBackend } from '../../../scripts/lib/backend.mjs';
import { WORKER_TEST } from '../../../scripts/lib/paths.mjs';
import { FirstVersionClient } from './first-version-client.mjs';
import { SecondVersionClient } from './second-version-client.mjs';

const HTTP_MS_MAX = 30_000;
const EXPIRED_SINCE_MS = 60_000;
/** What fetch calls a connection that the other side has closed. */
const CLOSED = 'UND_ERR_SOCKET';
/** An alarm that is further away is not about what just happened. */
const SOON_MS = 60_000;

export class World {
  /** What the Worker logged. */
  logs = [];

  #options;
  #backend;
  #sockets = new Set();
  #folder;

  static async start(options = {}) {
    const world = new World(options);
    await world.#start();
    return world;
  }

  constructor(options) {
    this.#options = options;
    if (options.persist) this.#folder = mkdtempSync(join(tmpdir(), 'kuratchi-contract-'));
  }

  get url() {
    return this.#backend.url;
  }

  get gatewayKey() {
    return this.#backend.gatewayKey;
  }

  async #start(gatewayKey) {
    if (!existsSync(join(WORKER_TEST, 'index.js'))) {
      throw new Error('.build/worker-test is missing: `npm test -- contract` builds it first');
    }
    this.#backend = await startBackend({
      workerDir: WORKER_TEST,
      persistDir: this.#folder,
      gatewayKey,
      vars: this.#options.vars,
      edge: this.#options.edge,
      log: (line) => this.logs.push(line),
    });
  }

  /** Stops the Worker and starts it again, on the same data where the world persists any. */
  async restart() {
    const { gatewayKey } = this;
    await this.#backend.stop();
    await this.#start(gatewayKey);
  }

  async stop() {
    for (const socket of this.#sockets) socket.kill();
    await this.#backend?.stop();
    if (this.#folder) rmSync(this.#folder, { recursive: true, force: true });
  }

  /** A space that no other test uses. */
  newSpace() {
    return `space-${randomUUID()}`;
  }

  token(spaceId, claims = {}) {
    return generateToken(spaceId, { gatewayKey: this.gatewayKey, ...claims });
  }

  /** A token that is well signed and whose time is over. */
  expiredToken(spaceId) {
    const signed = `${spaceId}.random.${Date.now() - EXPIRED_SINCE_MS}`;
    return `${signed}.${createHmac('sha256', this.gatewayKey).update(signed).digest('base64url')}`;
  }

  /** A token of the right form that somebody else signed. */
  async forgedToken(spaceId) {
    const token = await this.token(spaceId);
    const signed = token.slice(0, token.lastIndexOf('.'));
    return `${signed}.${createHmac('sha256', 'the key of another').update(signed).digest('base64url')}`;
  }

  /** A connected client of the first version; with a token of its own if none is given. */
  async first(spaceId, config = {}) {
    const client = await this.firstUnconnected(spaceId, config);
    await client.connect();
    this.#sockets.add(client.socket);
    return client;
  }

  async firstUnconnected(spaceId, config = {}) {
    const spaceToken = 'spaceToken' in config ? config.spaceToken : await this.token(spaceId);
    const { gatewayKey } = this;
    return new FirstVersionClient({ workerUrl: this.url, spaceId, gatewayKey, ...config, spaceToken });
  }

  /** A client of the second version that was welcomed. */
  async second(spaceId, claims = {}, query = {}) {
    const client = await this.secondSocket({ spaceId, token: await this.token(spaceId, claims), query });
    await client.welcome();
    return client;
  }

  /** A socket of the second version, whatever comes of it. */
  async secondSocket(options) {
    const client = new SecondVersionClient(this.url, options);
    this.#sockets.add(client);
    return client;
  }

  /**
   * One HTTP call, with the credentials of a client for `spaceId` unless they are named (`undefined` leaves
   * one out). Returns `{ status, headers, text, body }`.
   */
  async call(method, path, options = {}) {
    const { spaceId, claims, body, headers = {} } = options;
    const token = 'token' in options ? options.token : spaceId && (await this.token(spaceId, claims));
    const credentials = {
      ...(options.gatewayKey === undefined ? {} : { Authorization: `Bearer ${options.gatewayKey}` }),
      ...(spaceId === undefined ? {} : { 'x-space-id': headerValue(spaceId) }),
      ...(token === undefined ? {} : { 'x-space-token': headerValue(token) }),
      ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
    };
    const response = await fetchAlive(`${this.url}${path}`, {
      method,
      headers: { ...credentials, ...headers },
      body: body === undefined || isRaw(body) ? body : JSON.stringify(body),
      ...(body instanceof ReadableStream ? { duplex: 'half' } : {}),
      signal: AbortSignal.timeout(HTTP_MS_MAX),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, text, body: parsed(text) };
  }

  /** Calls as one caller for one space, with one token, so that the calls share a rate limit. */
  async caller(spaceId, claims = {}, options = {}) {
    const token = await this.token(spaceId, claims);
    return (method, path, body) => this.call(method, path, { spaceId, token, body, ...options });
  }

  /** Asks a test hook of the Worker about a space. */
  async hook(method, name, spaceId, body) {
    const query = new URLSearchParams({ spaceId });
    const response = await fetchAlive(`${this.url}/__test/${name}?${query}`, {
      method,
      headers: { Authorization: `Bearer ${this.gatewayKey}` },
      body: body && JSON.stringify(body),
      signal: AbortSignal.timeout(HTTP_MS_MAX),
    });
    const text = await response.text();
    return { status: response.status, body: parsed(text) };
  }

  /** As `hook`, for those that always answer. */
  async #ask(method, name, spaceId, body) {
    const answer = await this.hook(method, name, spaceId, body);
    if (answer.status !== 200) {
      throw new Error(`${method} /__test/${name}: ${answer.status} ${JSON.stringify(answer.body)}`);
    }
    return answer.body;
  }

  /** What the object says of itself: `{ constructed, sockets, alarmAt, aheadMs }`. */
  look(spaceId) {
    return this.#ask('GET', 'space', spaceId);
  }

  /** How many rows of all the space's tables hold the text. */
  async rowsWith(spaceId, text) {
    return (await this.#ask('POST', 'holds', spaceId, { text })).rows;
  }

  /**
   * Puts the space's time ahead of ours by `ms` in all. An alarm that is due by then rings before this returns,
   * as it would have on its day.
   */
  async putAhead(spaceId, ms) {
    await this.#ask('POST', 'clock', spaceId, { aheadMs: ms });
  }

  /**
   * Has the object lose its memory, but neither sockets nor store. `at`: `now`, or `afterCommit`, once the next
   * input that writes has been stored and before anybody was told. `by`: `reset`, or a `panic`, which takes the
   * memory of all other objects of this Worker along.
   */
  async loseMemory(spaceId, { at = 'now', by = 'reset' } = {}) {
    await this.#ask('POST', by, spaceId, { at });
  }

  /** Waits until the space has kept house for the day, so that it writes nothing by itself any more. */
  async housekept(spaceId) {
    const idle = async () => {
      const { alarmAt, aheadMs } = await this.look(spaceId);
      return alarmAt === null || alarmAt - aheadMs > Date.now() + SOON_MS;
    };
    await eventually(idle, 'the space has kept house');
  }

  /** How many rows the space has written so far. */
  async rowsWritten(spaceId) {
    return (await this.#ask('GET', 'rows', spaceId)).rows;
  }

  /** How often the space has set an alarm so far. */
  async alarmsSet(spaceId) {
    return (await this.#ask('GET', 'rows', spaceId)).alarms;
  }
}

/**
 * `fetch`, but that a GET is made again where the runtime ended the connection in that moment for having been idle: on a busy
 * machine that happens.
 */
async function fetchAlive(url, init) {
  try {
    return await fetch(url, init);
  } catch (error) {
    if (init.method !== 'GET' || error.cause?.code !== CLOSED) throw error;
    return fetch(url, init);
  }
}

/** How an id or a token travels in a header: plain where it is visible ASCII, else `utf8.<base64url>`. */
export function headerValue(value) {
  const plain = /^[!-~](?:[ -~]*[!-~])?$/.test(value) && !value.startsWith('utf8.');
  return plain ? value : `utf8.${Buffer.from(value, 'utf8').toString('base64url')}`;
}

/** Waits until `probe()` gives something true; asks again each 50 ms. */
export async function eventually(probe, what, ms = 30_000) {
  const end = Date.now() + ms;
  for (;;) {
    const value = await probe();
    if (value) return value;
    if (Date.now() > end) throw new Error(`${what}: not within ${ms} ms`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function isRaw(body) {
  return typeof body === 'string' || body instanceof Uint8Array || body instanceof ReadableStream;
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
