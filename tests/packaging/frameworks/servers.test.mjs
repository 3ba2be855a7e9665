/**
 * Apps that render on a server: SvelteKit and Next, in development and built.
 *
 * In each the server makes the token and renders the page with the adapter; a route sends a message with the client
 * itself, so that the Wasm is loaded in the server's bundle, too.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { before, describe, test } from 'node:test';
import { chatOn, inTheQuery, KEY_WARNING, nameOf } from '../lib/chat.mjs';
import { runScript } from '../lib/installed.mjs';
import { serve } from '../lib/programs.mjs';
import { record } from '../lib/report.mjs';
import { usePackage } from '../lib/use-package.mjs';

const INSTALL_MS_MAX = 330_000;
const TEST_MS_MAX = 240_000;
const HOST = '127.0.0.1';
const SAID = 'From the server';
const CHAT_ROOM = readFileSync(new URL('../documents/samples/ChatRoom.tsx', import.meta.url), 'utf8');

describe('rendered on a server', () => {
  const used = usePackage();
  const { installed } = used;

  const appEnv = () => ({
    KURATCHI_GATEWAY_KEY: used.worker.gatewayKey,
    KURATCHI_SPACES_WORKER_URL: used.worker.url,
    NEXT_TELEMETRY_DISABLED: '1',
    NEXT_PUBLIC_SPACES_KEY: 'a key for the page',
  });

  /** What the page is before any script ran. */
  async function isRendered(url) {
    const { spaceId } = await used.worker.admit();
    const response = await fetch(inTheQuery(url, { spaceId }));
    const html = await response.text();
    assert.equal(response.status, 200, html);
    assert.match(html, /<output[^>]*>(?:<!--.*?-->)*idle(?:<!--.*?-->)*<\/output>/);
    assert.match(html, /<input/);
  }

  /** The server's own message arrives in the open page. */
  async function serverSays({ tab, space, shown }) {
    const answer = await tab.page.evaluate(
      async (body) => {
        const headers = { 'Content-Type': 'application/json' };
        const response = await fetch('/api/chat/say', { method: 'POST', headers, body });
        return { status: response.status, text: await response.text() };
      },
      JSON.stringify({ spaceId: space.spaceId, text: SAID }),
    );
    assert.deepEqual(answer, { status: 200, text: JSON.stringify({ text: SAID }) });
    await tab.shows([...shown, SAID]);
  }

  async function chatWith(server, row, started) {
    await isRendered(server.url);
    const options = { address: inTheQuery, andThen: serverSays };
    const { bytes } = await chatOn(used.browser, used.worker, server.url, options).catch((error) => {
      throw new Error(`${error.message}\nThe server says:\n${server.output()}`, { cause: error });
    });
    // What a dev server sends is not what visitors download.
    const shipped = row.mode.startsWith('dev') ? {} : { bytes };
    record({
      ...row,
      runtime: `${nameOf(used.browser)}, Node ${process.versions.node}`,
      started,
      ...shipped,
    });
  }

  describe('by SvelteKit', () => {
    let app;
    let row;

    before(
      async () => {
        app = await installed.copyOf('projects/sveltekit');
        const versions = ['@sveltejs/kit', 'svelte', 'vite'].map((name) => `${name} ${app.version(name)}`);
        row = { project: 'sveltekit', versions: versions.join(', ') };
      },
      { timeout: INSTALL_MS_MAX },
    );

    test('in development, twice', { timeout: TEST_MS_MAX }, async () => {
      for (const mode of ['dev, first start', 'dev, second start']) {
        const started = Date.now();
        const command = (port) => ['vite', 'dev', '--host', HOST, '--port', port, '--strictPort'];
        const server = await serve(app.folder, command, { env: appEnv(), path: '/?space=start' });
        try {
          await chatWith(server, { ...row, mode }, started);
        } finally {
          await server.stop();
        }
      }
    });

    test('built for Node', { timeout: TEST_MS_MAX }, async () => {
      const started = Date.now();
      await runScript(app.folder, 'vite', ['build'], appEnv());
      const server = await serve(app.folder, () => ['node', 'build/index.js'], {
        env: { ...appEnv(), HOST },
        path: '/?space=start',
      });
      try {
        await chatWith(server, { ...row, mode: 'build, adapter-node' }, started);
      } finally {
        await server.stop();
      }
    });
  });

  describe('by Next', () => {
    let app;
    let row;

    before(
      async () => {
        app = await installed.copyOf('projects/next', {
          names: ['kuratchi-spaces', 'kuratchi-sdk'],
          files: { 'app/documents/ChatRoom.tsx': CHAT_ROOM },
        });
        const versions = ['next', 'react'].map((name) => `${name} ${app.version(name)}`);
        row = { project: 'next', versions: versions.join(', ') };
      },
      { timeout: INSTALL_MS_MAX },
    );

    const documented = async (server, mode, started) => {
      await chatOn(used.browser, used.worker, `${server.url}/documents`, {
        address: inTheQuery,
        items: 'body > div > div',
        expects: [KEY_WARNING],
      });
      record({ ...row, project: 'documents, next', mode, runtime: nameOf(used.browser), started });
    };

    for (const bundler of ['turbopack', 'webpack']) {
      test(`in development, ${bundler}`, { timeout: TEST_MS_MAX }, async () => {
        const started = Date.now();
        const command = (port) => ['next', 'dev', `--${bundler}`, '--hostname', HOST, '--port', port];
        const server = await serve(app.folder, command, { env: appEnv(), path: '/?space=start' });
        try {
          await chatWith(server, { ...row, mode: `dev, ${bundler}` }, started);
        } finally {
          await server.stop();
        }
      });

      test(`built, ${bundler}`, { timeout: TEST_MS_MAX }, async () => {
        let started = Date.now();
        await runScript(app.folder, 'next', ['build', `--${bundler}`], appEnv());
        const command = (port) => ['next', 'start', '--hostname', HOST, '--port', port];
        const server = await serve(app.folder, command, { env: appEnv(), path: '/?space=start' });
        try {
          await chatWith(server, { ...row, mode: `build, ${bundler}` }, started);
          started = Date.now();
          await documented(server, `build, ${bundler}`, started);
        } finally {
          await server.stop();
        }
      });
    }
  });
});
