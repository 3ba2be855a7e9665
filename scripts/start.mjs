/**
 * `npm start`: sets up what is missing, builds, and serves the page and the Worker until Ctrl-C.
 *
 * Owns the order and the addresses. What the page's server and the Worker do is theirs.
 */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { takeLock } from './lib/cache.mjs';
import { LOCAL_DATA, PKG_DEV, ROOT, WORKER } from './lib/paths.mjs';
import { runMain, seconds, UserError } from './lib/process.mjs';
import { setUp } from './lib/setup.mjs';

const WORKER_PORT = 8787;
const PAGE_PORT = 3000;

runMain(async () => {
  const started = Date.now();
  console.log('Setting up Kuratchi Spaces');
  await setUp({ modules: true, wasm: true, bindgen: true, client: true, worker: true });

  // Only now: Miniflare is a Node module, and the page's server may use some.
  const { freePort, keptGatewayKey, startBackend } = await import('./lib/backend.mjs');
  const { serve } = await import(pathToFileURL(join(ROOT, 'examples-web', 'vanilla', 'server.mjs')));

  const other = takeLock(join(LOCAL_DATA, 'running.lock'));
  if (other !== undefined) {
    throw new UserError(
      `Kuratchi Spaces already runs from this folder (process ${other}): two Workers on the same files would lose messages; stop that one first.`,
    );
  }
  const gatewayKey = keptGatewayKey(LOCAL_DATA);
  const backend = await startBackend({
    workerDir: WORKER,
    port: await freePort(portFrom('WORKER_PORT', WORKER_PORT)),
    persistDir: LOCAL_DATA,
    gatewayKey,
    log: (line) => console.log(`[worker] ${line}`),
  });
  const page = await serve({
    port: await freePort(portFrom('PORT', PAGE_PORT)),
    workerUrl: backend.url,
    gatewayKey,
    packageDir: PKG_DEV,
  });

  let stopping = false;
  const stop = async () => {
    if (stopping) return;
    stopping = true;
    console.log('\nStopping; messages are kept in .kuratchi/');
    await Promise.allSettled([page.close(), backend.stop()]);
    process.exit(0);
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.removeAllListeners(signal);
    process.on(signal, stop);
  }

  console.log(`
Ready after ${seconds(Date.now() - started)}

  Page    ${page.url}
  Worker  ${backend.url}

Open the page in two windows, choose two names and the same space, and talk. Ctrl-C stops.
`);
});

function portFrom(name, fallback) {
  const text = process.env[name];
  if (!text) return fallback;
  const port = Number(text);
  if (Number.isInteger(port) && port >= 1 && port <= 65_535) return port;
  throw new UserError(`${name} is "${text}", expected a port from 1 to 65535.`);
}
