/**
 * The local Worker, kept running: where its runtime dies it is started again, on the same port and the same data.
 *
 * Owns how a death is noticed, how long is waited, and when it is given up; and the names by which a Worker on this machine
 * is asked. Must not know what a runtime is: that is `local-worker.js`.
 */

import { connect, isIP } from 'node:net';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

import { bindFailure, startLocalWorker } from './local-worker.js';
import { Failure, harmless } from './terminal.js';

const LOOK_EVERY_MS = 300;
/** Before each start after a death: the second and third in a row wait longer. */
const BACK_OFF_MS = [200, 1_000, 4_000];
/** So many deaths within a minute, and it is given up. */
const DEATHS_MAX = 3;
const DEATHS_WITHIN_MS = 60_000;
/** What the runtime said last is told when it is given up: so many lines, of so long before it died. */
const LAST_LINES = 3;
const LAST_MS = 10_000;
const FATAL = /fatal|\*\*\*|uncaught|panic/i;
/** What a runtime says whose own tables were made by a newer one. */
const NEWER_DATA = /table _cf_\w+ has \d+ columns/;

/**
 * Starts the Worker, and starts it again whenever its runtime has died.
 *
 * @param {Parameters<typeof startLocalWorker>[0]} options
 * @param {(text: string) => void} say Hears of deaths.
 * @returns {Promise<{ url: string, failed: Promise<never>, stop: () => Promise<void> }>} `failed` rejects when it is given up.
 */
export async function keepLocalWorker({ vars, ...others }, say) {
  // Other names come beside those of this machine: who is locked out of it can mend nothing.
  const hosts = [localHosts(others.host), vars?.ALLOWED_HOSTS].filter(Boolean).join(', ');
  const options = { ...others, vars: { ...vars, ALLOWED_HOSTS: hosts } };
  /** What the runtime said in its present life. */
  let last;
  function start(more) {
    const own = new LastLines();
    last = own;
    const log = (line) => {
      if (FATAL.test(line)) own.add(line);
      options.log?.(line);
    };
    return startLocalWorker({ ...options, ...more, log });
  }

  let backend = await start().catch((error) => {
    throw error.code === 'ERR_RUNTIME_FAILURE' ? notStarted(last, error) : error;
  });
  const { url } = backend;
  const port = Number(new URL(url).port);
  const stopping = new AbortController();
  /** How it ended last. */
  let how = '';

  /** Starts it once more; `undefined` where the runtime died while it did. */
  async function startAgain() {
    try {
      return await start({ port });
    } catch (error) {
      const taken = await bindFailure(port, options.host ?? '127.0.0.1');
      if (taken) throw taken;
      last.add(String(error.message).split('\n', 1)[0]);
      how = error.runtime ?? '';
      return undefined;
    }
  }

  async function watch() {
    let deaths = [];
    while (!stopping.signal.aborted) {
      await sleep(LOOK_EVERY_MS);
      if (stopping.signal.aborted || (backend && !backend.runtime.hasEnded && (await isListening(url))))
        continue;
      if (backend) {
        await backend.runtime.ending();
        how = backend.runtime.told();
      }
      deaths = [...deaths.filter((at) => at > Date.now() - DEATHS_WITHIN_MS), Date.now()];
      await backend?.stop().catch(() => {});
      if (deaths.length >= DEATHS_MAX) {
        throw new Failure(
          `The runtime (workerd) died ${deaths.length} times within a minute, and is not started again. ` +
            `${how} ${last.told()}\n` +
            `What was stored is kept. ${last.cure() ?? 'Start again; if it goes on dying, report this with what stands above.'}`,
        );
      }
      const waitMs = BACK_OFF_MS[deaths.length - 1];
      say(`The runtime (workerd) died; it is started again on the same data in ${waitMs} ms. ${how}`);
      await sleep(waitMs);
      if (stopping.signal.aborted) return;
      backend = await startAgain();
      if (backend) say('The runtime is back.');
    }
  }

  const watching = watch();
  // Whoever does not ask is not ended by it.
  watching.catch(() => {});
  return {
    url,
    failed: watching.then(() => new Promise(() => {})),
    async stop() {
      stopping.abort();
      await watching.catch(() => {});
      await backend?.stop();
    },
  };
}

/** What the runtime said of what killed it right before it died, the newest at the end. */
export class LastLines {
  #said = [];
  #now;

  constructor(now = Date.now) {
    this.#now = now;
  }

  add(line) {
    this.#said = [...this.#said, { line: harmless(line), at: this.#now() }].slice(-LAST_LINES);
  }

  /** What was said long before is not what killed it. */
  get lines() {
    return this.#said.filter(({ at }) => this.#now() - at <= LAST_MS).map(({ line }) => line);
  }

  /** The lines, for a person. */
  told() {
    const { lines } = this;
    return lines.length > 0 ? `It said last:\n${lines.join('\n')}` : 'It said nothing of it.';
  }

  /** What helps against what was said, where that is known. */
  cure() {
    if (!this.lines.some((line) => NEWER_DATA.test(line))) return undefined;
    return (
      `The data was last used by a newer runtime than Node ${process.versions.node} can run. ` +
      'Use the newer Node that you used before, or another folder (--data).'
    );
  }
}

/**
 * The names by which this machine is asked: a page on the web can have a name of its own lead here, and its browser then
 * takes the Worker for its own. Addresses are no names.
 */
function localHosts(host) {
  const machine = hostname();
  const others = host && !isIP(host) ? [host] : [];
  return ['<address>', 'localhost', '*.localhost', machine, `${machine}.local`, ...others].join(', ');
}

/** Whether anybody listens there. One who is too busy to answer does. */
function isListening(url) {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const socket = connect({ host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) });
    const end = (answer) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => end(true));
    socket.once('error', ({ code }) => end(code !== 'ECONNREFUSED' && code !== 'ECONNRESET'));
    socket.setTimeout(LOOK_EVERY_MS, () => end(true));
  });
}

function notStarted(last, cause) {
  const cure = last.cure() ?? 'If it happens again, report this with what stands above.';
  return new Failure(`The runtime (workerd) did not start. ${cause.runtime} ${last.told()}\n${cure}`, {
    cause,
  });
}
