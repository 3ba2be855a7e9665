/**
 * Loading the Wasm: once, again after a failure, and a cure in every error.
 *
 * Owns nothing but expectations. The network is a function.
 */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, mock, test } from 'node:test';

import { compileBytes, createEngine, fetchModule } from '../../pkg-template/loader.js';

/** The smallest module: a magic number and a version. */
const WASM = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]);
const URL_OF_WASM = 'https://app.example/assets/kuratchi_spaces_bg.wasm';

afterEach(() => mock.restoreAll());

function answers(answer) {
  return mock.method(globalThis, 'fetch', async (url) => answer(url));
}

const nothing = async () => ({});
const wasmAnswer = (type = 'application/wasm') => new Response(WASM, { headers: { 'content-type': type } });
const htmlAnswer = (status = 200) =>
  new Response('<!doctype html>', { status, headers: { 'content-type': 'text/html' } });

function checkUnavailable(promise, pattern, retryable = false) {
  return assert.rejects(promise, (error) => {
    assert.deepEqual([error.name, error.code, error.retryable], ['ChatError', 'wasmUnavailable', retryable]);
    assert.match(error.message, pattern);
    return true;
  });
}

describe('an engine', () => {
  const glue = () => ({ default: mock.fn(async () => {}), SpaceCore: class {} });

  test('loads at the first call, and once', async () => {
    const loaded = glue();
    const source = mock.fn(() => 'module');
    const engine = createEngine(source, async () => loaded);
    assert.equal(source.mock.callCount(), 0);
    const [first, second] = await Promise.all([engine.load(), engine.load()]);
    assert.equal(first, loaded);
    assert.equal(second, loaded);
    assert.equal(source.mock.callCount(), 1);
    assert.deepEqual(loaded.default.mock.calls[0].arguments, [{ module_or_path: 'module' }]);
  });

  test('takes the Wasm that the app gives, in every form', async () => {
    const source = mock.fn(() => 'module');
    const { mock: fetched } = answers(() => wasmAnswer());
    const forms = [
      URL_OF_WASM,
      new URL(URL_OF_WASM),
      WASM,
      new Uint8Array([1, ...WASM]).subarray(1),
      WASM.slice().buffer,
      await WebAssembly.compile(WASM),
    ];
    for (const form of forms) {
      const loaded = glue();
      await createEngine(source, async () => loaded).load(form);
      const [{ module_or_path: module }] = loaded.default.mock.calls[0].arguments;
      assert.ok(module instanceof WebAssembly.Module);
    }
    assert.equal(source.mock.callCount(), 0);
    assert.deepEqual(
      fetched.calls.map((call) => call.arguments[0]),
      [URL_OF_WASM, URL_OF_WASM],
    );
    const engine = createEngine(source, async () => glue());
    await checkUnavailable(
      engine.load(new Uint8Array([60, 33])),
      /the client's option `wasm` is an HTML page/,
    );
  });

  test('tries again after a failure', async () => {
    let isBroken = true;
    const source = () => (isBroken ? Promise.reject(new Error('offline')) : 'module');
    const engine = createEngine(source, async () => glue());
    await checkUnavailable(engine.load(), /lies beside the package's JavaScript .*\(offline\)/);
    isBroken = false;
    assert.ok((await engine.load()).SpaceCore);
  });

  for (const said of [
    "Refused to compile or instantiate WebAssembly module because neither 'wasm-eval' nor 'unsafe-eval' is allowed",
    'call to WebAssembly.compile() blocked by CSP',
  ]) {
    test(`names the policy's cure: ${said.slice(0, 30)}`, async () => {
      const engine = createEngine(
        () => Promise.reject(new WebAssembly.CompileError(said)),
        async () => glue(),
      );
      await checkUnavailable(engine.load(), /add 'wasm-unsafe-eval' to script-src/);
    });
  }

  // The last two as in Jest's jsdom.
  for (const name of ['WebAssembly', 'TextDecoder', 'TextEncoder']) {
    test(`names what is missing where there is no ${name}`, async (t) => {
      const { [name]: own } = globalThis;
      t.after(() => {
        globalThis[name] = own;
      });
      globalThis[name] = undefined;
      const engine = createEngine(
        () => 'module',
        async () => glue(),
      );
      const said = new RegExp(`this environment has no ${name}: use a current browser`);
      await checkUnavailable(engine.load(), said);
    });
  }

  test('knows of a panic that no call of ours saw', async () => {
    let panic;
    const engine = createEngine(
      () => 'module',
      async () => ({ ...glue(), lastPanic: () => panic }),
    );
    await engine.load();
    assert.equal(engine.fault(), undefined);
    panic = 'at src/drive.rs';
    assert.equal(engine.fault().code, 'internal');
    assert.equal(engine.fault(), engine.fault());
  });
});

describe('fetching', () => {
  test('takes the module, with the right content type or a wrong one', async () => {
    for (const type of ['application/wasm', 'application/octet-stream']) {
      answers(() => wasmAnswer(type));
      assert.ok((await fetchModule(URL_OF_WASM, nothing)) instanceof WebAssembly.Module);
      mock.restoreAll();
    }
  });

  test('an HTML page instead of the file is named, with the cure', async () => {
    answers(() => htmlAnswer());
    const cure =
      /kuratchi_spaces_bg\.wasm \(content type 'text\/html'\) is an HTML page.*serve .* as application\/wasm/;
    const engine = createEngine(
      () => fetchModule(URL_OF_WASM, nothing),
      async () => ({}),
    );
    await checkUnavailable(engine.load(), cure);
  });

  test('a missing file is named, with the cure', async () => {
    answers(() => htmlAnswer(404));
    await checkUnavailable(fetchModule(URL_OF_WASM, nothing), /was answered with status 404: serve/);
  });

  test('an HTML page is known by its type, or by how it starts', async () => {
    const html = /is an HTML page.*or import from kuratchi-spaces\/inline/;
    for (const [body, type] of [
      ['\n\n  <!doctype html>', ''],
      ['\uFEFF<!doctype html>', 'application/octet-stream'],
      ['Welcome', 'text/html; charset=utf-8'],
      ['  <p>', 'application/wasm'],
    ]) {
      answers(() => new Response(body, { headers: { 'content-type': type } }));
      await checkUnavailable(fetchModule(URL_OF_WASM, nothing), html);
      mock.restoreAll();
    }
    answers(() => new Response('', { headers: { 'content-type': 'application/wasm' } }));
    await checkUnavailable(fetchModule(URL_OF_WASM, nothing), /is empty, and not WebAssembly/);
    mock.restoreAll();
    answers(() => new Response('version https://git-lfs.example'));
    await checkUnavailable(fetchModule(URL_OF_WASM, nothing), /is something else, and not WebAssembly/);
  });

  test('what the network or a busy server did may pass', async () => {
    for (const status of [408, 429, 500, 503]) {
      answers(() => new Response('busy', { status }));
      await checkUnavailable(
        fetchModule(URL_OF_WASM, nothing),
        new RegExp(`status ${status}: try again`),
        true,
      );
      mock.restoreAll();
    }
    for (const status of [401, 404, 410]) {
      answers(() => new Response('no', { status }));
      await checkUnavailable(fetchModule(URL_OF_WASM, nothing), new RegExp(`status ${status}: serve`), false);
      mock.restoreAll();
    }
    answers(() => Promise.reject(new TypeError('Failed to fetch')));
    await checkUnavailable(
      fetchModule('file:///app/node_modules/kuratchi-spaces/kuratchi_spaces_bg.wasm', nothing),
      /the bundler left it where it was: .*kuratchi-spaces\/inline/,
    );
    await checkUnavailable(
      fetchModule(URL_OF_WASM, nothing),
      /could not be fetched.*\(Failed to fetch\)/,
      true,
    );
    mock.restoreAll();
    for (const type of ['application/wasm', 'text/plain']) {
      const cut = () =>
        new ReadableStream({
          start(controller) {
            controller.enqueue(WASM.subarray(0, 5));
            controller.error(new TypeError('network error'));
          },
        });
      answers(() => new Response(cut(), { headers: { 'content-type': type } }));
      await checkUnavailable(
        fetchModule(URL_OF_WASM, nothing),
        /was cut off on the way.*\(network error\)/,
        true,
      );
      mock.restoreAll();
    }
    const lost = createEngine(
      () => 'module',
      () => Promise.reject(new TypeError('Failed to fetch dynamically imported module')),
    );
    await checkUnavailable(lost.load(), /the network is up \(Failed to fetch dynamically/, true);
  });

  test('a_lost_file_is_made_up_for_in_development_and_it_is_said_what_a_build_will_need', async () => {
    const warn = mock.method(console, 'warn', () => {});
    const CLIENT_WASM = Buffer.from(WASM).toString('base64');
    const take = async (url) => {
      answers(() => htmlAnswer());
      assert.ok((await fetchModule(url, async () => ({ CLIENT_WASM }))) instanceof WebAssembly.Module);
      const said = warn.mock.calls.map((call) => call.arguments[0]);
      warn.mock.resetCalls();
      return said;
    };
    try {
      const [warning, ...others] = await take(URL_OF_WASM);
      assert.match(
        warning,
        /a build for production will fail: add .import 'kuratchi-spaces\/inline'.*is an HTML page/s,
      );
      assert.deepEqual(others, []);
      // What Vite builds has the file.
      for (const folder of ['.vite/deps', '_nuxt/node_modules/.cache/vite/client/deps']) {
        assert.deepEqual(await take(`https://app.example/${folder}/kuratchi_spaces_bg.wasm`), []);
      }
      // Nothing is built where a test runner takes the package as it is installed.
      const installed = 'file:///app/node_modules/kuratchi-spaces/kuratchi_spaces_bg.wasm';
      assert.deepEqual(await take(installed), []);
      assert.equal((await take('file:///app/dist/kuratchi_spaces_bg.wasm')).length, 1);
      const node = Object.getOwnPropertyDescriptor(globalThis, 'process');
      try {
        // In a browser it is what a bundler has left of the clone's address.
        Object.defineProperty(globalThis, 'process', { configurable: true, value: undefined });
        assert.equal((await take(installed)).length, 1);
      } finally {
        Object.defineProperty(globalThis, 'process', node);
      }
    } finally {
      warn.mock.restore();
    }
  });

  test('and the first error is told where nothing is', async () => {
    answers(() => htmlAnswer());
    await checkUnavailable(fetchModule(URL_OF_WASM, nothing), /is an HTML page/);
    await checkUnavailable(
      fetchModule(URL_OF_WASM, async () => ({})),
      /is an HTML page/,
    );
  });
});

describe('a file that does not come', { concurrency: false }, () => {
  const STALLED_MS = 20_000;
  const engineOf = (url) =>
    createEngine(
      () => fetchModule(url, nothing),
      async () => ({ default: async () => {} }),
    );
  /** Lets everything run that waits for no timer. */
  const settled = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  async function pass(t, ms) {
    await settled();
    t.mock.timers.tick(ms);
    await settled();
  }
  /** An answer whose body is written by the test, and ends with an error when the request is aborted. */
  function slowAnswer(type = 'application/wasm') {
    let controller;
    const body = new ReadableStream({
      start(given) {
        controller = given;
      },
    });
    mock.method(globalThis, 'fetch', async (_, { signal }) => {
      signal.addEventListener('abort', () => controller.error(signal.reason));
      return new Response(body, { headers: { 'content-type': type } });
    });
    return controller;
  }

  test('at all ends the call, and the next one asks again', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const { mock: asked } = mock.method(globalThis, 'fetch', () => new Promise(() => {}));
    const engine = engineOf(URL_OF_WASM);
    const first = checkUnavailable(engine.load(), /nothing came of .*\.wasm for 20 s: check that the/, true);
    await pass(t, STALLED_MS);
    await first;
    assert.ok(asked.calls[0].arguments[1].signal.aborted);
    mock.restoreAll();
    answers(() => wasmAnswer());
    assert.ok(await engine.load());
  });

  for (const type of ['application/wasm', 'text/plain']) {
    test(`to its end, as ${type}, ends the call`, async (t) => {
      t.mock.timers.enable({ apis: ['setTimeout'] });
      const body = slowAnswer(type);
      const loading = checkUnavailable(
        engineOf(URL_OF_WASM).load(),
        /nothing came of .*\.wasm for 20 s/,
        true,
      );
      await pass(t, STALLED_MS - 1);
      body.enqueue(WASM.subarray(0, 3));
      await pass(t, STALLED_MS);
      await loading;
    });

    test(`fast, as ${type}, is waited for`, async (t) => {
      t.mock.timers.enable({ apis: ['setTimeout'] });
      const body = slowAnswer(type);
      const loading = engineOf(URL_OF_WASM).load();
      for (const byte of WASM) {
        await pass(t, STALLED_MS - 1);
        body.enqueue(new Uint8Array([byte]));
      }
      await pass(t, STALLED_MS - 1);
      body.close();
      assert.ok(await loading);
    });
  }

  test('of an engine that has the whole file and never compiles it ends the call', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const { mock: compiled } = mock.method(WebAssembly, 'compileStreaming', () => new Promise(() => {}));
    const body = slowAnswer();
    const loading = checkUnavailable(engineOf(URL_OF_WASM).load(), /nothing came of .*\.wasm for 20 s/, true);
    await pass(t, STALLED_MS - 1);
    body.enqueue(WASM);
    await pass(t, STALLED_MS - 1);
    body.close();
    await pass(t, STALLED_MS - 1);
    await pass(t, 1);
    await loading;
    assert.equal(compiled.callCount(), 1);
  });

  test('to its end ends the call where an engine does not notice that', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    mock.method(WebAssembly, 'compileStreaming', () => new Promise(() => {}));
    slowAnswer();
    const loading = checkUnavailable(engineOf(URL_OF_WASM).load(), /nothing came of .*\.wasm for 20 s/, true);
    await pass(t, STALLED_MS);
    await loading;
  });

  const glueThat = (comes) =>
    createEngine(
      () => 'module',
      () => comes,
    );

  test('although the Wasm does: the glue', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const reason = /nothing came of the package's JavaScript for 120 s/;
    const loading = checkUnavailable(glueThat(new Promise(() => {})).load(), reason, true);
    await pass(t, 120_000);
    await loading;
  });

  test('the_package_s_javascript_that_is_slow_is_waited_for', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    let come;
    const loading = glueThat(new Promise((resolve) => (come = resolve))).load();
    loading.catch(() => {});
    await pass(t, 120_000 - 1);
    come({ default: async () => {} });
    assert.ok(await loading);
  });
});

test('in Node a file that is not there is named', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'kuratchi-'));
  try {
    const { readFile } = await import('node:fs/promises');
    const source = async () => compileBytes(await readFile(join(folder, 'kuratchi_spaces_bg.wasm')));
    const engine = createEngine(source, async () => ({}));
    await checkUnavailable(engine.load(), /kuratchi_spaces_bg\.wasm lies beside .*ENOENT/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
