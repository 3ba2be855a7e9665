/**
 * The Worker under workerd on this machine: started, stopped again, and never orphaned.
 *
 * Owns Miniflare's options and the life of the workerd process. Knows nothing about what the Worker does, nor where
 * Miniflare comes from.
 */

import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { join } from 'node:path';

import { COMPATIBILITY_DATE, COMPATIBILITY_FLAGS } from '../server/worker-metadata.js';
import { guarded } from './guarded-miniflare.js';
import { makeOwnFolder, narrowFolder } from './owner-only.js';
import { boundRuntimeLines } from './runtime-lines.js';
import { RuntimeProcess } from './runtime-process.js';
import { Failure } from './terminal.js';

const PORTS_TRIED_MAX = 50;

/**
 * Starts the Worker.
 *
 * @param {object} options
 * @param {typeof import('miniflare')} options.miniflare The package.
 * @param {{name: string, content: string | Uint8Array}[]} options.modules The entry module first.
 * @param {number} [options.port] 0 (default) takes a free one.
 * @param {string} [options.host] Default `127.0.0.1`.
 * @param {string} [options.persistDir] Where the spaces' SQLite files live; without it they end with the Worker.
 * @param {string} options.gatewayKey
 * @param {Record<string, string>} [options.vars] More text bindings.
 * @param {string} [options.edge] The Worker is told that requests come to this address by Cloudflare's edge, for tests.
 * @param {(line: string) => void} [options.log] Gets what the Worker logs; without it nothing is shown.
 * @returns {Promise<{ url: string, mf: import('miniflare').Miniflare, runtime: RuntimeProcess, stop: () => Promise<void> }>}
 *   Where it does not start, the error's `runtime` tells what became of it.
 */
export async function startLocalWorker({
  miniflare: { Log, LogLevel, Miniflare },
  modules,
  port = 0,
  host = '127.0.0.1',
  persistDir,
  gatewayKey,
  vars = {},
  edge,
  log,
}) {
  const spaces = persistDir && join(persistDir, 'spaces');
  if (spaces && !makeOwnFolder(spaces)) narrowFolder(spaces);
  const options = {
    name: 'kuratchi-spaces',
    host,
    port,
    log: new Log(log ? LogLevel.WARN : LogLevel.NONE, { prefix: 'worker' }),
    handleRuntimeStdio: (stdout, stderr) => {
      const pass = log && boundRuntimeLines(log);
      passLines(stdout, pass);
      passLines(stderr, pass);
    },
    // Without this Miniflare asks the network where on earth it is. A request that names no place came from no edge.
    cf: edge ? { colo: 'TST' } : {},
    ...(edge && { upstream: edge }),
    compatibilityDate: COMPATIBILITY_DATE,
    compatibilityFlags: [...COMPATIBILITY_FLAGS],
    modules: modules.map(({ name, content }) => ({
      type: name.endsWith('.wasm') ? 'CompiledWasm' : 'ESModule',
      path: name,
      contents: content,
    })),
    // Pings are answered by the Worker: a local runtime that answers them can be ended by a client that goes.
    // A disk at home is smaller than Cloudflare's.
    bindings: {
      PING_ANSWERS_DEFAULT: 'code',
      SPACE_BYTES_DEFAULT: '1000000000',
      ...vars,
      GATEWAY_KEY: gatewayKey,
    },
    durableObjects: { SPACES: { className: 'Space', useSQLite: true } },
    durableObjectsPersist: spaces || false,
  };
  const runtime = new RuntimeProcess();
  let mf;
  let url;
  try {
    url = await runtime.of(() =>
      guarded(async () => {
        mf = withoutSignals(() => new Miniflare(options));
        return (await mf.ready).origin;
      }),
    );
  } catch (error) {
    if (error.code === 'ERR_RUNTIME_FAILURE') await runtime.ending();
    error.runtime = runtime.told();
    await mf?.dispose().catch(() => {});
    throw error;
  }
  const releaseGuard = guard(runtime.pids);
  let stopped;
  return {
    url,
    mf,
    runtime,
    stop() {
      stopped ??= mf.dispose().finally(releaseGuard);
      return stopped;
    },
  };
}

/**
 * Makes something without what it would do at signals: Miniflare ends the runtime at one without letting it finish its writing,
 * and the process with it. Whoever starts a Worker stops it.
 */
function withoutSignals(make) {
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  const before = new Map(signals.map((signal) => [signal, process.rawListeners(signal)]));
  const made = make();
  for (const [signal, listeners] of before) {
    for (const listener of process.rawListeners(signal)) {
      if (!listeners.includes(listener)) process.removeListener(signal, listener);
    }
  }
  return made;
}

/** The first port from `wanted` on that nobody listens on. */
export async function freePort(wanted, host = '127.0.0.1') {
  const end = Math.min(wanted + PORTS_TRIED_MAX, 65_536);
  for (let port = wanted; port < end; port += 1) {
    const failure = await bindFailure(port, host);
    if (failure === undefined) return port;
    if (failure.code !== 'EADDRINUSE') throw failure;
  }
  throw new Failure(
    `All ports of ${host} from ${wanted} to ${end - 1} are taken: choose another with --port.`,
  );
}

/**
 * Why one can not listen on a port, in words; nothing where one can. The error has the system's `code`.
 *
 * @param {number} port 0 for any.
 * @param {string} host
 * @returns {Promise<Failure | undefined>}
 */
export function bindFailure(port, host) {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', ({ code }) =>
      resolve(Object.assign(new Failure(bindText(code, port, host)), { code })),
    );
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(undefined)));
  });
}

function bindText(code, port, host) {
  if (code === 'EADDRINUSE') {
    return `Port ${port} of ${host} is taken: stop what listens there, or choose another with --port.`;
  }
  if (code === 'EACCES') {
    return `Port ${port} of ${host} is not for you to take: choose one from 1024 on with --port.`;
  }
  return (
    `This machine can not listen on ${host} (${code}): leave --host out for this machine alone, or give one of its ` +
    'own addresses, or 0.0.0.0 for all of them.'
  );
}

/**
 * Ends the processes when this one dies without having released them: workerd outlives a killed parent, keeps
 * its port, and a second one on the same SQLite files would believe to be alone. The guard is a shell that
 * waits for a line; an end of file instead of the line means that we are gone.
 */
function guard(pids) {
  if (pids.length === 0) return () => {};
  const shell = spawn('sh', ['-c', 'read -r line || kill -9 "$@"', 'workerd-guard', ...pids.map(String)], {
    stdio: ['pipe', 'ignore', 'ignore'],
    // Not in our process group: what Ctrl-C or a kill of the group ends must not end the guard.
    detached: true,
  });
  // Without a shell there is no guard; that is no reason not to start.
  shell.on('error', () => {});
  shell.stdin.on('error', () => {});
  shell.unref();
  shell.stdin.unref();
  return () => shell.stdin.end('released\n');
}

function passLines(stream, log) {
  let rest = '';
  stream.setEncoding('utf8');
  // Read in any case: a full pipe would stop the Worker.
  stream.on('data', (text) => {
    if (!log) return;
    const lines = (rest + text).split('\n');
    rest = lines.pop();
    for (const line of lines) log(line);
  });
}
