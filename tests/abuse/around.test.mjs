/**
 * What stands around the Worker: the local runtime's keeper, settings, files with keys, the example pages' servers.
 */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Agents } from '../../examples-web/svelte/server/agents.mjs';
import { PerAddress } from '../../examples-web/svelte/server/per-address.mjs';
import { serve } from '../../examples-web/vanilla/server.mjs';
import { setInFile } from '../../pkg-template/cli/environment-files.js';
import { DATA_FOLDER, keptGatewayKey } from '../../pkg-template/cli/local-data.js';
import { keepBackend, startBackend } from '../../scripts/lib/backend.mjs';
import { PKG_DEV, WORKER_TEST } from '../../scripts/lib/paths.mjs';
import { until } from '../e2e/lib/waiting.mjs';
import { killWorkerd, workerdProcesses } from '../e2e/lib/workerd.mjs';
import { report } from './lib/report.mjs';

const add = report('Around the Worker');
const GUESSES = 1_000;
const TEST_MS_MAX = 60_000;

function statusUnder(host, url) {
  return new Promise((resolve, reject) => {
    const asked = request(url, { headers: { host } }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    asked.once('error', reject);
    asked.end();
  });
}

test('a page that has its own name lead to this machine gets no token', async () => {
  const page = await serve({ workerUrl: 'http://127.0.0.1:1', gatewayKey: 'key', packageDir: PKG_DEV });
  try {
    const url = `${page.url}/api/chat/init?name=Admin`;
    assert.equal(await statusUnder('evil.example', url), 403);
    assert.equal(await statusUnder(`localhost:${new URL(page.url).port}`, url), 200);
    add('`Host: evil.example` on /api/chat/init?name=Admin', 'a token', '403');
  } finally {
    await page.close();
  }
});

test('passwords of the support desk cannot be guessed at will', () => {
  const agents = new Agents({ gatewayKey: 'key', password: 'right' });
  const statusOf = (password, address) => {
    try {
      agents.signIn('Rosa', password, address);
      return 200;
    } catch (error) {
      return error.status;
    }
  };
  for (const password of [undefined, null, 5, {}, ['right'], { toString: 'right' }]) {
    assert.equal(statusOf(password, '10.0.0.1'), 400);
  }
  const statuses = Array.from({ length: GUESSES }, (_, i) => statusOf(`guess ${i}`, '10.0.0.2'));
  const looked = statuses.filter((status) => status === 403).length;
  assert.equal(looked, 10);
  assert.equal(statusOf('right', '10.0.0.2'), 429, 'nor does a right one pass then');
  for (let i = 0; i < GUESSES; i += 1) statusOf('wrong', `10.1.${i >> 8}.${i & 255}`);
  const ofNetwork = Array.from({ length: 20 }, (_, i) =>
    statusOf('wrong', `2001:db8:1:2::${i.toString(16)}`),
  );
  assert.equal(ofNetwork.filter((status) => status === 403).length, 10, 'an IPv6 network is one subscriber');
  assert.equal(statusOf('right', '10.0.0.3'), 200, 'another address is not kept out');
  add(
    `${GUESSES} guesses of the agents' password from one address`,
    'all looked at',
    `${looked} in ten minutes`,
  );
});

test('a runtime that dies is started again', { timeout: TEST_MS_MAX }, async () => {
  const known = workerdProcesses();
  const said = [];
  const folder = mkdtempSync(join(tmpdir(), 'kuratchi-kept-'));
  const options = { workerDir: WORKER_TEST, persistDir: folder, gatewayKey: 'k'.repeat(43) };
  const backend = await keepBackend(options, (text) => said.push(text));
  try {
    const killedAt = performance.now();
    killWorkerd(workerdProcesses().filter((pid) => !known.includes(pid)));
    await until(() => said.length === 2, 'it is back');
    const backMs = performance.now() - killedAt;
    assert.match(said[0], /died; it is started again on the same data/);
    assert.equal((await fetch(`${backend.url}/health`)).status, 200);
    assert.match(said[0], /ended by SIGKILL/);
    const status = await statusUnder('evil.example', `${backend.url}/health`);
    assert.equal(status, 403);
    add('`Host: evil.example` at the Worker of `dev`', 'answered', String(status));
    add('the runtime is killed', 'it stays dead', `back after ${backMs.toFixed(0)} ms, told in one line`);
  } finally {
    await backend.stop();
    rmSync(folder, { recursive: true, force: true });
  }
});

test('an entry of ALLOWED_ORIGINS that cannot be read shuts nobody out', {
  timeout: TEST_MS_MAX,
}, async () => {
  const vars = { ALLOWED_ORIGINS: 'ftp://x, https://app.example, capacitor://localhost, null' };
  const backend = await startBackend({ workerDir: WORKER_TEST, vars });
  try {
    const allowed = async (origin) => {
      const { headers } = await fetch(`${backend.url}/health`, { headers: { origin } });
      return headers.get('access-control-allow-origin') === origin;
    };
    for (const origin of ['https://app.example', 'capacitor://localhost', 'null']) {
      assert.ok(await allowed(origin), origin);
    }
    assert.equal(await allowed('https://evil.example'), false);
    add('`ftp://x` in ALLOWED_ORIGINS', 'every page is turned away', 'the others of the list are let in');
  } finally {
    await backend.stop();
  }
});

test('a file that gets a key is its owner’s alone', () => {
  const folder = mkdtempSync(join(tmpdir(), 'kuratchi-key-'));
  try {
    const file = join(folder, '.env.local');
    writeFileSync(file, 'A=1\n', { mode: 0o644 });
    setInFile(file, { KURATCHI_GATEWAY_KEY: 'secret' });
    const mode = (statSync(file).mode & 0o777).toString(8);
    if (process.platform !== 'win32') assert.equal(mode, '600');
    add('`--write-env` into a file that all may read', 'all may read the key', mode);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('the folder with the key and the messages is its owner’s alone', () => {
  const project = mkdtempSync(join(tmpdir(), 'kuratchi-data-'));
  try {
    const folder = join(project, DATA_FOLDER);
    mkdirSync(folder, { mode: 0o755 });
    keptGatewayKey(folder);
    const mode = (statSync(folder).mode & 0o777).toString(8);
    if (process.platform !== 'win32') assert.equal(mode, '700');
    add('`.kuratchi/` that all may enter', 'all may read the messages', mode);
  } finally {
    rmSync(project, { recursive: true });
  }
});

test('visits without a cookie are limited', () => {
  const limit = { max: 30, ms: 600_000 };
  const visits = new PerAddress(limit);
  let taken = 0;
  for (let n = 0; n < GUESSES; n += 1) {
    if (visits.isOver('10.0.0.1')) continue;
    visits.count('10.0.0.1');
    taken += 1;
  }
  assert.equal(taken, limit.max);
  assert.equal(visits.isOver('10.0.0.2'), false, 'another address is not kept out');
  add(`${GUESSES} visits without a cookie from one address`, 'answered with 500', `${taken} taken, then 503`);
});
