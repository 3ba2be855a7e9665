/**
 * Miniflare without two things that it opens to others.
 *
 * It opens a second HTTP server in its process, for workerd to ask: on any port, unguarded. That stores whatever is sent to it
 * under whatever path is named, prints, and starts programs, for any page that the developer has open and for anybody on the
 * machine. Nothing of ours needs it: the one that is made here does nothing.
 *
 * And what it puts before a Worker reads `Accept-Encoding` by an expression whose time grows with the square of the header's
 * length (a dot that is not escaped): nine requests of 60 kB kept everybody waiting for 8 s. The dot is escaped.
 *
 * Both are done to what a start of Miniflare asks of Node, and to nothing else. Must not know Workers.
 */

import { AsyncLocalStorage } from 'node:async_hooks';
import fs from 'node:fs';
import http from 'node:http';

/** Set in all that a start of Miniflare does. */
const starting = new AsyncLocalStorage();

const { createServer } = http;
const { readFileSync } = fs;
/** How many starts are under way. */
let starts = 0;

const ENTRY = /workers[\\/]core[\\/]entry\.worker\.js$/;
const SLOW = String.raw`(?<weight>\d+(?:.\d+)?)`;
const FAST = String.raw`(?<weight>\d+(?:\.\d+)?)`;

/**
 * Runs a start of Miniflare.
 *
 * @template T
 * @param {() => Promise<T>} start
 * @returns {Promise<T>}
 */
export async function guarded(start) {
  starts += 1;
  http.createServer = (...options) => (starting.getStore() ? idleServer() : createServer(...options));
  fs.readFileSync = (path, ...options) => {
    const read = readFileSync(path, ...options);
    const isEntry = starting.getStore() && typeof read === 'string' && ENTRY.test(String(path));
    return isEntry ? read.replaceAll(SLOW, FAST) : read;
  };
  try {
    return await starting.run(true, start);
  } finally {
    starts -= 1;
    if (starts === 0) {
      http.createServer = createServer;
      fs.readFileSync = readFileSync;
    }
  }
}

function idleServer() {
  const server = createServer((request, response) => {
    request.resume();
    // What a Worker says that failed; nobody else is told more.
    const isFailure = request.url === '/core/error';
    const failure = { error: 'internal error', code: 'internal', retryable: true };
    response.writeHead(isFailure ? 500 : 404, { 'content-type': 'application/json' });
    response.end(isFailure ? JSON.stringify(failure) : '{}');
  });
  const { on } = server;
  // Without a listener Node ends connections that want to be something else.
  server.on = (event, listener) => (event === 'upgrade' ? server : on.call(server, event, listener));
  return server;
}
