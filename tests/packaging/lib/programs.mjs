/**
 * Programs of a project that serve until they are stopped: dev servers, previews, apps of one's own.
 *
 * Owns their start, the wait for their answer, and their end. Must not know what they serve.
 */
import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { cleanEnvironment } from './installed.mjs';

const HOST = '127.0.0.1';
/** Longer than a framework's first start on a slow machine. */
const START_MS_MAX = 60_000;
const STOP_MS_MAX = 5_000;
const ASK_AGAIN_MS = 100;
const OUTPUT_CHARS_MAX = 20_000;

/**
 * Starts a program on a free port and waits until it answers.
 *
 * @param {string} folder Of the project.
 * @param {(port: string) => string[]} command The program, as in `['vite', '--port', port]`; `node` is this one.
 * @param {object} [options]
 * @param {Record<string, string>} [options.env] More of the environment.
 * @param {string} [options.path] What is asked for to see whether it answers. Default `/`.
 * @returns {Promise<{ url: string, output: () => string, stop: () => Promise<void> }>}
 */
export async function serve(folder, command, { env = {}, path = '/' } = {}) {
  const port = await freePort();
  const [program, ...args] = command(`${port}`);
  const child = spawn(program === 'node' ? process.execPath : binOf(folder, program), args, {
    cwd: folder,
    env: { ...cleanEnvironment(), CI: '1', NO_COLOR: '1', PORT: `${port}`, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    // A group of its own: frameworks start processes that outlive the first one.
    detached: true,
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      output = (output + text).slice(-OUTPUT_CHARS_MAX);
    });
  }
  const ended = new Promise((resolve) => {
    child.once('exit', resolve);
    child.once('error', (error) => {
      output += error.message;
      resolve();
    });
  });
  const end = (signal) => {
    try {
      process.kill(-child.pid, signal);
    } catch {
      // It is gone already.
    }
  };
  const endNow = () => end('SIGKILL');
  process.once('exit', endNow);
  const stop = async () => {
    end('SIGTERM');
    await Promise.race([ended, after(STOP_MS_MAX)]);
    endNow();
    process.off('exit', endNow);
  };
  const url = `http://${HOST}:${port}`;
  try {
    await untilItAnswers(url + path, ended);
  } catch (error) {
    await stop();
    throw new Error(`${program} in ${folder} ${error.message}:\n${output}`);
  }
  return { url, output: () => output, stop };
}

async function untilItAnswers(url, ended) {
  const deadline = Date.now() + START_MS_MAX;
  let isOver = false;
  ended.then(() => {
    isOver = true;
  });
  for (;;) {
    const isThere = await fetch(url, { headers: { accept: 'text/html' } }).then(
      (response) => response.arrayBuffer().then(() => true),
      () => false,
    );
    if (isThere) return;
    if (isOver) throw new Error('ended');
    if (Date.now() > deadline) throw new Error(`did not answer within ${START_MS_MAX} ms`);
    await after(ASK_AGAIN_MS);
  }
}

function binOf(folder, program) {
  return join(folder, 'node_modules', '.bin', process.platform === 'win32' ? `${program}.cmd` : program);
}

/** Nobody else on this machine is likely to take it in the moment between. */
function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, HOST, () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

function after(ms) {
  return new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
}
