/**
 * The code of the TypeScript SDK's own documentation, character for character, with this package under that one's
 * name: built, and run against the real Worker.
 *
 * `documents/samples` holds the fenced blocks of `kuratchi-spaces.md`; `documents/` around them is the app that a
 * reader of the document has already.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { transform } from 'esbuild';
import { BUILD } from '../../scripts/lib/paths.mjs';
import { until } from '../e2e/lib/waiting.mjs';
import { KEY_WARNING, nameOf, openTab, startBrowser } from './lib/chat.mjs';
import { cleanEnvironment, Installed, runQuietly, runScript } from './lib/installed.mjs';
import { serve } from './lib/programs.mjs';
import { record } from './lib/report.mjs';
import { startWorker } from './lib/worker.mjs';

const INSTALL_MS_MAX = 330_000;
const TEST_MS_MAX = 120_000;
const HOST = '127.0.0.1';
const SCREENSHOTS = join(BUILD, 'screenshots');

/** SHA-256 of the blocks as they stand in the document. */
const SAMPLES = {
  'ChatRoom.tsx': '7c00cce4276d65329f55a2b7a8c9bab9b8444aae57a868fc5ff4787380ad4b25',
  'Chat.svelte': '5402b8ffdbda17e80190ab6af99f03cecdd0c8beb9863a7a085f2a0766aa5a0c',
  'server.ts': 'ef41909c1b682319ee15b2d1035eae2925cb1b84e766b39059e4df04c255c751',
  'client.ts': 'ddde6815a57ce70b8102cc0f1f95d97d2cdf27ac473e4e4a6d2800b11fe5632a',
  'deploy.ts': '510aca7e1e187c18ed49d99027f7f53f1e968928f7c6df0e98ceee000ec06086',
};

/** What the document's own environment variables hold for a page. It is no real key, and nothing needs one. */
const PAGE_ENV = { NEXT_PUBLIC_SPACES_KEY: 'a key for the page', VITE_SPACES_KEY: 'a key for the page' };

const HISTORY = ['Hello, I need help!', 'With what?', 'With everything'];
const LIVE = ['One thing after the other', 'Begin at the beginning', 'And go on'];
const OWN = 'From the component';
const LAST = 'Then stop';

const sample = (file) => readFileSync(new URL(`./documents/samples/${file}`, import.meta.url), 'utf8');

test('the samples stand as in the document', () => {
  const sums = Object.keys(SAMPLES).map((file) => [
    file,
    createHash('sha256').update(sample(file)).digest('hex'),
  ]);
  assert.deepEqual(Object.fromEntries(sums), SAMPLES);
});

describe("the document's own code", () => {
  const installed = new Installed();
  let worker;
  let browser;
  let app;
  let api;

  before(
    async () => {
      await installed.pack();
      app = await installed.copyOf('documents', { names: ['kuratchi-sdk'] });
      worker = await startWorker();
      browser = await startBrowser();
      const { code } = await transform(sample('server.ts'), { loader: 'ts', format: 'esm' });
      writeFileSync(join(app.folder, 'server.mjs'), code);
      api = await serve(app.folder, () => ['node', 'api.mjs'], {
        env: { KURATCHI_GATEWAY_KEY: worker.gatewayKey, KURATCHI_SPACES_WORKER_URL: worker.url },
      });
    },
    { timeout: INSTALL_MS_MAX },
  );
  after(async () => {
    await browser?.close();
    await api?.stop();
    await worker?.stop();
    installed.remove();
  });

  const newSession = async () => (await fetch(`${api.url}/api/chat/new`)).json();
  const pageEnv = () => ({ ...PAGE_ENV, API_URL: api.url });

  /** Opens the page of a component in a space with a history, and shows it a conversation. */
  async function converse(url, items, act) {
    const session = await newSession();
    const peer = worker.peer(session.spaceId);
    await peer.postAll(HISTORY);
    const tab = await openTab(browser);
    try {
      await tab.page.goto(url);
      return await act({ tab, peer, session, items });
    } finally {
      await tab.close();
    }
  }

  async function asDocumented({ tab, peer, session, items }) {
    await tab.shows(HISTORY, items);
    await peer.postAll(LIVE);
    await tab.shows([...HISTORY, ...LIVE], items);
    await tab.say(OWN);
    await tab.shows([...HISTORY, ...LIVE, OWN], items);
    assert.equal(await tab.page.locator('input').inputValue(), '', 'the field is cleared');
    await peer.post(LAST);
    const all = [...HISTORY, ...LIVE, OWN, LAST];
    await tab.shows(all, items);
    await peer.sees(all);
    const stored = await peer.messages();
    const { senderId, senderType } = stored.find(({ text }) => text === OWN);
    // The session's token names no user, so that the sender is whom the component says.
    assert.deepEqual({ senderId, senderType }, { senderId: 'current-user-id', senderType: 'user' });
    assert.equal(tab.socketsTo(session.workerUrl), 1, 'sockets opened');
    const [warning, ...more] = tab.problems;
    assert.match(warning, KEY_WARNING);
    assert.deepEqual(more, []);
    return { bytes: await tab.bytesShipped() };
  }

  async function picture(tab, name) {
    mkdirSync(SCREENSHOTS, { recursive: true });
    await tab.page.screenshot({ path: join(SCREENSHOTS, `documents-${name}.png`) });
  }

  const COMPONENTS = [
    { name: 'React', page: 'react.html', items: '#app > div > div', framework: 'react' },
    { name: 'Svelte', page: 'svelte.html', items: '#app > div', framework: 'svelte' },
  ];
  const rowOf = (framework) => ({
    project: `documents, ${framework}`,
    versions: `vite ${app.version('vite')}, ${framework} ${app.version(framework)}`,
    runtime: nameOf(browser),
  });
  const vite = (...args) =>
    serve(app.folder, (port) => ['vite', ...args, '--host', HOST, '--port', port, '--strictPort'], {
      env: pageEnv(),
      path: '/react.html',
    });

  /** `import { spaces }` and `import * as spaces`, under the SDK's name. */
  async function resolvesBothNames(server) {
    const tab = await openTab(browser);
    try {
      await tab.page.goto(`${server.url}/names.html`);
      await tab.page.waitForFunction(() => globalThis.isOneModule === true);
      assert.deepEqual(tab.problems, []);
    } finally {
      await tab.close();
    }
  }

  test('the components, built', { timeout: TEST_MS_MAX }, async () => {
    await runScript(app.folder, 'vite', ['build'], pageEnv());
    const server = await vite('preview');
    try {
      for (const { name, page, items, framework } of COMPONENTS) {
        const started = Date.now();
        const { bytes } = await converse(`${server.url}/${page}`, items, async (told) => {
          const result = await asDocumented(told);
          await picture(told.tab, name.toLowerCase());
          return result;
        });
        record({ ...rowOf(framework), mode: 'build', started, bytes });
      }
      await resolvesBothNames(server);
    } finally {
      await server.stop();
    }
  });

  test("the components in Vite's dev server, and in StrictMode", { timeout: TEST_MS_MAX }, async () => {
    const server = await vite();
    try {
      for (const { page, items, framework } of COMPONENTS) {
        const started = Date.now();
        await converse(`${server.url}/${page}`, items, asDocumented);
        record({ ...rowOf(framework), mode: 'dev', started });
      }
      await resolvesBothNames(server);
      await converse(`${server.url}/strict.html`, '#app > div > div', underStrictMode);
    } finally {
      await server.stop();
    }
  });

  /**
   * React runs the component's effect twice, and its cleanup knows no client yet: there are two of them, for ever.
   * Each adds what it hears to the one list. `useSpace` of `kuratchi-spaces/react` has one.
   */
  async function underStrictMode({ tab, peer, session, items }) {
    await tab.shows(HISTORY, items);
    // The later history takes the place of the earlier one, and of what was added to that.
    const loaded = () => tab.answersFrom(`${session.workerUrl}/messages`) === 2;
    await until(loaded, 'both clients have loaded the history');
    await tab.page.evaluate(() => new Promise((painted) => requestAnimationFrame(() => setTimeout(painted))));
    const twice = (texts) => texts.flatMap((text) => [text, text]);
    await peer.post(LIVE[0]);
    await tab.shows([...HISTORY, ...twice([LIVE[0]])], items);
    await tab.say(OWN);
    await tab.shows([...HISTORY, ...twice([LIVE[0], OWN])], items);
    // Both clients hear of it, and it was sent once.
    await peer.sees([...HISTORY, LIVE[0], OWN]);
    assert.equal(tab.socketsTo(session.workerUrl), 2, 'sockets opened');
    await picture(tab, 'react-strict-mode');
    const complaints = tab.problems.filter((problem) => !KEY_WARNING.test(problem));
    assert.ok(complaints.length > 0, 'React tells that two rows have one key');
    for (const complaint of complaints) assert.match(complaint, /two children with the same key/);
  }

  test('the client-side snippet', { timeout: TEST_MS_MAX }, async () => {
    const { spaceId, spaceToken, workerUrl } = await newSession();
    await worker.peer(spaceId).post(HISTORY[0]);
    // What a reader puts in: their own space, token and address.
    const own = [
      ["'support-user123-1699999999'", spaceId],
      ["'conversation-abc123.x7k2m9p1.1700000000000.signature'", spaceToken],
      ["'https://chat-spaces.yourdomain.com'", workerUrl],
    ];
    let text = sample('client.ts');
    for (const [literal, value] of own) {
      assert.equal(text.split(literal).length, 2, `${literal} stands once in the snippet`);
      text = text.replace(literal, JSON.stringify(value));
    }
    const { code: program } = await transform(text, { loader: 'ts', format: 'esm' });
    const tell =
      '\nconsole.log(JSON.stringify(messages.map(({ senderId, text }) => ({ senderId, text }))));\n';
    writeFileSync(join(app.folder, 'client.mjs'), program + tell);
    const flags = typeof globalThis.WebSocket === 'function' ? [] : ['--experimental-websocket'];
    const { code, output } = await runQuietly(process.execPath, [...flags, 'client.mjs'], {
      cwd: app.folder,
      env: { ...cleanEnvironment(), KURATCHI_GATEWAY_KEY: worker.gatewayKey },
      allowFailure: true,
    });
    assert.equal(code, 0, output);
    assert.match(output, /^Connection status: true$/m);
    assert.match(output, /^New message: \{$/m);
    assert.match(output, /^ {2}text: 'Hello, I need help!',$/m);
    assert.match(output, /^Connection status: false$/m);
    const texts = [
      { senderId: 'grace', text: HISTORY[0] },
      { senderId: 'user123', text: 'Hello, I need help!' },
    ];
    assert.ok(output.includes(JSON.stringify(texts)), output);
    await worker.peer(spaceId).sees(texts.map(({ text: stored }) => stored));
  });

  test('the server-side snippet', async () => {
    const session = await newSession();
    assert.deepEqual(Object.keys(session), ['spaceId', 'spaceToken', 'workerUrl']);
    assert.match(session.spaceId, /^support-user123-\d+$/);
    assert.equal(session.workerUrl, worker.url);
    const headers = { 'x-space-id': session.spaceId, 'x-space-token': session.spaceToken };
    const response = await fetch(`${worker.url}/messages`, { headers });
    assert.deepEqual(await response.json(), { success: true, messages: [] });
  });

  test('TypeScript accepts all of it', { timeout: TEST_MS_MAX }, async () => {
    await runScript(app.folder, 'tsc', ['--project', 'tsconfig.json']);
    await runScript(app.folder, 'svelte-check', ['--tsconfig', './tsconfig.json', '--fail-on-warnings']);
  });
});
