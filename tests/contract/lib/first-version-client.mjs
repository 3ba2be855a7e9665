/**
 * A client of the first version, as the TypeScript SDK's own behaves, written from its contract alone.
 *
 * Owns URLs, headers and frames of the first version, mistakes included: its `connect()` resolves before the
 * space has accepted anybody, and an app that sends inside `onConnectionChange(true)` puts its frame before
 * the auth frame. Must not know the second version.
 */
import { RecordedSocket } from './socket.mjs';

const HTTP_MS_MAX = 30_000;

export class FirstVersionClient {
  /** The socket under it, for looking at every frame; undefined before `connect()`. */
  socket;

  #config;

  constructor(config) {
    this.#config = config;
  }

  /** Resolves when the socket is open, which says nothing about the token. */
  async connect() {
    const { workerUrl, spaceId, spaceToken, gatewayKey, onConnectionChange } = this.#config;
    const url = new URL(workerUrl);
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    url.searchParams.set('spaceId', spaceId);
    this.socket = new RecordedSocket(url);
    await this.socket.opened;
    onConnectionChange?.(true);
    this.socket.send({ type: 'auth', spaceToken, gatewayKey });
    return this;
  }

  disconnect() {
    this.socket?.close();
  }

  isConnected() {
    return this.socket?.isOpen ?? false;
  }

  /** Over the socket when there is one, else one POST. */
  async sendMessage({ senderId, senderType, text, attachments }) {
    if (this.isConnected()) {
      this.socket.send({ type: 'message', senderId, senderType, text, attachments });
      return undefined;
    }
    const body = { senderId, senderType, text, attachments };
    const answer = await this.#request('POST', '/messages', { body, failure: 'Failed to send message: ' });
    return answer.message;
  }

  async getMessages({ limit = 50, before } = {}) {
    const query = new URLSearchParams({ limit: String(limit) });
    if (before) query.set('before', String(before));
    const answer = await this.#request('GET', `/messages?${query}`, { failure: 'Failed to get messages: ' });
    return answer.messages;
  }

  async setTyping(userId, isTyping) {
    if (this.isConnected()) {
      this.socket.send({ type: 'typing', userId, isTyping });
      return;
    }
    const failure = 'Failed to update typing status: ';
    await this.#request('POST', '/typing', { body: { userId, isTyping }, failure });
  }

  async getParticipants() {
    const failure = 'Failed to get participants: ';
    return (await this.#request('GET', '/participants', { failure })).participants;
  }

  async getMetadata() {
    return (await this.#request('GET', '/metadata', { failure: 'Failed to get metadata: ' })).metadata;
  }

  /** The messages that came over the socket so far. */
  get messages() {
    return this.socket.frames.filter((frame) => frame.type === 'message').map((frame) => frame.message);
  }

  /** Waits for the message with this text. */
  message(text) {
    const matches = (frame) => frame.type === 'message' && frame.message.text === text;
    return this.socket.wait(matches, `message ${JSON.stringify(text)}`);
  }

  /** Waits for an error frame. */
  error() {
    return this.socket.wait((frame) => frame.type === 'error', 'an error frame');
  }

  async #request(method, path, { body, failure }) {
    const { workerUrl, spaceId, spaceToken, gatewayKey } = this.#config;
    const response = await fetch(`${workerUrl.replace(/\/$/, '')}${path}`, {
      method,
      headers: {
        ...(gatewayKey === undefined ? {} : { Authorization: `Bearer ${gatewayKey}` }),
        'x-space-id': spaceId,
        'x-space-token': spaceToken,
        'Content-Type': 'application/json',
      },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(HTTP_MS_MAX),
    });
    if (!response.ok) throw new Error(failure + (await response.text()));
    return response.json();
  }
}
