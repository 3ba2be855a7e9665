/** The set-up's own parts: counts, versions, the lock and the cache. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { compareWasmBindgen, lockedVersion } from '../../scripts/check-versions.mjs';
import { freePort, keptGatewayKey } from '../../scripts/lib/backend.mjs';
import { OFF_IN_PLAYWRIGHT } from '../../scripts/lib/browsers.mjs';
import { fillCache, withLock } from '../../scripts/lib/cache.mjs';
import { counter, verdict } from '../../scripts/lib/counts.mjs';
import { shareWithAll } from '../../scripts/lib/package-parts.mjs';
import { parseWasmBindgenPin, ROOT } from '../../scripts/lib/paths.mjs';
import { run, seconds } from '../../scripts/lib/process.mjs';
import { claimData } from '../../scripts/lib/serving.mjs';
import { isOlder } from '../../scripts/lib/system.mjs';
import { table } from '../../scripts/lib/table.mjs';

const folder = mkdtempSync(join(tmpdir(), 'kuratchi-scripts-'));
after(() => rmSync(folder, { recursive: true, force: true }));

test('local data is made and kept for its owner alone, and so is the folder around it', () => {
  const around = join(folder, 'data');
  const mode = (...names) => statSync(join(around, ...names)).mode & 0o777;
  mkdirSync(around, { mode: 0o755 });
  claimData(join(around, 'example-svelte'), 'The example', around);
  assert.deepEqual([mode(), mode('example-svelte')], [0o700, 0o700]);
});

test('our flag for Chromium switches off what Playwright’s does, whose place it takes', () => {
  const bundle = readFileSync(join(ROOT, 'node_modules/playwright-core/lib/coreBundle.js'), 'utf8');
  const [, list] = /disabledFeatures = \[([^\]]*)\]/.exec(bundle) ?? [];
  assert.ok(list, 'Playwright keeps its list somewhere else by now');
  const names = [...list.matchAll(/^\s*"(\w+)",?$/gm)].map(([, name]) => name);
  assert.ok(names.length > 10, list);
  assert.deepEqual([...OFF_IN_PLAYWRIGHT].sort(), names.sort());
});

test('counts are summed over the test programs of a cargo run', () => {
  const { line, counts } = counter();
  line('running 3 tests');
  line('test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s');
  line('test result: FAILED. 4 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.01s');
  assert.deepEqual(counts, { passed: 7, failed: 1, skipped: 2 });
});

test('counts come from the closing lines of the Node test runner', () => {
  const { line, counts } = counter();
  for (const text of ['ℹ tests 9', 'ℹ pass 4', 'ℹ fail 1', 'ℹ cancelled 2', 'ℹ skipped 1', 'ℹ todo 1'])
    line(text);
  assert.deepEqual(counts, { passed: 4, failed: 3, skipped: 2 });
});

test('counts come from the closing line of the check', () => {
  const { line, counts } = counter();
  line('check: 8 passed, 1 failed');
  assert.deepEqual(counts, { passed: 8, failed: 1, skipped: 0 });
});

test('what the runners say of failed tests is kept, up to a length', () => {
  const { line, failures } = counter();
  const ofCargo = ['failures:', '', '---- a_case stdout ----', "thread 'a_case' panicked at src/lib.rs:1:1"];
  const ofNode = ['✖ failing tests:', '', 'test at tests/unit/a.test.mjs:1:1', '✖ a case (1.5ms)'];
  for (const text of ['running 1 test', ...ofCargo, 'test result: FAILED. 0 passed; 1 failed; 0 ignored'])
    line(text);
  for (const text of ['✖ a case (1.5ms)', 'ℹ fail 1', ...ofNode]) line(text);
  assert.deepEqual(failures, [...ofCargo, ...ofNode]);
  for (let i = 0; i < 1_000; i += 1) line('    at a line of a long stack');
  assert.equal(failures.length, 80);
});

test('a suite that runs nothing, leaves a test out, crashes or hangs has failed', () => {
  const none = { passed: 0, failed: 0, skipped: 0 };
  assert.deepEqual(verdict(none, 0), { passed: 0, failed: 1, why: 'ran no test' });
  assert.deepEqual(verdict({ ...none, passed: 2, skipped: 1 }, 0), {
    passed: 2,
    failed: 1,
    why: '1 left out',
  });
  assert.equal(verdict({ ...none, passed: 2 }, 101).failed, 1);
  assert.equal(verdict({ ...none, passed: 2 }, 124).why, 'took too long');
  assert.deepEqual(verdict({ ...none, passed: 2 }, 0), { passed: 2, failed: 0 });
});

test('the wasm-bindgen pin is read from Cargo.toml, and a loose one is refused', () => {
  assert.equal(parseWasmBindgenPin('[dependencies]\nwasm-bindgen = "=0.2.130"\n'), '0.2.130');
  assert.equal(parseWasmBindgenPin('wasm-bindgen = { version = "=1.2.3", features = [] }'), '1.2.3');
  assert.throws(
    () => parseWasmBindgenPin('wasm-bindgen = "0.2"\nwasm-bindgen-test = "=0.3.1"'),
    /does not pin/,
  );
});

test('the version check fails when crate and CLI differ', () => {
  const lock = '[[package]]\nname = "wasm-bindgen"\nversion = "0.2.131"\n';
  const locked = lockedVersion(lock, 'wasm-bindgen');
  assert.equal(locked, '0.2.131');
  const found = compareWasmBindgen({ pinned: '0.2.130', locked, cli: 'wasm-bindgen 0.2.130' });
  assert.match(found[0], /Cargo\.lock has wasm-bindgen 0\.2\.131, Cargo\.toml pins 0\.2\.130/);
  assert.match(found[1], /the wasm-bindgen CLI is 0\.2\.130, Cargo\.lock has 0\.2\.131/);
  const same = { pinned: '0.2.130', locked: '0.2.130' };
  assert.deepEqual(compareWasmBindgen({ ...same, cli: 'wasm-bindgen 0.2.130' }), []);
  assert.match(compareWasmBindgen({ ...same, cli: undefined })[0], /CLI is missing/);
});

test('versions are compared as numbers', () => {
  assert.equal(isOlder('1.9', '1.91'), true);
  assert.equal(isOlder('1.100', '1.91'), false);
  assert.equal(isOlder('2.0', '1.91'), false);
  assert.equal(isOlder('1.91', '1.91'), false);
});

test('a lock is held by one at a time, and one whose owner died is taken over', async () => {
  const file = join(folder, 'a.lock');
  const dead = spawnSync(process.execPath, ['-e', '']).pid;
  writeFileSync(file, JSON.stringify({ pid: dead, started: '1' }));
  const order = [];
  await withLock(file, async () => {
    order.push('in');
    assert.equal(existsSync(file), true);
  });
  assert.deepEqual(order, ['in']);
  assert.equal(existsSync(file), false);
  await assert.rejects(
    withLock(file, async () => {
      throw new Error('inside');
    }),
    /inside/,
  );
  assert.equal(existsSync(file), false);
});

test('the cache holds whole folders or none', async () => {
  const before = process.env.KURATCHI_CACHE_DIR;
  process.env.KURATCHI_CACHE_DIR = join(folder, 'cache');
  const complete = (path) => existsSync(join(path, 'tool'));
  try {
    await assert.rejects(
      fillCache('tool-1', complete, async (path) => {
        writeFileSync(join(path, 'half'), '');
        throw new Error('interrupted');
      }),
      /interrupted/,
    );
    assert.deepEqual(readdirSync(join(folder, 'cache')), []);
    // What somebody left half-done by hand is replaced.
    mkdirSync(join(folder, 'cache', 'tool-1'));
    let fills = 0;
    const fill = async (path) => {
      fills += 1;
      writeFileSync(join(path, 'tool'), '');
    };
    await fillCache('tool-1', complete, fill);
    await fillCache('tool-1', complete, fill);
    assert.equal(fills, 1);
    assert.deepEqual(readdirSync(join(folder, 'cache', 'tool-1')), ['tool']);
  } finally {
    if (before === undefined) delete process.env.KURATCHI_CACHE_DIR;
    else process.env.KURATCHI_CACHE_DIR = before;
  }
});

test('the gateway key is kept, and only its owner may read it', () => {
  const home = join(folder, 'local');
  const key = keptGatewayKey(home);
  assert.ok(key.length >= 43);
  const file = join(home, 'gateway-key');
  // One that was copied, or came out of a backup, as well.
  chmodSync(file, 0o644);
  assert.equal(keptGatewayKey(home), key);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  writeFileSync(join(home, 'gateway-key'), 'cut');
  assert.notEqual(keptGatewayKey(home), key);
});

test('a taken port leads to the next one', async () => {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  assert.ok((await freePort(port)) > port);
  await new Promise((resolve) => server.close(resolve));
});

test('a command that fails tells its last lines, and one that hangs is stopped', async () => {
  const node = (code, options) => run(process.execPath, ['-e', code], { show: 'silent', ...options });
  await assert.rejects(node('console.error("the reason"); process.exit(3)'), {
    code: 3,
    output: 'the reason',
  });
  await assert.rejects(node('setTimeout(() => {}, 60000)', { timeoutMs: 200 }), { code: 124 });
  await assert.rejects(run('no-such-program', [], { show: 'silent' }), /could not run no-such-program/);
  const { stdout, code } = await node('process.stdout.write("é"); process.exit(2)', { allowFailure: true });
  assert.deepEqual([stdout, code], ['é', 2]);
});

test('times and tables are for people', () => {
  assert.deepEqual([seconds(1234), seconds(42_000), seconds(75_000)], ['1.2 s', '42 s', '1 min 15 s']);
  assert.equal(
    table([
      ['name', 'n'],
      ['a', '10'],
    ]),
    'name   n\n----  --\na     10',
  );
});

test('a package is for everybody to read, whatever umask it was made under', {
  skip: process.platform === 'win32',
}, () => {
  const made = join(folder, 'package');
  const umask = process.umask(0o077);
  try {
    mkdirSync(join(made, 'bin'), { recursive: true });
    writeFileSync(join(made, 'index.js'), '', { mode: 0o775 });
    writeFileSync(join(made, 'bin', 'kuratchi-spaces.js'), '');
  } finally {
    process.umask(umask);
  }
  shareWithAll(made);
  const modes = ['.', 'bin', 'index.js', 'bin/kuratchi-spaces.js'].map((path) =>
    (statSync(join(made, path)).mode & 0o777).toString(8),
  );
  assert.deepEqual(modes, ['755', '755', '644', '755']);
});
