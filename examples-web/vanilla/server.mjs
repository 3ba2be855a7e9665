/**
 * The page's own small server: what an app's back end does for its chat.
 *
 * Owns the two things it serves, files and sessions, and the headers they go out with. Knows nothing about
 * chatting: messages go from the page straight to the Worker. Listens on the loopback interface alone, because
 * it lets in everybody who asks.
 */
import { createServer } from 'node:http';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { FieldProblem, Sessions } from '../shared/sessions.mjs';
import { readStaticFile } from './static-files.mjs';

const HOST = '127.0.0.1';
const LOCAL_HOST = /^(?:(?:[a-z0-9-]+\.)*localhost|127\.0\.0\.1|\[::1\])(?::\d+)?$/i;
const PAGE_DIR = fileURLToPath(new URL('./page/', import.meta.url));
const SHARED_DIR = fileURLToPath(new URL('../shared/', import.meta.url));
/** What the page shares with the other examples; the rest of that folder is for servers. */
const SHARED_FILES = ['/words.js', '/links.js', '/texts.js', '/field-height.js'];
/** A library of the page, as npm has it. */
const LINKIFY_FILE = '/linkify.mjs';
const LINKIFY_DIR = dirname(fileURLToPath(import.meta.resolve('linkifyjs')));
const PACKAGE_PATH = '/kuratchi-spaces/';
const SESSION_PATH = '/api/chat/init';

/**
 * Starts serving.
 *
 * @param {object} options
 * @param {number} [options.port] 0 (default) takes a free one.
 * @param {string} options.workerUrl Where the Worker is, as browsers reach it.
 * @param {string} options.gatewayKey Signs the tokens. It stays here.
 * @param {string} options.packageDir Folder of the built `kuratchi-spaces` package.
 * @returns {Promise<{ url: string, close: () => Promise<void> }>}
 */
export async function serve({ port = 0, workerUrl, gatewayKey, packageDir }) {
  const { generateToken } = await import(pathToFileURL(join(packageDir, 'tokens.js')).href);
  const sessions = new Sessions({ generateToken, gatewayKey, workerUrl });
  const headers = { 'Content-Security-Policy': contentSecurityPolicy(workerUrl), ...HEADERS };

  const server = createServer((request, response) => {
    answer(request, { sessions, packageDir })
      .catch((error) => {
        // The request's own words stay out of the log: a query may hold a name.
        console.error('the page server failed to answer:', error);
        return json(500, { error: 'The server failed. Look at its log.' });
      })
      .then(({ status, type, body, more = {} }) => {
        response.writeHead(status, {
          ...headers,
          ...more,
          'Content-Type': type,
          'Content-Length': body.byteLength,
        });
        response.end(request.method === 'HEAD' ? undefined : body);
      });
  });
  await new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, HOST, resolve);
  });
  return {
    url: `http://${HOST}:${server.address().port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

const HEADERS = {
  'Cache-Control': 'no-cache',
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'same-origin',
};

/** All that the page needs, and nothing else; `wasm-unsafe-eval` lets it compile Wasm, not evaluate text. */
function contentSecurityPolicy(workerUrl) {
  const { origin } = new URL(workerUrl);
  return [
    "default-src 'none'",
    "script-src 'self' 'wasm-unsafe-eval'",
    "style-src 'self'",
    "img-src 'self'",
    `connect-src 'self' ${origin} ${origin.replace(/^http/, 'ws')}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}

async function answer(request, { sessions, packageDir }) {
  // A page on the web can have a name of its own lead to this machine, and would be given a token as if it were ours.
  if (!LOCAL_HOST.test(request.headers.host ?? '')) {
    return json(403, { error: 'This server answers as localhost and 127.0.0.1 only.' });
  }
  // Not `new URL(request.url, …)`: a path like `//host/x` would be read as another host.
  const [path, query = ''] = splitOnce(request.url, '?');
  if (path === SESSION_PATH) {
    if (request.method !== 'GET' && request.method !== 'POST') return notAllowed('GET, POST');
    return openSession(request, new URLSearchParams(query), sessions);
  }
  if (request.method !== 'GET' && request.method !== 'HEAD') return notAllowed('GET, HEAD');
  const file = await readStaticFile(...placeOf(path, packageDir));
  return file ? { status: 200, ...file } : json(404, { error: 'There is nothing at this address.' });
}

/** The folder and the place in it that an address stands for. */
function placeOf(path, packageDir) {
  if (path.startsWith(PACKAGE_PATH)) return [packageDir, path.slice(PACKAGE_PATH.length)];
  if (SHARED_FILES.includes(path)) return [SHARED_DIR, path.slice(1)];
  if (path === LINKIFY_FILE) return [LINKIFY_DIR, path.slice(1)];
  return [PAGE_DIR, path === '/' ? 'index.html' : path.slice(1)];
}

async function openSession(request, query, sessions) {
  try {
    const { session, cookie } = await sessions.open({
      name: query.get('name'),
      space: query.get('space'),
      cookies: request.headers.cookie,
    });
    // The token must not lie about in any cache.
    return json(200, session, { 'Set-Cookie': cookie, 'Cache-Control': 'no-store' });
  } catch (error) {
    if (error instanceof FieldProblem) return json(400, { error: error.message, field: error.field });
    throw error;
  }
}

function notAllowed(allow) {
  return json(405, { error: `This address answers ${allow} only.` }, { Allow: allow });
}

function json(status, value, more) {
  return { status, type: 'application/json; charset=utf-8', body: Buffer.from(JSON.stringify(value)), more };
}

function splitOnce(text, separator) {
  const at = text.indexOf(separator);
  return at === -1 ? [text] : [text.slice(0, at), text.slice(at + separator.length)];
}
