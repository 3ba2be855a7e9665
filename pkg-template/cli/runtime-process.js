/**
 * The runtime's process, of which Miniflare says nothing: whether it runs, and how it ended.
 *
 * Owns how it is found, and how an end is told. Node tells of each process that it starts.
 */

import { AsyncLocalStorage } from 'node:async_hooks';
import { subscribe } from 'node:diagnostics_channel';

const ENDS_WITHIN_MS = 500;
const MEMORY =
  'the system does that where memory runs out, and so does whoever kills it; which of them is not known';

/** In all that a start does: where its processes are gathered. */
const starting = new AsyncLocalStorage();
let subscribed = false;

/** The processes of one start. */
export class RuntimeProcess {
  #all = [];

  /**
   * Runs a start, and remembers the processes that it makes.
   *
   * @template T
   * @param {() => Promise<T>} start
   * @returns {Promise<T>}
   */
  of(start) {
    if (!subscribed) subscribe('child_process', ({ process }) => starting.getStore()?.push(process));
    subscribed = true;
    return starting.run(this.#all, start);
  }

  get #runtimes() {
    // Only once they are started do they have a name.
    return this.#all.filter(({ spawnfile, pid }) => pid !== undefined && spawnfile?.includes('workerd'));
  }

  get pids() {
    return this.#runtimes.map(({ pid }) => pid);
  }

  /** Runs no longer. A newer Miniflare starts another one by itself. */
  get hasEnded() {
    return this.#runtimes.some(hasEnded);
  }

  /** Waits a moment for one that is about to end: its port is closed before its end is told. */
  async ending() {
    const running = this.#runtimes.filter((each) => !hasEnded(each));
    const ends = running.map((each) => new Promise((resolve) => each.once('exit', resolve)));
    let timer;
    const late = new Promise((resolve) => {
      timer = setTimeout(resolve, ENDS_WITHIN_MS);
    });
    await Promise.race([Promise.all(ends), late]);
    clearTimeout(timer);
  }

  /** How it ended, for a person. */
  told() {
    const ended = this.#runtimes.find(hasEnded);
    if (!ended) {
      return this.#runtimes.length > 0
        ? 'Its process runs, but nobody listens at its port.'
        : 'How it ended is not known.';
    }
    const { exitCode, signalCode } = ended;
    if (signalCode === 'SIGKILL') return `It was ended by SIGKILL: ${MEMORY}.`;
    return signalCode ? `It was ended by ${signalCode}.` : `It ended with exit code ${exitCode}.`;
  }
}

function hasEnded({ exitCode, signalCode }) {
  return exitCode !== null || signalCode !== null;
}
