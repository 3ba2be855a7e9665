/**
 * `npm start`: sets up what is missing, builds, and serves the page and the Worker until Ctrl-C.
 *
 * Owns the order and the addresses. What the page's server and the Worker do is theirs.
 */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { LOCAL_DATA, PKG_DEV, ROOT, WORKER } from './lib/paths.mjs';
import { runMain, seconds } from './lib/process.mjs';
import { claimData, onStop, portFrom } from './lib/serving.mjs';
import { setUp } from './lib/setup.mjs';

const WORKER_PORT = 8787;
const PAGE_PORT = 3000;

runMain(async () => {
  const started = Date.now();
  console.log('Setting up Kuratchi Spaces');
  await setUp({ modules: true, wasm: true, bindgen: true, client: true, worker: true });

  // Only now: Miniflare is a Node module, and the page's server may use some.
  const { freePort, keptGatewayKey, keepBackend } = await import('./lib/backend.mjs');
  const { serve } = await import(pathToFileURL(join(ROOT, 'examples-web', 'vanilla', 'server.mjs')));

  claimData(LOCAL_DATA, 'Kuratchi Spaces');
  const gatewayKey = keptGatewayKey(LOCAL_DATA);
  const options = {
    workerDir: WORKER,
    port: await freePort(portFrom('WORKER_PORT', WORKER_PORT)),
    persistDir: LOCAL_DATA,
    gatewayKey,
    log: (line) => console.log(`[worker] ${line}`),
  };
  const backend = await keepBackend(options, (text) => console.log(text));
  const page = await serve({
    port: await freePort(portFrom('PORT', PAGE_PORT)),
    workerUrl: backend.url,
    gatewayKey,
    packageDir: PKG_DEV,
  });

  onStop(() => Promise.allSettled([page.close(), backend.stop()]));

  console.log(`
Ready after ${seconds(Date.now() - started)}

  Page    ${page.url}
  Worker  ${backend.url}

Open the page in two windows, choose two names and the same space, and talk. Ctrl-C stops.
`);
  await backend.failed;
});
