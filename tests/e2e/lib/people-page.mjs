/**
 * The page that people of the tests chat in: no chat view, only the package and somebody who uses it.
 *
 * Owns its files and its fresh tokens. A page of our own, because the tests decide who somebody is and how long
 * their token lasts, and because every browser can show it without help.
 */
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import { readStaticFile } from '../../../examples-web/vanilla/static-files.mjs';
import { generateToken } from '../../../pkg-template/tokens.js';

const PACKAGE_PATH = '/kuratchi-spaces/';
const LIB_DIR = fileURLToPath(new URL('.', import.meta.url));
const DOCUMENT = `<!doctype html>
<html lang="en">
  <meta charset="utf-8">
  <title>Somebody who chats</title>
  <link rel="icon" href="data:,">
  <script type="module" src="/person-page.js"></script>
</html>
`;

/**
 * Starts serving.
 *
 * @param {object} options
 * @param {string} options.gatewayKey Signs the tokens that `GET /token?spaceId=…&userId=…&expiryMs=…` answers.
 * @param {string} options.packageDir Folder of the built package.
 * @returns {Promise<{ url: string, close: () => Promise<void> }>}
 */
export async function servePeople({ gatewayKey, packageDir }) {
  const server = createServer(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url, 'http://people');
    const send = (status, type, body) => {
      response.writeHead(status, { 'Content-Type': type, 'Cache-Control': 'no-cache' });
      response.end(body);
    };
    if (pathname === '/') return send(200, 'text/html; charset=utf-8', DOCUMENT);
    if (pathname === '/token') {
      const { spaceId, expiryMs, ...claims } = Object.fromEntries(searchParams);
      const token = await generateToken(spaceId, { gatewayKey, expiryMs: Number(expiryMs), ...claims });
      return send(200, 'text/plain', token);
    }
    const file = pathname.startsWith(PACKAGE_PATH)
      ? await readStaticFile(packageDir, pathname.slice(PACKAGE_PATH.length))
      : await readStaticFile(LIB_DIR, pathname.slice(1));
    return file ? send(200, file.type, file.body) : send(404, 'text/plain', 'There is nothing here.');
  });
  await new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
