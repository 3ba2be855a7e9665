/** Parts of the command line that have rules of their own. */
import assert from 'node:assert/strict';
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { checkClock, checkHealth, checkNode, checkSameKey } from '../../pkg-template/cli/checks.js';
import { loadEnvironmentFiles, setInFile, whyNotIn } from '../../pkg-template/cli/environment-files.js';
import { fileFailure } from '../../pkg-template/cli/files.js';
import { narrowFile } from '../../pkg-template/cli/owner-only.js';
import { isGoodEnough, MINIFLARE_VERSION } from '../../pkg-template/cli/runtime.js';
import { harmless, oneLine, paint } from '../../pkg-template/cli/terminal.js';
import { readExpiry } from '../../pkg-template/cli/token.js';
import { ROOT } from '../../scripts/lib/paths.mjs';

const folder = mkdtempSync(join(tmpdir(), 'kuratchi-command-line-'));
after(() => rmSync(folder, { recursive: true, force: true }));

function runtimeFile(folder, name) {
  return JSON.parse(readFileSync(join(ROOT, 'pkg-template', 'cli', 'runtimes', folder, name), 'utf8'));
}

describe('Miniflare', () => {
  test('that is fetched on Node 20 is the one that everything here is tested with', () => {
    const { devDependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
    const { dependencies } = runtimeFile('node-20', 'manifest.json');
    assert.equal(dependencies.miniflare, devDependencies.miniflare);
    assert.ok(isGoodEnough(dependencies.miniflare));
  });

  test('that is fetched comes with a lock of all that it brings, and is the newest that this Node runs', () => {
    const isOld = Number(process.versions.node.split('.')[0]) < 22;
    for (const folder of ['node-20', 'node-22']) {
      const { dependencies, overrides } = runtimeFile(folder, 'manifest.json');
      const { packages } = runtimeFile(folder, 'lock.json');
      assert.equal(packages['node_modules/miniflare'].version, dependencies.miniflare);
      if (overrides) assert.equal(packages['node_modules/workerd'].version, overrides.workerd);
      for (const [name, { integrity }] of Object.entries(packages)) {
        if (name !== '') assert.match(integrity ?? '', /^sha512-/, name);
      }
      if ((folder === 'node-20') === isOld) assert.equal(MINIFLARE_VERSION, dependencies.miniflare);
    }
  });

  test("of a project will do when its runtime knows the Worker's date", () => {
    assert.ok(isGoodEnough('4.20260501.1'));
    for (const version of ['4.20260425.9', '3.20260501.0', '5.20260501.0', '2.14.4', '']) {
      assert.ok(!isGoodEnough(version), version);
    }
  });
});

describe('environment files', () => {
  test('are read in their order, behind the environment, and only what is wanted', () => {
    const lines = [
      'export KURATCHI_A="with # and \'quotes\'" # comment',
      "KURATCHI_B='single'",
      'KURATCHI_C=plain # comment',
      '# KURATCHI_D=comment',
      'KURATCHI_E=',
      'no line of a variable',
      'OTHER=1',
    ];
    writeFileSync(join(folder, '.env'), lines.join('\r\n'));
    writeFileSync(join(folder, '.env.local'), 'KURATCHI_B=local');
    process.env.KURATCHI_C = 'environment';
    loadEnvironmentFiles(folder, (name) => name.startsWith('KURATCHI_'));
    const { KURATCHI_A, KURATCHI_B, KURATCHI_C, KURATCHI_D, KURATCHI_E, OTHER } = process.env;
    assert.deepEqual(
      [KURATCHI_A, KURATCHI_B, KURATCHI_C, KURATCHI_D, KURATCHI_E, OTHER],
      ["with # and 'quotes'", 'local', 'environment', undefined, '', undefined],
    );
  });

  test('are read as other tools read them', () => {
    const text = [
      'KURATCHI_ONE="two\\nlines"',
      'KURATCHI_TWO="over',
      'KURATCHI_FAKE=inside',
      'lines" # comment',
      'KURATCHI_THREE=first',
      'KURATCHI_THREE=last',
      "KURATCHI_FOUR='no\\nlines'",
      'KURATCHI_FIVE=key#comment',
    ].join('\n');
    const project = mkdtempSync(join(folder, 'read-'));
    // As editors on Windows begin a file.
    writeFileSync(join(project, '.env'), `\ufeff${text}`);
    loadEnvironmentFiles(project, (name) => name.startsWith('KURATCHI_'));
    const { KURATCHI_ONE, KURATCHI_TWO, KURATCHI_THREE, KURATCHI_FOUR, KURATCHI_FIVE } = process.env;
    assert.deepEqual(
      [KURATCHI_ONE, KURATCHI_TWO, KURATCHI_THREE, KURATCHI_FOUR, KURATCHI_FIVE],
      ['two\nlines', 'over\nKURATCHI_FAKE=inside\nlines', 'last', 'no\\nlines', 'key'],
    );
    assert.equal(process.env.KURATCHI_FAKE, undefined);
  });

  test('are none where they are folders, and what can not be read is told in a line', () => {
    const project = mkdtempSync(join(folder, 'folders-'));
    mkdirSync(join(project, '.env'));
    writeFileSync(join(project, '.env.local'), 'KURATCHI_SIX=6');
    const origins = loadEnvironmentFiles(project, (name) => name.startsWith('KURATCHI_'));
    assert.deepEqual([...origins], [['KURATCHI_SIX', join(project, '.env.local')]]);
    rmSync(join(project, '.env'), { recursive: true });
    // What nobody can read, not even who may read everything.
    symlinkSync('.env', join(project, '.env'));
    assert.throws(
      () => loadEnvironmentFiles(project, () => false),
      ({ name, message }) =>
        name === 'Failure' && message.startsWith(`${join(project, '.env')} can not be used`),
    );
  });

  test('keep their line ends, "export", and what is inside quotes', () => {
    const file = join(folder, '.env.windows');
    writeFileSync(file, '# mine\r\nexport A = "old" # why\r\nB="x\r\nA=inside\r\n"\r\nA=older');
    setInFile(file, { A: '1', C: '3' });
    assert.equal(readFileSync(file, 'utf8'), '# mine\r\nexport A=1\r\nB="x\r\nA=inside\r\n"\r\nC=3\r\n');
  });

  test('are not written where nothing changes', () => {
    const file = join(folder, '.env.same');
    writeFileSync(file, 'export A="1" # mine\nB=2');
    utimesSync(file, 1, 1);
    setInFile(file, { A: '1', B: '2' });
    assert.equal(readFileSync(file, 'utf8'), 'export A="1" # mine\nB=2');
    assert.equal(statSync(file).mtimeMs, 1_000);
  });

  test('are refused in words where they can not be', () => {
    assert.match(whyNotIn(join(folder, 'nowhere', '.env')), /There is no folder/);
    assert.match(whyNotIn(folder), /is no file/);
    assert.match(whyNotIn('/dev/null/.env'), /There is no folder/);
    assert.match(whyNotIn('/dev/null'), /is no file/);
    assert.equal(whyNotIn(join(folder, '.env.new')), undefined);
  });

  test('are written for their owner alone, and a variable stands in them once', () => {
    const file = join(folder, '.env.new');
    setInFile(file, { A: '1' });
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.equal(narrowFile(join(folder, 'not-there')), false, 'what cannot be changed is told, not thrown');
    writeFileSync(file, 'A=old\nB=2\nexport A=older\n');
    setInFile(file, { A: '1', C: '3' });
    assert.equal(readFileSync(file, 'utf8'), 'A=1\nB=2\nC=3\n');
    assert.deepEqual(setInFile(file, { A: '4', B: '2' }, ['A', 'B']), { isPrivate: true, kept: ['A'] });
    assert.equal(readFileSync(file, 'utf8'), '# A=1\nA=4\nB=2\nC=3\n');
  });
});

test('errors of the file system are told by path and cure, and others are not taken for them', () => {
  const thrown = (act) => {
    try {
      act();
    } catch (error) {
      return fileFailure(error);
    }
    return assert.fail('it did not throw');
  };
  const folder = mkdtempSync(join(tmpdir(), 'kuratchi-files-'));
  try {
    const file = join(folder, 'file');
    writeFileSync(file, '');
    for (const [act, path, pattern] of [
      [() => mkdirSync(file, { recursive: true }), file, /is there, and is no folder: move it away/],
      [() => writeFileSync(join(file, 'a'), ''), join(file, 'a'), /something on the way to it is no folder/],
      [() => writeFileSync(folder, ''), folder, /is a folder, where a file is to be: move it away/],
      [() => rmSync(folder, { force: true }), folder, /is a folder, where a file is to be: move it away/],
      [() => writeFileSync(join(folder, 'a', 'b'), ''), join(folder, 'a', 'b'), /is not there/],
    ]) {
      const { name, message } = thrown(act);
      assert.equal(name, 'Failure');
      assert.ok(message.startsWith(`${path} `), message);
      assert.match(message, pattern);
      assert.doesNotMatch(message, /\n/);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  const refused = Object.assign(new Error('no'), { code: 'EACCES', syscall: 'open', path: '/x' });
  assert.match(fileFailure(refused).message, /^\/x is not yours to use: change its permissions/);
  assert.equal(
    fileFailure(Object.assign(new Error('no'), { code: 'ENOENT', syscall: 'spawn npm', path: 'npm' })),
    undefined,
  );
  assert.equal(fileFailure(new TypeError('a mistake of ours')), undefined);
});

test('an error at a file of the package is a mistake of ours, and keeps its stack', () => {
  const file = fileURLToPath(new URL('../../pkg-template/cli/not-there.json', import.meta.url));
  assert.throws(
    () => readFileSync(file),
    (error) => fileFailure(error) === undefined,
  );
  assert.throws(
    () => readFileSync(relative(process.cwd(), file)),
    (error) => fileFailure(error) === undefined,
  );
  const beside = fileURLToPath(new URL('../../pkg-template-not-there', import.meta.url));
  assert.throws(
    () => readFileSync(beside),
    (error) => fileFailure(error)?.message.startsWith(`${beside} `),
  );
});

test('times of tokens', () => {
  const ms = ['90s', '15m', '1h', '7d'].map(readExpiry);
  assert.deepEqual(ms, [90_000, 900_000, 3_600_000, 604_800_000]);
  for (const text of ['', '1', '0s', '-1h', '1.5h', '1w', '1H']) {
    assert.throws(() => readExpiry(text), { name: 'UsageError', message: /as in 90s, 15m, 1h or 7d$/ });
  }
});

test('clocks are compared beyond what the way explains', () => {
  const [asked, answered] = [100_000, 104_000];
  const levelOf = (server) => checkClock(server, asked, answered).level;
  // Whatever lies between question and answer is right, and so is a little on both sides.
  for (const server of [asked, 102_000, answered, asked - 4_999, answered + 4_999]) {
    assert.equal(levelOf(server), 'ok', `${server}`);
  }
  assert.deepEqual([levelOf(asked - 5_000), levelOf(answered + 5_000)], ['warn', 'warn']);
  assert.deepEqual([levelOf(asked - 60_000), levelOf(answered + 60_000)], ['fail', 'fail']);
  assert.equal(levelOf(Number.NaN), 'warn');
});

test('an answer that no sentence can hold is a finding, and no stack', async () => {
  const odd = { toString: 1, valueOf: { toString: 1 } };
  for (const [status, body] of [
    [200, { service: 'kuratchi-spaces', version: odd }],
    [403, { service: odd, error: odd }],
    [502, { error: [odd] }],
  ]) {
    const server = createServer((_, response) => response.writeHead(status).end(JSON.stringify(body)));
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${server.address().port}`;
    try {
      const { findings } = await checkHealth(url, '1.0.0');
      const same = await checkSameKey(url, 'a-gateway-key-of-more-than-32-characters', 'data');
      for (const { what } of [...findings, ...same]) assert.equal(typeof what, 'string');
    } finally {
      server.closeAllConnections();
      server.close();
    }
  }
});

test('a Node that is too old is to be replaced', () => {
  assert.equal(checkNode('18.20.0', '1.0.0')[0].level, 'fail');
  assert.equal(checkNode('20.0.0', '1.0.0')[0].level, 'ok');
});

test('foreign texts do nothing to a terminal, and colours are for terminals that want them', () => {
  assert.equal(oneLine('9.9\nok    All is well \u202egnp'), '9.9 ok All is well gnp');
  assert.equal(oneLine('x'.repeat(9_000)).length, 401);
  assert.equal(harmless('a\u001b[31mb\u001b]0;title\u0007\u0008\u009b2Jc\n\td'), 'abc\n\td');
  const terminal = { isTTY: true };
  const { NO_COLOR, TERM } = process.env;
  delete process.env.NO_COLOR;
  process.env.TERM = 'xterm';
  assert.equal(paint(terminal, 'red', 'x'), '\u001b[31mx\u001b[39m');
  assert.equal(paint({ isTTY: false }, 'red', 'x'), 'x');
  process.env.NO_COLOR = '1';
  assert.equal(paint(terminal, 'red', 'x'), 'x');
  for (const [name, value] of Object.entries({ NO_COLOR, TERM })) {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
});
