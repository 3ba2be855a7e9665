/**
 * Where the Wasm can not be had: what a page is told in real Chromium, and what to do about it.
 *
 * The servers here are wrong in the ways that servers are: see the tests' names.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { openTab, startBrowser } from './lib/chat.mjs';
import { serveFiles } from './lib/files-server.mjs';
import { Installed } from './lib/installed.mjs';
import { expectedVisit, VISIT } from './lib/visit.mjs';
import { startWorker } from './lib/worker.mjs';

const TEST_MS_MAX = 60_000;
const ENTRY = '/node_modules/kuratchi-spaces/index.js';
const INLINE = '/node_modules/kuratchi-spaces/inline.js';
const STANDALONE = '/node_modules/kuratchi-spaces/standalone.js';
const PAGE = '<!doctype html><html lang="en"><title>app</title><link rel="icon" href="data:,"></html>';

const ifWasm = (change) => (answer) => (answer.path.endsWith('.wasm') ? { ...answer, ...change } : answer);
const typed = (type) => ifWasm({ headers: { 'Content-Type': type } });
const policy = (text) => (answer) => ({
  ...answer,
  headers: { ...answer.headers, 'Content-Security-Policy': text },
});

describe('without the Wasm', () => {
  const installed = new Installed();
  let folder;
  let worker;
  let browser;

  before(async () => {
    await installed.pack();
    folder = await installed.project('app', { 'index.html': PAGE, 'visit.js': VISIT });
    worker = await startWorker();
    browser = await startBrowser();
  });
  after(async () => {
    await browser?.close();
    await worker?.stop();
    installed.remove();
  });

  /** Runs `act(module, config)` in a page with the package's `entry`, from a server that answers wrongly. */
  async function inPage({ alter, entry = ENTRY, script }, act) {
    const space = await worker.admit();
    const server = await serveFiles(folder, alter);
    const tab = await openTab(browser);
    try {
      if (script) await tab.page.addInitScript(script);
      await tab.page.goto(server.url);
      return await act({ tab, space, entry });
    } finally {
      await tab.close();
      await server.close();
    }
  }

  /** What each method is refused with, as plain data. */
  function refusals(setting) {
    return inPage(setting, async ({ tab, space, entry }) => {
      const errors = await tab.page.evaluate(
        async ([path, config]) => {
          const { ChatError, client } = await import(path);
          const space = client(config);
          const refused = [];
          for (const call of [
            () => space.connect(),
            () => space.getMessages(),
            () => space.sendMessage({ senderId: 'ada', senderType: 'user', text: 'Hi' }),
            () => space.setTyping('ada', true),
          ]) {
            const error = await call().then(
              () => undefined,
              (reason) => reason,
            );
            const { code, retryable, message } = error ?? {};
            refused.push({ isTyped: error instanceof ChatError, code, retryable, message });
          }
          return refused;
        },
        [entry, space],
      );
      // An unhandled rejection would be a problem of its own; the browser's own reports are no fault of ours.
      assert.deepEqual(
        tab.problems.filter((problem) => problem.startsWith('uncaught')),
        [],
      );
      return errors;
    });
  }

  async function isRefusedWith({ retryable = false, ...setting }, pattern) {
    for (const { message, ...error } of await refusals(setting)) {
      assert.deepEqual(error, { isTyped: true, code: 'wasmUnavailable', retryable }, message);
      assert.match(message, pattern);
    }
  }

  async function works(setting) {
    await inPage(setting, async ({ tab, space, entry }) => {
      const visited = await tab.page.evaluate(
        async ([path, config]) => {
          const [{ client }, { visit }] = await Promise.all([import(path), import('/visit.js')]);
          return visit(client, config);
        },
        [entry, space],
      );
      assert.deepEqual(visited, expectedVisit(space));
      assert.deepEqual(tab.problems, []);
    });
  }

  test('a policy that forbids Wasm', { timeout: TEST_MS_MAX }, async () => {
    for (const entry of [ENTRY, INLINE, STANDALONE]) {
      const setting = { alter: policy("script-src 'self'"), entry };
      await isRefusedWith(setting, /the page's policy forbids it: add 'wasm-unsafe-eval' to script-src/);
    }
  });

  test('a policy that allows it', { timeout: TEST_MS_MAX }, async () => {
    for (const entry of [ENTRY, INLINE, STANDALONE]) {
      await works({ alter: policy("script-src 'self' 'wasm-unsafe-eval'"), entry });
    }
  });

  test('a policy that forbids to fetch the file', { timeout: TEST_MS_MAX }, async () => {
    const alter = policy(`script-src 'self' 'wasm-unsafe-eval'; connect-src ${worker.url}`);
    await isRefusedWith(
      // To the page it is a failed fetch like any other.
      { alter, retryable: true },
      /kuratchi_spaces_bg\.wasm could not be fetched: .*the page's policy allows it in connect-src/,
    );
    // What is embedded needs no fetch.
    await works({
      alter: policy(
        `script-src 'self' 'wasm-unsafe-eval'; connect-src ${worker.url} ${worker.url.replace('http', 'ws')}`,
      ),
      entry: INLINE,
    });
  });

  test('an HTML page in its place, as of single-page apps', { timeout: TEST_MS_MAX }, async () => {
    const html = { status: 200, headers: { 'Content-Type': 'text/html' }, body: PAGE };
    const pattern =
      /kuratchi_spaces_bg\.wasm .*is an HTML page.*serve kuratchi_spaces_bg\.wasm .* there, as application\/wasm/;
    await isRefusedWith({ alter: ifWasm(html) }, pattern);
    // Some servers tell the type by the name that was asked for.
    const misnamed = { ...html, headers: { 'Content-Type': 'application/wasm' } };
    await isRefusedWith({ alter: ifWasm(misnamed) }, pattern);
  });

  test('no file in its place', { timeout: TEST_MS_MAX }, async () => {
    const missing = ifWasm({ status: 404, headers: {}, body: '' });
    await isRefusedWith(
      { alter: missing },
      /kuratchi_spaces_bg\.wasm was answered with status 404: serve kuratchi_spaces_bg\.wasm/,
    );
  });

  test('half of it', { timeout: TEST_MS_MAX }, async () => {
    const half = (answer) =>
      answer.path.endsWith('.wasm') ? { ...answer, body: answer.body.subarray(0, 5_000) } : answer;
    await isRefusedWith({ alter: half }, /kuratchi_spaces_bg\.wasm is damaged: serve/);
  });

  test('a server that can not be reached', { timeout: TEST_MS_MAX }, async () => {
    const gone = async ({ tab, space, entry }) => {
      await tab.page.route('**/*.wasm', (route) => route.abort('connectionrefused'));
      return tab.page.evaluate(
        async ([path, config]) => {
          const { client } = await import(path);
          return client(config)
            .connect()
            .catch(({ code, message }) => ({ code, message }));
        },
        [entry, space],
      );
    };
    const { code, message } = await inPage({}, gone);
    assert.equal(code, 'wasmUnavailable');
    assert.match(message, /could not be fetched: check that the network is up/);
  });

  test('another content type is no obstacle', { timeout: TEST_MS_MAX }, async () => {
    for (const type of ['text/plain', 'application/octet-stream', 'application/wasm; charset=utf-8']) {
      await works({ alter: typed(type) });
    }
  });

  test('an engine without WebAssembly', { timeout: TEST_MS_MAX }, async () => {
    for (const entry of [ENTRY, INLINE, STANDALONE]) {
      const setting = { entry, script: 'delete globalThis.WebAssembly' };
      await isRefusedWith(setting, /this environment has no WebAssembly: use a current browser/);
    }
  });

  test('a later call tries again', { timeout: TEST_MS_MAX }, async () => {
    let isMissing = true;
    const alter = (answer) => (isMissing ? ifWasm({ status: 503, headers: {}, body: '' })(answer) : answer);
    await inPage({ alter }, async ({ tab, space, entry }) => {
      const connect = () =>
        tab.page.evaluate(
          async ([path, config]) => {
            const { client } = await import(path);
            globalThis.space ??= client(config);
            return globalThis.space.connect().then(
              () => 'connected',
              (error) => error.code,
            );
          },
          [entry, space],
        );
      assert.equal(await connect(), 'wasmUnavailable');
      isMissing = false;
      assert.equal(await connect(), 'connected');
    });
  });
});
