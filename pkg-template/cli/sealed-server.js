/**
 * Miniflare's own server, without what it would do.
 *
 * Miniflare opens a second HTTP server in its process, for workerd to ask: on any port, unguarded. It stores whatever is sent to
 * it under whatever path is named, prints and starts programs, for any page that the developer has open and for anybody on the
 * machine. Nothing of ours needs it. So while Miniflare starts, the server that it makes is one that does nothing.
 *
 * Owns that exchange. Must not know Workers.
 */

import { AsyncLocalStorage } from 'node:async_hooks';
import http from 'node:http';

/** Set in all that a start of Miniflare does. */
const starting = new AsyncLocalStorage();

const { createServer } = http;
/** How many starts are under way. */
let starts = 0;

/**
 * Runs a start of Miniflare: servers that it makes meanwhile answer nothing.
 *
 * @template T
 * @param {() => Promise<T>} start
 * @returns {Promise<T>}
 */
export async function withoutServer(start) {
  starts += 1;
  http.createServer = (...options) => (starting.getStore() ? sealedServer() : createServer(...options));
  try {
    return await starting.run(true, start);
  } finally {
    starts -= 1;
    if (starts === 0) http.createServer = createServer;
  }
}

function sealedServer() {
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
