/**
 * Pages bundled by webpack and by Rollup, without a plugin for the package.
 */
import assert from 'node:assert/strict';
import { copyFileSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { chatOn, nameOf } from '../lib/chat.mjs';
import { serveFiles } from '../lib/files-server.mjs';
import { runScript } from '../lib/installed.mjs';
import { serve } from '../lib/programs.mjs';
import { record } from '../lib/report.mjs';
import { usePackage } from '../lib/use-package.mjs';

const TEST_MS_MAX = 450_000;
const HOST = '127.0.0.1';
const WASM_FILE = 'kuratchi_spaces_bg.wasm';
/** How the Wasm starts as base64. */
const EMBEDDED = 'AGFzbQ';
const CHAT = readFileSync(new URL('../projects/plain-html/chat.js', import.meta.url), 'utf8');
const FILES = {
  'src/chat.js': CHAT,
  'src/chat-inline.js': CHAT.replace("'kuratchi-spaces'", "'kuratchi-spaces/inline'"),
};

describe('bundled', () => {
  const used = usePackage();
  const { installed } = used;

  async function chatWith(server, row, started) {
    try {
      const { bytes } = await chatOn(used.browser, used.worker, server.url);
      // What a dev server sends is not what visitors download.
      const shipped = row.mode.startsWith('dev') ? {} : { bytes };
      record({ ...row, runtime: nameOf(used.browser), started, ...shipped });
    } finally {
      await (server.stop ?? server.close)();
    }
  }

  test('webpack', { timeout: TEST_MS_MAX }, async () => {
    const { folder, version } = await installed.copyOf('projects/webpack', { files: FILES });
    const row = { project: 'webpack', versions: `webpack ${version('webpack')}` };
    let started = Date.now();
    const output = await runScript(folder, 'webpack', ['--mode', 'production']);
    // webpack finds every file above 244 KiB too big, before compression.
    assert.doesNotMatch(output, /ERROR|WARNING in (?!asset size limit|entrypoint size limit)/);
    const bundle = readdirSync(join(folder, 'dist')).sort();
    assert.equal(bundle.filter((file) => file.endsWith('.wasm')).length, 1, 'the Wasm is shipped once');
    const scripts = bundle.filter((file) => file.endsWith('.js'));
    for (const file of scripts) {
      const text = readFileSync(join(folder, 'dist', file), 'utf8');
      assert.ok(!text.includes('file://'), `${file} tells where it was built`);
      assert.ok(!text.includes(EMBEDDED), `${file} has a copy of the Wasm`);
    }
    await chatWith(await serveFiles(folder), { ...row, mode: 'build' }, started);
    started = Date.now();
    const dev = await serve(folder, (port) => [
      ...['webpack', 'serve', '--mode', 'development', '--host', HOST, '--port', port],
    ]);
    await chatWith(dev, { ...row, mode: 'dev' }, started);
  });

  test('Rollup, with the Wasm copied beside the bundle, and embedded', { timeout: TEST_MS_MAX }, async () => {
    const { folder, version } = await installed.copyOf('projects/rollup', { files: FILES });
    const row = { project: 'rollup', versions: `rollup ${version('rollup')}` };
    for (const [input, mode] of [
      ['src/chat.js', 'build, .wasm copied'],
      ['src/chat-inline.js', 'build, inline'],
    ]) {
      const started = Date.now();
      rmSync(join(folder, 'dist'), { recursive: true, force: true });
      const output = await runScript(folder, 'rollup', ['--config', '--input', input]);
      assert.doesNotMatch(output, /\(!\)/, 'Rollup warns of nothing');
      const embedding = readdirSync(join(folder, 'dist'))
        .filter((file) => file.endsWith('.js'))
        .filter((file) => readFileSync(join(folder, 'dist', file), 'utf8').includes(EMBEDDED));
      // Rollup by itself replaces no `process.env.NODE_ENV`: the copy for development lies there, and nobody fetches it.
      const expected = input === 'src/chat.js' ? /^client-wasm-[^.]+\.js$/ : /^app\.js$/;
      assert.ok(embedding.length === 1 && expected.test(embedding[0]), `${input}: ${embedding}`);
      if (input === 'src/chat.js') {
        const wasm = join(folder, 'node_modules', 'kuratchi-spaces', WASM_FILE);
        copyFileSync(wasm, join(folder, 'dist', WASM_FILE));
      }
      await chatWith(await serveFiles(folder), { ...row, mode }, started);
    }
  });
});
