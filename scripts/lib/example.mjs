/**
 * An app of `examples-web` under Vite's dev server, with the package as it was just built.
 *
 * Owns how the app finds the package and the Worker, and what of the clone its server may hand out. What the app
 * does is its own business; its sources say `kuratchi-spaces`, as anybody's do.
 */
import { mkdirSync, readlinkSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { BUILD, PKG_DEV, ROOT } from './paths.mjs';

const HOST = '127.0.0.1';
const EXAMPLES = join(ROOT, 'examples-web');

/**
 * Starts serving an app. One app for each process: it reads its settings from the environment, as it does elsewhere.
 *
 * @param {'react' | 'svelte'} name Of its folder.
 * @param {object} options
 * @param {number} [options.port] 0 (default) takes a free one.
 * @param {string} options.workerUrl Where the Worker is, as browsers reach it.
 * @param {string} options.gatewayKey Signs the tokens. It stays in this process.
 * @param {string} [options.cache] Name of the folder for what Vite prepares; no two processes share one.
 * @returns {Promise<{ url: string, close: () => Promise<void> }>}
 */
export async function serveExample(name, { port = 0, workerUrl, gatewayKey, cache = `example-${name}` }) {
  installPackage();
  process.env.KURATCHI_SPACES_WORKER_URL = workerUrl;
  process.env.KURATCHI_GATEWAY_KEY = gatewayKey;
  // Only now: Vite is a Node module.
  const { createServer } = await import('vite');
  const root = join(EXAMPLES, name);
  const vite = await createServer({
    root,
    configFile: join(root, 'vite.config.js'),
    logLevel: 'error',
    clearScreen: false,
    cacheDir: join(BUILD, 'vite', cache),
    server: {
      host: HOST,
      port,
      strictPort: port !== 0,
      // Not the whole clone: the gateway key lies there, too.
      fs: { allow: [root, join(EXAMPLES, 'shared'), PKG_DEV, join(ROOT, 'node_modules')] },
    },
  });
  await vite.listen();
  return { url: `http://${HOST}:${vite.httpServer.address().port}`, close: () => vite.close() };
}

/** A link, as `npm link` makes one, where the examples look for packages. */
function installPackage() {
  const link = join(EXAMPLES, 'node_modules', 'kuratchi-spaces');
  mkdirSync(dirname(link), { recursive: true });
  for (;;) {
    try {
      // On Windows everybody may make a junction, but not a link.
      symlinkSync(PKG_DEV, link, 'junction');
      return;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
      if (isLinkTo(link, PKG_DEV)) return;
      rmSync(link, { recursive: true });
    }
  }
}

function isLinkTo(link, target) {
  try {
    return join(readlinkSync(link)) === join(target);
  } catch {
    return false;
  }
}
