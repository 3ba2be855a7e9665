/**
 * A WebSocket that remembers everything: what came, in which frame, and how it ended.
 *
 * Owns waiting, with a bound on every wait. Must not know either version of the protocol.
 */
import WebSocket from 'ws';

/** Nothing in these tests takes longer than this, unless the contract itself says so. */
export const WAIT_MS = 60_000;
/**
 * How long to wait for the server to drop the connection once both sides have said goodbye. workerd keeps it
 * where an object closes a hibernatable socket outside of that socket's own message; browsers give up after
 * about 2 s, too.
 */
const FAREWELL_MS = 500;

export class RecordedSocket {
  /** Every text frame, parsed, in the order of arrival: an object, or an array for a batch. */
  wire = [];
  /** The entries of all frames, batches taken apart, in the order of arrival. */
  frames = [];
  /** Whatever was not JSON text. */
  oddities = [];

  #socket;
  #waiters = new Set();

  constructor(url, protocols = [], headers = {}) {
    const options = { perMessageDeflate: false, closeTimeout: FAREWELL_MS, headers };
    this.#socket = new WebSocket(url, protocols, options);
    this.opened = new Promise((resolve, reject) => {
      this.#socket.once('open', () => resolve(this));
      this.#socket.once('error', reject);
    });
    // A test that expects a refusal waits for `closed` alone.
    this.opened.catch(() => {});
    this.closed = new Promise((resolve) => {
      this.#socket.once('close', (code, reason) => {
        this.closeCode = code;
        resolve({ code, reason: reason.toString() });
        this.#check();
      });
    });
    this.#socket.on('message', (data, isBinary) => this.#received(data, isBinary));
    this.#socket.on('error', () => {});
  }

  /** The subprotocol that the server chose. */
  get protocol() {
    return this.#socket.protocol;
  }

  get isOpen() {
    return this.#socket.readyState === WebSocket.OPEN;
  }

  /** Whether a parsed frame is dealt with and not to be remembered; for clients that know the protocol. */
  intercept(_parsed) {
    return false;
  }

  send(frame) {
    this.sendText(JSON.stringify(frame));
  }

  sendText(text) {
    this.#socket.send(text);
  }

  /** Sends, and waits until it is on its way. */
  sendOff(frame) {
    return new Promise((resolve) => this.#socket.send(JSON.stringify(frame), resolve));
  }

  sendBinary(bytes) {
    this.#socket.send(Buffer.from(bytes), { binary: true });
  }

  /** Closes as a page does that goes away, and waits for the end. */
  async close(code = 1000) {
    this.#socket.close(code);
    await bounded(this.closed, 'the socket to close');
  }

  /** Sends what no WebSocket may send (an opcode that is none): the runtime ends the connection as one that broke. */
  breakRules() {
    this.#socket._socket.write(Buffer.from([0x83, 0x80, 0, 0, 0, 0]));
  }

  /** Drops the connection without a farewell. */
  kill() {
    this.#socket.terminate();
  }

  /** The first entry at or after `from` that `matches`; fails after `ms`, or when the socket ends first. */
  wait(matches, what = 'a frame', { from = 0, ms = WAIT_MS } = {}) {
    const find = () => this.frames.find((frame, index) => index >= from && matches(frame));
    return new Promise((resolve, reject) => {
      const waiter = () => {
        const found = find();
        if (found === undefined && this.closeCode === undefined) return;
        this.#waiters.delete(waiter);
        clearTimeout(timer);
        if (found === undefined) reject(this.#failure(`closed with ${this.closeCode} instead of ${what}`));
        else resolve(found);
      };
      const timer = setTimeout(() => {
        this.#waiters.delete(waiter);
        reject(this.#failure(`${what} did not come within ${ms} ms`));
      }, ms);
      this.#waiters.add(waiter);
      waiter();
    });
  }

  /** How the server ended it: `{ code, reason }`. */
  ended(ms = WAIT_MS) {
    return bounded(this.closed, 'the server to close the socket', ms);
  }

  #received(data, isBinary) {
    let parsed;
    try {
      if (isBinary) throw new TypeError('binary');
      parsed = JSON.parse(data.toString());
    } catch {
      this.oddities.push(data);
      return;
    }
    if (this.intercept(parsed)) return;
    this.wire.push(parsed);
    this.frames.push(...(Array.isArray(parsed) ? parsed : [parsed]));
    this.#check();
  }

  #check() {
    for (const waiter of [...this.#waiters]) waiter();
  }

  #failure(what) {
    const last = this.frames.slice(-8).map((frame) => JSON.stringify(frame).slice(0, 160));
    return new Error(`${what}; the last of ${this.frames.length} frames: ${last.join('\n  ') || 'none'}`);
  }
}

/** `promise`, or a failure that says what was waited for. */
export async function bounded(promise, what, ms = WAIT_MS) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${ms} ms for ${what}`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
