/**
 * The installed package in Chromium: bundled by esbuild, and as plain modules.
 */
import assert from 'node:assert/strict';
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { build } from 'esbuild';
import { chromium } from 'playwright-core';
import { CHROMIUM_FLAGS, chromium as chromiumPath } from '../../scripts/lib/browsers.mjs';
import { serveFiles } from './lib/files-server.mjs';
import { Installed } from './lib/installed.mjs';
import { expectedVisit, VISIT } from './lib/visit.mjs';
import { startWorker } from './lib/worker.mjs';

const TEST_MS_MAX = 60_000;
const WASM_FILE = 'kuratchi_spaces_bg.wasm';

const APP = `
  import { client } from 'kuratchi-spaces';
  import { visit } from './visit.js';
  globalThis.enter = (config) => visit(client, config);
`;

const page = (script, head = '') =>
  `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>app</title>` +
  `<link rel="icon" href="data:,">${head}<script type="module" src="${script}"></script></head></html>`;

const IMPORTS = { imports: { 'kuratchi-spaces': '/node_modules/kuratchi-spaces/index.js' } };
const PAGES = {
  '/bundled': page('/dist/app.js'),
  '/plain': page('/app.js', `<script type="importmap">${JSON.stringify(IMPORTS)}</script>`),
};

describe('in Chromium', () => {
  const installed = new Installed();
  let folder;
  let worker;
  let server;
  let browser;

  before(async () => {
    await installed.pack();
    folder = await installed.project('web-app', { 'app.js': APP, 'visit.js': VISIT });
    worker = await startWorker();
    server = await serveFiles(folder, PAGES);
    browser = await chromium.launch({
      executablePath: process.env.CHROMIUM_BIN ?? chromiumPath(),
      args: [...CHROMIUM_FLAGS],
    });
  });
  after(async () => {
    await browser?.close();
    await server?.close();
    await worker?.stop();
    installed.remove();
  });

  /** Opens the page, visits a space and fails if anything went wrong that nobody awaited. */
  async function visitOn(path) {
    const space = await worker.admit();
    const tab = await browser.newPage();
    const problems = [];
    tab.on('pageerror', (error) => problems.push(error.message));
    tab.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) problems.push(message.text());
    });
    try {
      await tab.goto(server.url + path);
      const told = await tab.evaluate((config) => globalThis.enter(config), space);
      assert.deepEqual(told, expectedVisit(space));
      assert.deepEqual(problems, []);
    } finally {
      await tab.close();
    }
  }

  test('bundled by esbuild, with the Wasm copied beside the bundle', { timeout: TEST_MS_MAX }, async () => {
    const outdir = join(folder, 'dist');
    const { metafile, warnings } = await build({
      absWorkingDir: folder,
      entryPoints: ['app.js'],
      bundle: true,
      minify: true,
      platform: 'browser',
      format: 'esm',
      target: 'es2022',
      outdir,
      metafile: true,
      logLevel: 'silent',
    });
    assert.deepEqual(warnings, []);
    const inputs = Object.keys(metafile.inputs).join('\n');
    assert.match(inputs, /kuratchi-spaces\/index\.js$/m, 'the entry for browsers was taken');
    assert.doesNotMatch(inputs, /\.(?:node|workerd)\.js$/m, 'and no other');
    copyFileSync(join(folder, 'node_modules', 'kuratchi-spaces', WASM_FILE), join(outdir, WASM_FILE));
    await visitOn('/bundled');
  });

  test('as plain modules, without a bundler', { timeout: TEST_MS_MAX }, async () => {
    await visitOn('/plain');
  });
});
