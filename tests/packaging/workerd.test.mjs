/**
 * The installed package in a Cloudflare Worker, bundled as Cloudflare's own tools bundle it: with the condition
 * `workerd`, and each Wasm file as a module of its own.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { build } from 'esbuild';
import { Miniflare } from 'miniflare';
import { COMPATIBILITY_DATE } from '../../scripts/lib/backend.mjs';
import { Installed } from './lib/installed.mjs';
import { expectedVisit, VISIT } from './lib/visit.mjs';
import { startWorker } from './lib/worker.mjs';

const TEST_MS_MAX = 60_000;
const REQUEST_MS_MAX = 30_000;

const APP = `
  import { client, validateSpaceToken } from 'kuratchi-spaces';
  import { visit } from './visit.js';
  export default {
    async fetch(request) {
      const config = await request.json();
      const isGenuine = await validateSpaceToken(config.spaceToken, config.spaceId, 'not the key');
      return Response.json({ ...(await visit(client, config)), isGenuine });
    },
  };
`;

describe('in workerd', () => {
  const installed = new Installed();
  let worker;
  let app;

  before(async () => {
    await installed.pack();
    const folder = await installed.project('worker-app', { 'app.js': APP, 'visit.js': VISIT });
    worker = await startWorker();
    const outdir = join(folder, 'dist');
    const { metafile } = await build({
      absWorkingDir: folder,
      entryPoints: ['app.js'],
      bundle: true,
      format: 'esm',
      target: 'es2022',
      conditions: ['workerd', 'worker', 'browser'],
      loader: { '.wasm': 'copy' },
      outdir,
      metafile: true,
      logLevel: 'silent',
    });
    assert.ok(
      Object.keys(metafile.inputs).some((path) => path.endsWith('/index.workerd.js')),
      'the entry for Workers was taken',
    );
    const [wasm, ...more] = readdirSync(outdir).filter((file) => file.endsWith('.wasm'));
    assert.deepEqual(more, []);
    app = new Miniflare({
      host: '127.0.0.1',
      // Without this Miniflare asks the network where on earth it is.
      cf: false,
      compatibilityDate: COMPATIBILITY_DATE,
      modulesRoot: outdir,
      modules: [
        { type: 'ESModule', path: join(outdir, 'app.js') },
        { type: 'CompiledWasm', path: join(outdir, wasm), contents: readFileSync(join(outdir, wasm)) },
      ],
    });
    await app.ready;
  });
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
  });
});
