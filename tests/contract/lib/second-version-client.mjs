/**
 * A bare client of the second version: it speaks the frames and judges nothing, save on request.
 *
 * Owns the upgrade's spelling and the reading of sequenced frames. Must not know the first version.
 */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { RecordedSocket } from './socket.mjs';

/** Frames whose `seq` is their own place in the log; an `ack` tells the place of another one. */
const EVENT_TYPES = new Set(['message', 'metadata', 'participant', 'update']);

export class SecondVersionClient extends RecordedSocket {
  /** Whether marks are echoed as they come. Without it the server takes this client for one that does not read. */
  isReading = true;
  /** Ids of marks that came, the echoed ones included. */
  marks = [];

  #echoed = 0;

  /**
   * @param {string} workerUrl
   * @param {object} options
   * @param {string} [options.spaceId] Left out of the URL if absent.
   * @param {string} [options.token]
   * @param {Record<string, string>} [options.query] More of the upgrade's query: `epoch`, `since`, …
   * @param {string[]} [options.protocols] Instead of `spaces.v2` and the token.
   * @param {Record<string, string>} [options.headers] What a browser would add: `Origin`.
   */
  constructor(workerUrl, { spaceId, token, query = {}, protocols, headers } = {}) {
    const url = new URL(workerUrl);
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    if (spaceId !== undefined) url.searchParams.set('spaceId', spaceId);
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    super(url, protocols ?? secondVersion(token), headers);
  }

  /** Marks are no part of what is told: they come wherever enough bytes went before them. */
  intercept(frame) {
    if (frame.type !== 'mark') return false;
    this.marks.push(frame.id);
    if (this.isReading) this.echo();
    return true;
  }

  /** Echoes the newest mark, which confirms all that was sent before it. */
  echo() {
    if (this.#echoed === this.marks.length) return;
    this.#echoed = this.marks.length;
    this.send({ type: 'seen', mark: this.marks.at(-1), seq: Number(this.cursor.since) });
  }

  /** Reads from now on. */
  read() {
    this.isReading = true;
    this.echo();
  }

  /** The first frame of an accepted connection. */
  welcome() {
    return this.wait((frame) => frame.type === 'welcome', 'welcome');
  }

  /** Sends a message and returns its ack (or the error that stands in its place). */
  async deliver(fields, clientMessageId = randomUUID()) {
    const from = this.frames.length;
    this.send({ type: 'message', clientMessageId, ...fields });
    return this.answer(clientMessageId, from);
  }

  /** Edits a message and returns its ack (or the error that stands in its place). */
  async edit(messageId, text, clientMessageId = randomUUID()) {
    const from = this.frames.length;
    this.send({ type: 'edit', messageId, text, clientMessageId });
    return this.answer(clientMessageId, from);
  }

  /** Deletes a message and returns its ack (or the error that stands in its place). */
  async remove(messageId, clientMessageId = randomUUID()) {
    const from = this.frames.length;
    this.send({ type: 'delete', messageId, clientMessageId });
    return this.answer(clientMessageId, from);
  }

  /** The ack or the error for a `clientMessageId`, at or after entry `from`. */
  answer(clientMessageId, from = 0) {
    return this.wait(
      (frame) =>
        (frame.type === 'ack' && frame.clientMessageId === clientMessageId) ||
        (frame.type === 'error' && frame.ref === clientMessageId),
      `the answer to ${clientMessageId}`,
      { from },
    );
  }

  /** Waits for the message with this text, as an event. */
  message(text) {
    const matches = (frame) => frame.type === 'message' && frame.message.text === text;
    return this.wait(matches, `message ${JSON.stringify(text)}`);
  }

  /** Waits for the update that brings a message to this text, as an event; `''` for a deletion. */
  update(messageId, text) {
    const matches = ({ type, message }) =>
      type === 'update' && message.id === messageId && message.text === text;
    return this.wait(matches, `update of ${messageId} to ${JSON.stringify(text)}`);
  }

  error(code) {
    return this.wait((frame) => frame.type === 'error' && frame.code === code, `error ${code}`);
  }

  /**
   * Returns when everything that the server had queued for this socket before is here: answers and events of
   * a socket share one ordered queue.
   */
  async fence() {
    const from = this.frames.length;
    this.send({ type: 'sync', since: Number.MAX_SAFE_INTEGER });
    await this.wait((frame) => frame.type === 'head' && frame.recovered === false, 'head', { from });
  }

  /** Where this client would resume: the log's life, and the last event that it has. */
  get cursor() {
    let epoch;
    let since = 0;
    for (const frame of this.frames) {
      if (frame.type === 'welcome' || frame.type === 'head') epoch = frame.epoch ?? epoch;
      if (frame.type === 'welcome' && frame.recovered === undefined) since = frame.seq;
      if (frame.type === 'skip') since = frame.to;
      if (EVENT_TYPES.has(frame.type)) since = frame.seq;
    }
    return { ...(epoch === undefined ? {} : { epoch }), since: String(since) };
  }

  ofType(type) {
    return this.frames.filter((frame) => frame.type === type);
  }

  get texts() {
    return this.ofType('message').map((frame) => frame.message.text);
  }

  /** Fails unless every event came once, in order, without a gap, from `start` (or the welcome's head) on. */
  assertGapless(start = this.ofType('welcome')[0].seq) {
    let last = start;
    for (const frame of this.frames) {
      if (frame.type === 'skip') {
        assert.equal(frame.from, last + 1, 'a skip continues the log');
        last = frame.to;
      } else if (EVENT_TYPES.has(frame.type)) {
        assert.equal(frame.seq, last + 1, `event after ${last}: ${JSON.stringify(frame).slice(0, 200)}`);
        last = frame.seq;
      } else if (frame.type === 'head') {
        assert.ok(frame.seq >= last || frame.seq === 0, 'the head is never behind what was sent');
      }
    }
    return last;
  }
}

/** What a client of the second version offers. */
export function secondVersion(token) {
  const offered = ['spaces.v2'];
  if (token !== undefined) offered.push(`token.${Buffer.from(token, 'utf8').toString('base64url')}`);
  return offered;
}
