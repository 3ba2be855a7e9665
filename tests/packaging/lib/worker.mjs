/**
 * The real Worker under workerd, tokens for it, and somebody else in its spaces.
 *
 * Owns its start and what a client needs to get in. Must not know where the client runs.
 */
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { generateToken } from '../../../pkg-template/tokens.js';
import { startBackend } from '../../../scripts/lib/backend.mjs';
import { WORKER_TEST } from '../../../scripts/lib/paths.mjs';
import { Peer } from '../../e2e/lib/peer.mjs';
import { until } from '../../e2e/lib/waiting.mjs';

/**
 * Starts it.
 *
 * @returns {Promise<Backend>}
 *
 * @typedef {object} Backend
 * @property {string} url
 * @property {string} gatewayKey
 * @property {() => Promise<{ spaceId: string, spaceToken: string, workerUrl: string }>} admit A space of one's own.
 * @property {(spaceId: string) => Somebody} peer Somebody else in a space, by HTTP alone.
 * @property {() => Promise<void>} stop
 */
export async function startWorker() {
  if (!existsSync(join(WORKER_TEST, 'index.js'))) {
    throw new Error('.build/worker-test is missing: `npm test -- packaging` builds it first');
  }
  const backend = await startBackend({ workerDir: WORKER_TEST });
  const { url, gatewayKey, stop } = backend;
  return {
    url,
    gatewayKey,
    stop,
    peer: (spaceId) => new Somebody(() => backend, spaceId, 'grace'),
    async admit() {
      const spaceId = `packaging-${randomUUID()}`;
      const spaceToken = await generateToken(spaceId, { gatewayKey, userId: 'ada', caps: ['metadata'] });
      return { spaceId, spaceToken, workerUrl: url };
    },
  };
}

class Somebody extends Peer {
  /** Waits until the space has these texts, in this order and nothing else. */
  async sees(texts) {
    const wanted = JSON.stringify(texts);
    await until(async () => {
      const stored = (await this.messages()).map(({ text }) => text);
      return JSON.stringify(stored) === wanted;
    }, `the space holds ${wanted}`);
  }
}
