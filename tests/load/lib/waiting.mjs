/**
 * Waiting for counters that other parties move.
 */
import { sleep } from '../../e2e/lib/waiting.mjs';

const PROBE_MS = 25;

/**
 * Waits until `isDone()`, but no longer than `ms`, and gives up early when `progress()` has not changed for `quietMs`.
 * It never fails: whoever calls it counts afterwards. Resolves with the time waited in milliseconds.
 *
 * @param {object} wait
 * @param {() => boolean} wait.isDone
 * @param {() => number | string} wait.progress
 * @param {number} wait.ms
 * @param {number} wait.quietMs
 */
export async function whileProgressing({ isDone, progress, ms, quietMs }) {
  const begun = performance.now();
  let last = progress();
  let changedAt = begun;
  for (;;) {
    const now = performance.now();
    if (isDone() || now - begun > ms || now - changedAt > quietMs) return now - begun;
    await sleep(PROBE_MS);
    const next = progress();
    if (next !== last) changedAt = performance.now();
    last = next;
  }
}
