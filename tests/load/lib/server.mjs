/**
 * The Worker as it is shipped, on workerd, with tokens and clients for it.
 */
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { generateToken } from '../../../pkg-template/tokens.js';
import { startBackend } from '../../../scripts/lib/backend.mjs';
import { WORKER } from '../../../scripts/lib/paths.mjs';
import { FirstVersionClient } from '../../contract/lib/first-version-client.mjs';
import { workerdProcesses } from '../../e2e/lib/workerd.mjs';
import { BareClient } from './bare-client.mjs';

/** Limits that nothing in these tests reaches, for tests in which one sender must send more than it may. */
export const RAISED_LIMITS = Object.freeze({ SEND_BURST: '100000000', SEND_PER_SECOND: '1000000' });

export class Server {
  #backend;
  #pid;
  #ends = [];

  /**
   * Starts the Worker of `.build/worker`.
   *
   * @param {{ vars?: Record<string, string>, persistDir?: string, edge?: string }} [options] Settings, where the data is kept, and
   *   the address that requests seem to come to. Default: none, so that the default limits apply, nowhere, and its own.
   */
  static async start({ vars, persistDir, edge } = {}) {
    if (!existsSync(join(WORKER, 'index.js'))) {
      throw new Error('.build/worker is missing: `npm test -- load` builds it');
    }
    const server = new Server();
    const before = workerdProcesses();
    server.#backend = await startBackend({ workerDir: WORKER, vars, persistDir, edge });
    [server.#pid] = workerdProcesses().filter((pid) => !before.includes(pid));
    return server;
  }

  /** Drops every socket that was made here, and stops the Worker. */
  async stop() {
    this.dropClients();
    await this.#backend?.stop();
  }

  get url() {
    return this.#backend.url;
  }

  get gatewayKey() {
    return this.#backend.gatewayKey;
  }

  /** Process id of workerd. */
  get pid() {
    return this.#pid;
  }

  /** A space that no other test uses. */
  newSpace() {
    return `load-${randomUUID()}`;
  }

  token(spaceId, userId) {
    return generateToken(spaceId, { gatewayKey: this.gatewayKey, userId });
  }

  /**
   * A second-version socket of a named user, welcomed.
   *
   * @param {string} spaceId
   * @param {string} userId
   * @param {object} [options] As {@link BareClient}, and `via`: a proxy's URL.
   * @returns {Promise<BareClient>}
   */
  async second(spaceId, userId, { via = this.url, ...options } = {}) {
    const token = await this.token(spaceId, userId);
    const client = await BareClient.open(via, { spaceId, token, ...options });
    this.keep(() => client.end());
    return client;
  }

  /** A first-version socket of a named user. It has received one message of its own, so the server has accepted it. */
  async first(spaceId, userId) {
    const client = new FirstVersionClient({
      workerUrl: this.url,
      spaceId,
      spaceToken: await this.token(spaceId, userId),
    });
    await client.connect();
    this.keep(() => client.socket.kill());
    const text = `${userId} is here`;
    await client.sendMessage({ senderId: userId, senderType: 'user', text });
    await client.message(text);
    return client;
  }

  /** Stores a message of a user who reads nothing, and resolves with its place in the log. */
  async store(spaceId, text) {
    const writer = await this.second(spaceId, 'writer');
    const answer = await writer.deliver(text);
    writer.end();
    if (answer.type !== 'ack') throw new Error(`not stored: ${JSON.stringify(answer)}`);
    return answer.seq;
  }

  /** Has a function called when the clients are dropped. */
  keep(end) {
    this.#ends.push(end);
  }

  dropClients() {
    for (const end of this.#ends.splice(0)) end();
  }
}
