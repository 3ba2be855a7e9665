/**
 * Pages without a framework: modules as they are, the one file with everything in it, and a bundle of esbuild's.
 */
import assert from 'node:assert/strict';
import { copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { chatOn, nameOf } from './lib/chat.mjs';
import { serveFiles } from './lib/files-server.mjs';
import { runScript } from './lib/installed.mjs';
import { record } from './lib/report.mjs';
import { usePackage } from './lib/use-package.mjs';

const TEST_MS_MAX = 120_000;
const WASM_FILE = 'kuratchi_spaces_bg.wasm';
const CHAT = readFileSync(new URL('./projects/plain-html/chat.js', import.meta.url), 'utf8');

describe('a page without a framework', () => {
  const used = usePackage();
  const { installed } = used;

  async function chatWith(folder, page, row) {
    const started = Date.now();
    const server = await serveFiles(folder);
    try {
      const { bytes } = await chatOn(used.browser, used.worker, server.url + page);
      record({ ...row, runtime: nameOf(used.browser), started, bytes });
    } finally {
      await server.close();
    }
  }

  test('plain modules with an import map, and the one file', { timeout: TEST_MS_MAX }, async () => {
    const { folder } = await installed.copyOf('projects/plain-html');
    const row = { project: 'plain-html', versions: '—' };
    await chatWith(folder, '/', { ...row, mode: 'modules, import map' });
    await chatWith(folder, '/standalone.html', { ...row, mode: 'standalone.js' });
  });

  test('esbuild, with the Wasm copied beside the bundle, and embedded', {
    timeout: TEST_MS_MAX,
  }, async () => {
    const files = {
      'src/chat.js': CHAT,
      'src/chat-inline.js': CHAT.replace("'kuratchi-spaces'", "'kuratchi-spaces/inline'"),
    };
    const { folder, version } = await installed.copyOf('projects/esbuild', { files });
    const bundle = async (entry) => {
      const flags = ['--bundle', '--minify', '--format=esm', '--outfile=dist/app.js', '--log-level=warning'];
      const output = await runScript(folder, 'esbuild', [entry, ...flags]);
      assert.equal(output, '', 'esbuild warns of nothing');
    };
    const row = { project: 'esbuild', versions: `esbuild ${version('esbuild')}` };
    await bundle('src/chat.js');
    copyFileSync(join(folder, 'node_modules', 'kuratchi-spaces', WASM_FILE), join(folder, 'dist', WASM_FILE));
    await chatWith(folder, '/', { ...row, mode: 'build, .wasm copied' });
    await bundle('src/chat-inline.js');
    await chatWith(folder, '/', { ...row, mode: 'build, inline' });
  });
});
