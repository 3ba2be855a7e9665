/**
 * The web site that a stage's page belongs to: its files, and the route that hands out tokens.
 *
 * Owns paths, content types and that one route. Must not know what is on the pages.
 */
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, resolve, sep } from 'node:path';

const HOST = '127.0.0.1';
const HTML = 'text/html; charset=utf-8';
const TYPES = {
  '.html': HTML,
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.wasm': 'application/wasm',
};

/**
 * Starts it on the loopback interface.
 *
 * @param {object} options
 * @param {(url: URL) => Promise<object>} options.init Answers `GET /api/chat/init`, as the documents call it.
 * @param {() => [number, string] | undefined} [options.refusal] What the route answers instead, if anything.
 * @param {string} [options.page] HTML of `/`.
 * @param {Record<string, string>} [options.folders] Folders by the path that they are served under.
 * @param {Record<string, string>} [options.headers] Of every answer.
 * @returns {Promise<{ url: string, close: () => Promise<void> }>}
 */
export async function openSite({ init, refusal = () => undefined, page, folders = {}, headers = {} }) {
  const server = createServer(async (request, response) => {
    const url = new URL(request.url, `http://${HOST}`);
    const answer = (status, type, body) =>
      response.writeHead(status, { 'Content-Type': type, ...headers }).end(body);
    try {
      if (url.pathname === '/api/chat/init') {
        const [status, text] = refusal() ?? [];
        if (status !== undefined) return answer(status, 'text/plain', text);
        return answer(200, 'application/json', JSON.stringify(await init(url)));
      }
      if (url.pathname === '/' && page !== undefined) return answer(200, HTML, page);
      const found = await find(folders, url.pathname === '/' ? '/index.html' : url.pathname);
      if (found) return answer(200, TYPES[extname(found.file)] ?? 'application/octet-stream', found.bytes);
      answer(404, 'text/plain', 'not here');
    } catch (error) {
      answer(500, 'text/plain', String(error));
    }
  });
  await new Promise((started, failed) => {
    server.once('error', failed);
    server.listen(0, HOST, started);
  });
  return {
    url: `http://${HOST}:${server.address().port}`,
    close: () =>
      new Promise((closed) => {
        server.close(() => closed());
        server.closeAllConnections();
      }),
  };
}

async function find(folders, path) {
  for (const [prefix, folder] of Object.entries(folders)) {
    if (folder === undefined || !path.startsWith(prefix)) continue;
    const root = resolve(folder);
    const file = resolve(root, `./${decodeURIComponent(path.slice(prefix.length))}`);
    if (!file.startsWith(root + sep)) continue;
    const bytes = await readFile(file).catch(() => undefined);
    if (bytes !== undefined) return { file, bytes };
  }
  return undefined;
}
