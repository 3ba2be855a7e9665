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
 * @param {(answer: Answer) => Answer} [alter] Makes another answer of the right one, as badly configured servers do.
 * @returns {Promise<{ url: string, close: () => Promise<void> }>}
 *
 * @typedef {{ path: string, status: number, headers: Record<string, string>, body: Uint8Array | string }} Answer
 */
export async function serveFiles(folder, alter = (answer) => answer) {
  const root = resolve(folder);
  const server = createServer(async (request, response) => {
    const path = decodeURIComponent(new URL(request.url, `http://${HOST}`).pathname);
    const { status, headers, body } = alter({ path, ...(await answerFor(root, path)) });
    response.writeHead(status, headers).end(body);
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

async function answerFor(root, path) {
  const file = resolve(root, `.${path.endsWith('/') ? `${path}index.html` : path}`);
  const body = file.startsWith(root + sep) ? await readFile(file).catch(() => undefined) : undefined;
  if (body === undefined) return { status: 404, headers: {}, body: '' };
  const type = TYPES[extname(file)] ?? 'application/octet-stream';
  return { status: 200, headers: { 'Content-Type': type }, body };
}
