/**
 * The real Worker under workerd, and tokens for it.
 *
 * Owns its start and what a client needs to get in. Must not know where the client runs.
 */
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { generateToken } from '../../../pkg-template/tokens.js';
import { startBackend } from '../../../scripts/lib/backend.mjs';
import { WORKER_TEST } from '../../../scripts/lib/paths.mjs';

/** Starts it. The returned `admit()` gives `{ spaceId, spaceToken, workerUrl }` for a space of one's own. */
export async function startWorker() {
  if (!existsSync(join(WORKER_TEST, 'index.js'))) {
    throw new Error('.build/worker-test is missing: `npm test -- packaging` builds it first');
  }
  const { url, gatewayKey, stop } = await startBackend({ workerDir: WORKER_TEST });
  return {
    stop,
    async admit() {
      const spaceId = `packaging-${randomUUID()}`;
      const spaceToken = await generateToken(spaceId, { gatewayKey, userId: 'ada', caps: ['metadata'] });
      return { spaceId, spaceToken, workerUrl: url };
    },
  };
}
