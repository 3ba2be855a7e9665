/**
 * What the runtime says of itself, among what the Worker logs: bounded, because whoever sends broken requests decides how much.
 *
 * Owns which lines are left out or cut. Must not know where they go.
 */

import { oneLine } from './terminal.js';

/** workerd's own: `workerd/server/server.c++:5492: error: …`. */
const RUNTIMES_OWN = /^(workerd|kj|capnp)\/\S+: (error|warning|info):/;
/** Addresses in its program, a kilobyte a line. */
const STACK = /^stack: /;
const LINES_MAX = 10;
const WITHIN_MS = 10_000;

/**
 * A filter of lines. The runtime's own are cut as well: they repeat headers.
 *
 * @param {(line: string) => void} log
 * @param {() => number} [now]
 * @returns {(line: string) => void}
 */
export function boundRuntimeLines(log, now = Date.now) {
  let since = Number.NEGATIVE_INFINITY;
  let count = 0;
  return (line) => {
    if (STACK.test(line)) return;
    if (!RUNTIMES_OWN.test(line)) {
      log(line);
      return;
    }
    if (now() - since >= WITHIN_MS) {
      since = now();
      count = 0;
    }
    count += 1;
    if (count <= LINES_MAX) log(oneLine(line));
    else if (count === LINES_MAX + 1)
      log(`The runtime says more of that; the rest of ${WITHIN_MS / 1_000} s is left out.`);
  };
}
