/**
 * An app's few routes of its own, beside the files that Vite serves.
 *
 * Owns bodies, status codes and headers, in development and in `vite preview` alike. What a route answers is the
 * app's business. An app with a server of its own has its own routes there.
 */

/** What a page asks for fits into this many times over. */
const BODY_BYTES_MAX = 4_096;

/** A refusal that the page is told of: `message` is for people, `field` names the input to mend, if it is one. */
export class Refusal extends Error {
  /**
   * @param {number} status Of the HTTP answer.
   * @param {string} message
   * @param {string} [field]
   */
  constructor(status, message, field) {
    super(message);
    this.status = status;
    this.field = field;
  }
}

/**
 * A Vite plugin that answers `POST` requests with JSON.
 *
 * @param {Record<string, (request: { body: object, cookies: string | undefined, address: string | undefined }) => Promise<{ body: object, cookie?: string }>>} routes
 *   By path. What a route throws is a {@link Refusal}, or a fault of the server.
 */
export function jsonApi(routes) {
  const serve = ({ middlewares }) => {
    middlewares.use((request, response, next) => {
      // Not by `new URL()`: a path like `//host/x` would be read as another host.
      const route = Object.hasOwn(routes, request.url) ? routes[request.url] : undefined;
      if (route) answer(route, request, response);
      else next();
    });
  };
  return { name: 'json-api', configureServer: serve, configurePreviewServer: serve };
}

async function answer(route, request, response) {
  try {
    const body = await readBody(request);
    const { body: reply, cookie } = await route({
      body,
      cookies: request.headers.cookie,
      address: request.socket.remoteAddress,
    });
    send(response, 200, reply, cookie && { 'Set-Cookie': cookie });
  } catch (error) {
    if (error instanceof Refusal) {
      send(response, error.status, { error: error.message, field: error.field });
    } else {
      // The request's own words stay out of the log: they hold names.
      console.error('the server failed to answer:', error);
      send(response, 500, { error: 'The server failed. Look at its log.' });
    }
  }
}

async function readBody(request) {
  if (request.method !== 'POST') throw new Refusal(405, 'This address answers POST only.');
  // Another site's form can not send this type: only our own pages ask here.
  if (request.headers['content-type'] !== 'application/json') {
    throw new Refusal(415, 'This address takes JSON only.');
  }
  const chunks = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.length;
    if (bytes > BODY_BYTES_MAX) throw new Refusal(413, 'The request is too long.');
    chunks.push(chunk);
  }
  let body;
  try {
    body = JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    throw new Refusal(400, 'The request is no JSON.');
  }
  if (typeof body !== 'object' || body === null) throw new Refusal(400, 'The request is no JSON object.');
  return body;
}

function send(response, status, value, headers = {}) {
  response.writeHead(status, {
    ...headers,
    'Content-Type': 'application/json; charset=utf-8',
    // A token must not lie about in any cache.
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
  });
  response.end(JSON.stringify(value));
}
