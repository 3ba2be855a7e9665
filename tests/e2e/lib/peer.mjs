/**
 * Somebody who takes part by HTTP alone, as `spec/kuratchi.md` has it.
 */
import assert from 'node:assert/strict';

export class Peer {
  #backend;
  #spaceId;
  #userId;
  #isProven;
  #headers;

  /** Without `isProven` the token names nobody, and `userId` is what they say. */
  constructor(backend, spaceId, userId, { isProven = true } = {}) {
    this.#backend = backend;
    this.#spaceId = spaceId;
    this.#userId = userId;
    this.#isProven = isProven;
  }

  /** Stores a message, with more fields if need be; resolves with it. */
  async post(text, more = {}) {
    const body = JSON.stringify({ senderId: this.#userId, senderType: 'user', text, ...more });
    return (await this.#ask('/messages', { method: 'POST', body })).message;
  }

  /** Stores messages one after the other; resolves with their texts. */
  async postAll(texts) {
    for (const text of texts) await this.post(text);
    return texts;
  }

  /** The newest messages, oldest first. */
  async messages(limit = 200) {
    return (await this.#ask(`/messages?limit=${limit}`)).messages.reverse();
  }

  async #ask(path, init) {
    const { url, gatewayKey } = this.#backend();
    this.#headers ??= await headersFor(this.#spaceId, this.#isProven ? this.#userId : undefined, gatewayKey);
    const response = await fetch(`${url}${path}`, { ...init, headers: this.#headers });
    const answer = await response.json();
    assert.ok(response.ok, `${init?.method ?? 'GET'} ${path}: ${response.status} ${JSON.stringify(answer)}`);
    return answer;
  }
}

async function headersFor(spaceId, userId, gatewayKey) {
  const { generateToken } = await import('../../../pkg-template/tokens.js');
  const token = await generateToken(spaceId, { gatewayKey, userId });
  return {
    'content-type': 'application/json',
    'x-space-id': headerText(spaceId),
    'x-space-token': headerText(token),
  };
}

/** Headers carry ASCII only. */
function headerText(text) {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the range is all of ASCII.
  return /^[\x00-\x7f]*$/.test(text) ? text : `utf8.${Buffer.from(text).toString('base64url')}`;
}
