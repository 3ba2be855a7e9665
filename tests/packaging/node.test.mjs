/**
 * The installed package in Node: with a WebSocket class handed in, with Node's own, and without any; and under the name
 * of the SDK that it stands in for.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { build } from 'esbuild';
import { Installed, runProgram } from './lib/installed.mjs';
import { record } from './lib/report.mjs';
import { expectedVisit } from './lib/visit.mjs';
import { startWorker } from './lib/worker.mjs';

const INSTALL_MS_MAX = 330_000;
const TEST_MS_MAX = 60_000;
const WEBSOCKET_FLAG = '--experimental-websocket';
const NO_WEBSOCKET = 'WebSocket not available in this environment';
const ROW = { project: 'node-esm', runtime: `Node ${process.versions.node}` };

describe('in Node', () => {
  const installed = new Installed();
  let worker;
  let app;

  before(
    async () => {
      await installed.pack();
      app = await installed.copyOf('projects/node-esm', { names: ['kuratchi-spaces', 'kuratchi-sdk'] });
      worker = await startWorker();
    },
    { timeout: INSTALL_MS_MAX },
  );
  after(async () => {
    await worker?.stop();
    installed.remove();
  });

  /** A program that ends only by being stopped fails here: `close()` keeps no process alive. */
  async function chatWith(program, flags = []) {
    const started = Date.now();
    const space = await worker.admit();
    const told = await runProgram(app.folder, program, { flags, env: { SPACE: JSON.stringify(space) } });
    return { told, space, started };
  }

  test('connects with the class that is handed in', { timeout: TEST_MS_MAX }, async () => {
    const { told, space, started } = await chatWith('with-ws.js');
    assert.deepEqual(told, expectedVisit(space));
    record({ ...ROW, versions: `ws ${app.version('ws')}`, mode: 'ESM', started });
  });

  test("connects with Node's own class, and says so where there is none", {
    timeout: TEST_MS_MAX,
  }, async () => {
    const { told, space } = await chatWith('plain.js');
    const isBuiltIn = typeof globalThis.WebSocket === 'function';
    assert.deepEqual(told, isBuiltIn ? expectedVisit(space) : { refusal: NO_WEBSOCKET });
    // Node 20 has the class, too, from 20.10 on, where it is asked for.
    if (!isBuiltIn && process.allowedNodeEnvironmentFlags.has(WEBSOCKET_FLAG)) {
      const asked = await chatWith('plain.js', [WEBSOCKET_FLAG]);
      assert.deepEqual(asked.told, expectedVisit(asked.space));
      record({ ...ROW, versions: '—', mode: `ESM, ${WEBSOCKET_FLAG}`, started: asked.started });
    }
  });

  test('works over HTTP without any class', { timeout: TEST_MS_MAX }, async () => {
    const { told } = await chatWith('http.js');
    assert.deepEqual(told, {
      refusal: NO_WEBSOCKET,
      text: 'By request',
      history: ['By request'],
      participants: ['ada'],
      metadata: { topic: 'Invoices' },
    });
  });

  test("runs in a server's bundle, without the file beside it", { timeout: TEST_MS_MAX }, async () => {
    const { warnings } = await build({
      absWorkingDir: app.folder,
      entryPoints: ['http.js'],
      bundle: true,
      platform: 'node',
      format: 'esm',
      outfile: join(app.folder, 'dist', 'bundle.mjs'),
      logLevel: 'silent',
    });
    assert.deepEqual(warnings, []);
    const { told } = await chatWith('dist/bundle.mjs');
    assert.deepEqual(told.history, ['By request']);
  });

  test('old imports resolve where it is installed under the old name', { timeout: TEST_MS_MAX }, async () => {
    const { told, space, started } = await chatWith('alias.js');
    assert.deepEqual(told, { ...expectedVisit(space), isSame: true });
    record({ ...ROW, versions: 'as kuratchi-sdk', mode: 'ESM', started });
  });
});
