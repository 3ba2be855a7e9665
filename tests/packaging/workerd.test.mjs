/**
 * The installed package in a Cloudflare Worker: bundled by wrangler, as it is for an upload, and run by workerd.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Miniflare } from 'miniflare';
import { COMPATIBILITY_DATE } from '../../scripts/lib/backend.mjs';
import { bin } from '../../scripts/lib/modules.mjs';
import { ROOT } from '../../scripts/lib/paths.mjs';
import { cleanEnvironment, Installed, runQuietly } from './lib/installed.mjs';
import { record } from './lib/report.mjs';
import { expectedVisit, VISIT } from './lib/visit.mjs';
import { startWorker } from './lib/worker.mjs';

const INSTALL_MS_MAX = 330_000;
const TEST_MS_MAX = 60_000;
const REQUEST_MS_MAX = 30_000;
const versionOf = (name) =>
  JSON.parse(readFileSync(join(ROOT, 'node_modules', name, 'package.json'), 'utf8')).version;

describe('in workerd', () => {
  const installed = new Installed();
  let started;
  let worker;
  let app;

  before(
    async () => {
      await installed.pack();
      const { folder } = await installed.copyOf('projects/worker', { files: { 'src/visit.js': VISIT } });
      worker = await startWorker();
      started = Date.now();
      const bundle = await bundleByWrangler(folder);
      app = new Miniflare({
        host: '127.0.0.1',
        // Without this Miniflare asks the network where on earth it is.
        cf: false,
        compatibilityDate: COMPATIBILITY_DATE,
        modulesRoot: bundle,
        modules: modulesIn(bundle),
      });
      await app.ready;
    },
    { timeout: INSTALL_MS_MAX },
  );
  after(async () => {
    await app?.dispose();
    await worker?.stop();
    installed.remove();
  });

  test('a Worker connects to a space, twice', { timeout: TEST_MS_MAX }, async () => {
    // Twice: what one request has left in the isolate must not be in the way of the next.
    for (let visit = 0; visit < 2; visit += 1) {
      const space = await worker.admit();
      const response = await app.dispatchFetch('http://app.invalid/', {
        method: 'POST',
        body: JSON.stringify(space),
        signal: AbortSignal.timeout(REQUEST_MS_MAX),
      });
      const text = await response.text();
      assert.equal(response.status, 200, text);
      assert.deepEqual(JSON.parse(text), { ...expectedVisit(space), isGenuine: false });
    }
    record({
      project: 'worker',
      versions: `wrangler ${versionOf('wrangler')}`,
      mode: 'build',
      runtime: `workerd ${versionOf('workerd')}`,
      started,
    });
  });
});

/** The folder with what wrangler would upload. */
async function bundleByWrangler(folder) {
  const { code, output } = await runQuietly(bin('wrangler'), ['deploy', '--dry-run', '--outdir', 'dist'], {
    cwd: folder,
    env: { ...cleanEnvironment(), CI: '1', NO_COLOR: '1', WRANGLER_SEND_METRICS: 'false' },
    allowFailure: true,
  });
  assert.equal(code, 0, output);
  assert.doesNotMatch(output, /WARNING|ERROR/);
  return join(folder, 'dist');
}

function modulesIn(bundle) {
  const files = readdirSync(bundle);
  const wasm = files.filter((file) => file.endsWith('.wasm'));
  assert.equal(wasm.length, 1, 'the Wasm is uploaded once');
  return [
    { type: 'ESModule', path: join(bundle, 'index.js') },
    ...wasm.map((file) => ({
      type: 'CompiledWasm',
      path: join(bundle, file),
      contents: readFileSync(join(bundle, file)),
    })),
  ];
}
