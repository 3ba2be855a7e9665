/**
 * The Worker under workerd, for `npm start` and for the tests.
 *
 * Owns which Miniflare and which build of the Worker are taken: the clone's. How it is run is the command line's, which
 * runs the same in anyone's project.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { keepLocalWorker } from '../../pkg-template/cli/kept-worker.js';
import { newGatewayKey } from '../../pkg-template/cli/local-data.js';
import { startLocalWorker } from '../../pkg-template/cli/local-worker.js';
import { fetchedMiniflare } from '../../pkg-template/cli/runtime.js';
import { note } from './steps.mjs';

export { keptGatewayKey, newGatewayKey } from '../../pkg-template/cli/local-data.js';
export { freePort } from '../../pkg-template/cli/local-worker.js';
export { COMPATIBILITY_DATE } from '../../pkg-template/server/worker-metadata.js';

/** The first Node that runs newer runtimes than the clone's own. */
const NODE_OF_NEWEST = 22;
const isOldNode = Number(process.versions.node.split('.')[0]) < NODE_OF_NEWEST;

/** The clone's own, which is the last for Node 20; where Node allows it, the newest. */
export const miniflare = isOldNode
  ? await import('miniflare')
  : await fetchedMiniflare(note).then((fetched) => fetched.miniflare);

/**
 * Starts the Worker.
 *
 * @param {object} options
 * @param {string} options.workerDir Folder with `index.js` and `index_bg.wasm`.
 * @param {number} [options.port] 0 (default) takes a free one.
 * @param {string} [options.host] Default `127.0.0.1`.
 * @param {string} [options.persistDir] Where the spaces' SQLite files live; without it they end with the Worker.
 * @param {string} [options.gatewayKey] Default: a random one.
 * @param {Record<string, string>} [options.vars] More text bindings.
 * @param {(line: string) => void} [options.log] Gets what the Worker logs; without it nothing is shown.
 * @returns {Promise<{ url: string, gatewayKey: string, mf: import('miniflare').Miniflare, stop: () => Promise<void> }>}
 */
export async function startBackend({ workerDir, gatewayKey = newGatewayKey(), ...options }) {
  const modules = modulesIn(workerDir);
  const backend = await startLocalWorker({ miniflare, modules, gatewayKey, ...options });
  return { ...backend, gatewayKey };
}

/**
 * The same, started again whenever its runtime dies; `failed` rejects when that is given up.
 *
 * @param {Parameters<typeof startBackend>[0]} options
 * @param {(text: string) => void} say Hears of deaths.
 * @returns {Promise<{ url: string, failed: Promise<never>, stop: () => Promise<void> }>}
 */
export function keepBackend({ workerDir, ...options }, say) {
  return keepLocalWorker({ miniflare, modules: modulesIn(workerDir), ...options }, say);
}

function modulesIn(workerDir) {
  return [
    { name: 'index.js', content: readFileSync(join(workerDir, 'index.js'), 'utf8') },
    { name: 'index_bg.wasm', content: readFileSync(join(workerDir, 'index_bg.wasm')) },
  ];
}
