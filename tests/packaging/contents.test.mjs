/**
 * What is in the package, what can be imported from it, and what the tools for packages say of it.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { publint } from 'publint';
import { bin } from '../../scripts/lib/modules.mjs';
import { Installed, runProgram, runQuietly } from './lib/installed.mjs';

const TEST_MS_MAX = 60_000;

const FILES = [
  'LICENSE',
  'README.md',
  'answer.js',
  'bin/kuratchi-spaces.js',
  'bin/runtimes/node-20/lock.json',
  'bin/runtimes/node-20/manifest.json',
  'bin/runtimes/node-22/lock.json',
  'bin/runtimes/node-22/manifest.json',
  'client-wasm.js',
  'client.js',
  'core-host.js',
  'engine.js',
  'environment.d.ts',
  'environment.js',
  'errors.d.ts',
  'errors.js',
  'events.js',
  'everywhere.js',
  'following.js',
  'holding.js',
  'index.d.ts',
  'index.js',
  'index.node.js',
  'index.workerd.js',
  'inline.d.ts',
  'inline.js',
  'keeper.js',
  'kuratchi_spaces.js',
  'kuratchi_spaces_bg.wasm',
  'listening.d.ts',
  'loader.js',
  'message-list.js',
  'message-update.js',
  'messages.d.ts',
  'older.js',
  'options.js',
  'outbox-database.js',
  'outbox-lane.js',
  'outbox-memory.js',
  'outbox.js',
  'own-client.js',
  'package.json',
  'participants.d.ts',
  'pending-spaces.js',
  'react/hooks.js',
  'react/index.d.ts',
  'react/index.js',
  'react/index.node.js',
  'react/index.workerd.js',
  'react/own-client.js',
  'refill.js',
  'server/cloudflare-api.js',
  'server/deploy.d.ts',
  'server/deploy.js',
  'server/deployment.js',
  'server/elsewhere.js',
  'server/fetch-text.js',
  'server/gateway-key.js',
  'server/index.d.ts',
  'server/index.elsewhere.js',
  'server/index.js',
  'server/misconfigured.js',
  'server/worker-metadata.js',
  'server/worker-modules.js',
  'space.js',
  'spaces.d.ts',
  'spaces.inline.js',
  'spaces.js',
  'spaces.node.js',
  'spaces.workerd.js',
  'standalone.d.ts',
  'standalone.js',
  'store.js',
  'svelte/given-once.js',
  'svelte/hooks.js',
  'svelte/index.d.ts',
  'svelte/index.js',
  'svelte/index.node.js',
  'svelte/index.workerd.js',
  'tab-memory.js',
  'tokens.d.ts',
  'tokens.js',
  'transport-costs.js',
  'waiting.js',
  'wasm.fetched.js',
  'wasm.read.js',
  'wasm.uploaded.js',
  'worker/index.js',
  'worker/index_bg.wasm',
];

/** What an app may import, and the file that Node finds there. */
const EXPORTS = {
  '.': 'index.node.js',
  './spaces': 'spaces.node.js',
  './inline': 'inline.js',
  './standalone': 'standalone.js',
  './server': 'server/index.js',
  './react': 'react/index.node.js',
  './svelte': 'svelte/index.node.js',
  './client.wasm': 'kuratchi_spaces_bg.wasm',
  './package.json': 'package.json',
};

const RESOLVE = `
  const [packageRoot] = import.meta.resolve('kuratchi-spaces/package.json').split('package.json');
  const resolved = {};
  for (const path of JSON.parse(process.env.PATHS)) {
    try {
      const url = import.meta.resolve('kuratchi-spaces' + path.slice(1));
      resolved[path] = url.startsWith(packageRoot) ? url.slice(packageRoot.length) : url;
    } catch (error) {
      resolved[path] = error.code;
    }
  }
  console.log(JSON.stringify(resolved));
`;

describe('the package', () => {
  const installed = new Installed();
  let folder;

  before(async () => {
    await installed.pack();
    folder = await installed.project('contents', { 'resolve.js': RESOLVE });
  });
  after(() => installed.remove());

  test('holds what it should hold and nothing else', () => {
    assert.deepEqual(installed.files, FILES);
  });

  const resolve = (paths, flags = []) =>
    runProgram(folder, 'resolve.js', { flags, env: { PATHS: JSON.stringify(paths) } });

  test('exports resolve, in Node and for Workers', { timeout: TEST_MS_MAX }, async () => {
    assert.deepEqual(await resolve(Object.keys(EXPORTS)), EXPORTS);
    assert.deepEqual(await resolve(Object.keys(EXPORTS), ['--conditions=workerd']), {
      ...EXPORTS,
      '.': 'index.workerd.js',
      './spaces': 'spaces.workerd.js',
      './inline': 'index.workerd.js',
      './server': 'server/index.elsewhere.js',
      './react': 'react/index.workerd.js',
      './svelte': 'svelte/index.workerd.js',
    });
  });

  test('nothing else can be imported', { timeout: TEST_MS_MAX }, async () => {
    const paths = FILES.map((file) => `./${file}`).filter((path) => !(path in EXPORTS));
    const resolved = await resolve([...paths, './client', './index', './spaces/client']);
    const reachable = Object.keys(resolved).filter(
      (path) => resolved[path] !== 'ERR_PACKAGE_PATH_NOT_EXPORTED',
    );
    assert.deepEqual(reachable, []);
  });

  test('publint has nothing to say', { timeout: TEST_MS_MAX }, async () => {
    const { messages } = await publint({ pack: { tarball: readFileSync(installed.tarball) }, strict: true });
    assert.deepEqual(messages, []);
  });

  test('the types are found wherever the code is', { timeout: TEST_MS_MAX }, async () => {
    // Modules only, as Node and every bundler of today take them; the Wasm is no module, and has no types.
    const flags = ['--profile', 'esm-only', '--exclude-entrypoints', './client.wasm', '--format', 'json'];
    const { code, stdout } = await runQuietly(bin('attw'), [installed.tarball, ...flags], {
      allowFailure: true,
    });
    const { analysis, problems } = JSON.parse(stdout);
    assert.equal(code, 0, JSON.stringify(problems));
    const entries = Object.keys(EXPORTS).filter((path) => path !== './client.wasm');
    assert.deepEqual(Object.keys(analysis.entrypoints).sort(), entries.sort());
  });

  test('packing it in another folder and under another umask gives the same bytes', {
    timeout: TEST_MS_MAX,
  }, async () => {
    const again = new Installed();
    const umask = process.umask(0o077);
    try {
      await again.pack();
      assert.notEqual(again.tarball, installed.tarball);
      assert.ok(readFileSync(again.tarball).equals(readFileSync(installed.tarball)));
    } finally {
      process.umask(umask);
      again.remove();
    }
  });
});
