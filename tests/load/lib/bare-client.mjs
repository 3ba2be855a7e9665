/**
 * A second-version socket that keeps counts instead of frames.
 *
 * It answers marks, checks that events come without a gap, and records the keys of messages (see keys.mjs). Its memory
 * does not grow with the length of the texts, so that fifty of them can read tens of megabytes in one process.
 */
import { randomUUID } from 'node:crypto';
import WebSocket from 'ws';
import { secondVersion } from '../../contract/lib/second-version-client.mjs';
import { bounded } from '../../contract/lib/socket.mjs';
import { keyOf } from './keys.mjs';

const WELCOME_MS_MAX = 15_000;
/** A sender that must not wait for answers waits for its own socket from this many unsent bytes on. */
const UNSENT_BYTES_MAX = 1024 * 1024;
/** Frames whose `seq` is their own place in the log. */
const EVENT_TYPES = new Set(['message', 'update', 'participant', 'metadata']);

export class BareClient {
  /** Keys of the messages that came as events, in the order of arrival. */
  received = [];
  /** The last event of the log that came, or that the server said the client has. */
  seq = 0;
  epoch;
  /** Events that never came, by the numbers of those that did. */
  missing = 0;
  /** Events that came again, or after a later one. */
  repeated = 0;
  /** Bytes of all frames. */
  bytes = 0;
  /** When the last message came, by `performance.now()`. */
  lastAt = 0;
  /** How many messages were acknowledged. */
  acked = 0;
  /** Error frames by code. */
  errors = {};
  /** The first frame. */
  welcome;
  /** The close code, once the socket is closed. */
  closeCode;

  #socket;
  #onMessage;
  #answers = new Map();

  /**
   * @param {string} workerUrl
   * @param {object} options
   * @param {string} options.spaceId
   * @param {string} [options.token]
   * @param {Record<string, string>} [options.query] More of the upgrade's query: `epoch`, `since`.
   * @param {(key: number | undefined) => void} [options.onMessage] Called for each message event.
   */
  constructor(workerUrl, { spaceId, token, query = {}, onMessage = () => {} }) {
    const url = new URL(workerUrl);
    url.protocol = 'ws:';
    for (const [name, value] of Object.entries({ spaceId, ...query })) url.searchParams.set(name, value);
    this.seq = Number(query.since ?? 0);
    this.#onMessage = onMessage;
    this.#socket = new WebSocket(url, secondVersion(token), { perMessageDeflate: false });
    this.#socket.on('message', (data) => this.#receive(data));
    this.#socket.on('error', () => {});
    this.#socket.on('close', (code) => {
      this.closeCode = code;
      for (const resolve of this.#answers.values()) resolve({ type: 'closed', code });
      this.#answers.clear();
    });
  }

  /** Connects, and resolves when the server has sent `welcome`. */
  static async open(workerUrl, options) {
    const client = new BareClient(workerUrl, options);
    const welcomed = new Promise((resolve, reject) => {
      client.#socket.once('message', () => resolve(client));
      client.#socket.once('close', (code) => reject(new Error(`closed with ${code} before welcome`)));
    });
    await bounded(welcomed, 'welcome', WELCOME_MS_MAX);
    if (client.welcome === undefined) throw new Error(`refused: ${JSON.stringify(client.errors)}`);
    return client;
  }

  get isOpen() {
    return this.#socket.readyState === WebSocket.OPEN;
  }

  /** Where this client would resume. */
  get cursor() {
    return { epoch: this.epoch, since: String(this.seq) };
  }

  /** Sends one frame, or an array as a batch. */
  send(frame) {
    this.#socket.send(JSON.stringify(frame));
  }

  /**
   * Sends a message and resolves with its ack, with the error in its place, or with `{type: 'closed'}`.
   *
   * @param {string} text
   */
  deliver(text) {
    const clientMessageId = randomUUID();
    return new Promise((resolve) => {
      if (!this.isOpen) return resolve({ type: 'closed', code: this.closeCode });
      this.#answers.set(clientMessageId, resolve);
      this.send({ type: 'message', clientMessageId, text });
    });
  }

  /**
   * Sends messages as fast as the socket takes them, without waiting for any answer.
   *
   * @param {string[]} texts
   * @param {{ perFrame?: number }} [options] How many messages go into one frame. Default: 1.
   */
  async sendAtFullSpeed(texts, { perFrame = 1 } = {}) {
    for (let from = 0; from < texts.length && this.isOpen; from += perFrame) {
      const drafts = texts
        .slice(from, from + perFrame)
        .map((text, index) => ({ type: 'message', clientMessageId: `${from + index}`, text }));
      const frame = JSON.stringify(perFrame === 1 ? drafts[0] : drafts);
      if (this.#socket.bufferedAmount < UNSENT_BYTES_MAX) this.#socket.send(frame);
      else await new Promise((resolve) => this.#socket.send(frame, resolve));
    }
  }

  /**
   * Sends messages with at most so many bytes unanswered, as our client does. Resolves with the number of those that
   * were acknowledged.
   *
   * @param {string[]} texts
   * @param {{ windowBytes?: number }} [options]
   */
  async sendInWindow(texts, { windowBytes = 128 * 1024 } = {}) {
    let unanswered = 0;
    let stored = 0;
    let wake = () => {};
    const all = [];
    for (const text of texts) {
      while (unanswered > 0 && unanswered + text.length > windowBytes) {
        await new Promise((resolve) => {
          wake = resolve;
        });
      }
      unanswered += text.length;
      all.push(
        this.deliver(text).then(({ type }) => {
          unanswered -= text.length;
          if (type === 'ack') stored += 1;
          wake();
        }),
      );
    }
    await Promise.all(all);
    return stored;
  }

  /** Stops reading from the network. */
  pause() {
    this.#socket.pause();
  }

  resume() {
    this.#socket.resume();
  }

  /** Drops the connection. */
  end() {
    this.#socket.terminate();
  }

  #receive(data) {
    this.bytes += data.length;
    const parsed = JSON.parse(data);
    if (Array.isArray(parsed)) for (const entry of parsed) this.#handle(entry);
    else this.#handle(parsed);
  }

  #handle(entry) {
    if (EVENT_TYPES.has(entry.type)) return this.#handleEvent(entry, entry.seq);
    switch (entry.type) {
      case 'skip':
        return this.#advance(entry.from, entry.to);
      case 'welcome':
        this.welcome = entry;
        this.epoch = entry.epoch;
        if (entry.recovered === undefined) this.seq = entry.seq;
        return;
      case 'head':
        this.epoch = entry.epoch ?? this.epoch;
        return;
      case 'mark':
        return this.#answer({ type: 'seen', mark: entry.id, seq: this.seq });
      case 'ack':
        this.acked += 1;
        return this.#resolve(entry.clientMessageId, entry);
      case 'error':
        this.errors[entry.code] = (this.errors[entry.code] ?? 0) + 1;
        return this.#resolve(entry.ref, entry);
    }
  }

  #handleEvent(entry, seq) {
    if (!this.#advance(seq, seq)) return;
    if (entry.type !== 'message') return;
    this.lastAt = performance.now();
    const key = keyOf(entry.message.text);
    if (key !== undefined) this.received.push(key);
    this.#onMessage(key);
  }

  /** Notes events of the log; false for those that came before. */
  #advance(from, to) {
    if (to <= this.seq) {
      this.repeated += 1;
      return false;
    }
    this.missing += Math.max(0, from - this.seq - 1);
    this.seq = to;
    return true;
  }

  #answer(frame) {
    if (this.isOpen) this.send(frame);
  }

  #resolve(id, answer) {
    this.#answers.get(id)?.(answer);
    this.#answers.delete(id);
  }
}
