/**
 * Memory of another process, read from `/proc`. Elsewhere than on Linux every figure is `NaN`.
 */
import { readFileSync } from 'node:fs';

const EVERY_MS = 100;
const KIB_PER_MIB = 1024;

/** Resident memory of a process, in MiB. */
export function residentMib(pid) {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) / KIB_PER_MIB;
  } catch {
    // No such file system, or no such process any more.
    return Number.NaN;
  }
}

/** Reads a process's memory ten times a second until it is stopped. */
export class MemoryWatch {
  #pid;
  #timer;
  #before;
  #peak;

  constructor(pid) {
    this.#pid = pid;
    this.#before = residentMib(pid);
    this.#peak = this.#before;
    this.#timer = setInterval(() => {
      this.#peak = Math.max(this.#peak, residentMib(pid));
    }, EVERY_MS);
  }

  /** Ends the watch. Returns `{ before, peak, after }` in MiB. */
  stop() {
    clearInterval(this.#timer);
    const after = residentMib(this.#pid);
    return { before: this.#before, peak: Math.max(this.#peak, after), after };
  }
}
