/** The flooder's process, from the outside. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const FLOODER = fileURLToPath(new URL('flooder.mjs', import.meta.url));
/** It reports when its time is over; this much later it is ended. */
const REPORT_MS_MAX = 10_000;

/**
 * Floods a space for some time.
 *
 * @param {object} task
 * @param {string} task.url Of the socket, space included.
 * @param {string} [task.spaceId] For requests over HTTP, which come with all kinds of frames.
 * @param {string} task.token
 * @param {number} task.sender Number that the flooder's messages carry: see keys.mjs.
 * @param {number} task.sockets How many at once.
 * @param {number} task.ms How long.
 * @param {string} [task.kind] The one kind of frame to send. Default: all of them, mixed, and requests over HTTP.
 * @returns {Promise<object>} Frames, bytes, kinds, connects, closes and errors by code, answers by type; requests and their
 * statuses.
 */
export async function flood(task) {
  const child = fork(FLOODER);
  const timer = setTimeout(() => child.kill('SIGKILL'), task.ms + REPORT_MS_MAX);
  try {
    const exited = once(child, 'exit').then(([code, signal]) => {
      throw new Error(`the flooder ended with ${signal ?? code} before it reported`);
    });
    child.send(task);
    const [report] = await Promise.race([once(child, 'message'), exited]);
    exited.catch(() => {});
    return report;
  } finally {
    clearTimeout(timer);
    child.kill('SIGKILL');
  }
}
