/**
 * A web server for the files of one folder, on the loopback interface.
 *
 * Owns paths and content types. Must not know what is in the folder.
 */
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, resolve, sep } from 'node:path';

const HOST = '127.0.0.1';
const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.wasm': 'application/wasm',
};

/**
 * Starts serving.
 *
 * @param {string} folder
 * @param {Record<string, string>} [pages] HTML by path, which needs no file.
 * @returns {Promise<{ url: string, close: () => Promise<void> }>}
 */
export async function serveFiles(folder, pages = {}) {
  const root = resolve(folder);
  const server = createServer(async (request, response) => {
    const path = decodeURIComponent(new URL(request.url, `http://${HOST}`).pathname);
    if (Object.hasOwn(pages, path)) {
      response.writeHead(200, { 'Content-Type': TYPES['.html'] }).end(pages[path]);
      return;
    }
    const file = resolve(root, `.${path}`);
    const bytes = file.startsWith(root + sep) ? await readFile(file).catch(() => undefined) : undefined;
    if (bytes === undefined) {
      response.writeHead(404).end();
      return;
    }
    const type = TYPES[extname(file)] ?? 'application/octet-stream';
    response.writeHead(200, { 'Content-Type': type }).end(bytes);
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
