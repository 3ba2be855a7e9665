/**
 * Every `npm run` that the documents name runs: here, shortly, or in a suite of its own.
 *
 * Owns the list of who runs what. What a command should find out is its own business.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { ROOT } from '../../scripts/lib/paths.mjs';
import { killChildren, run } from '../../scripts/lib/process.mjs';
import { until } from '../e2e/lib/waiting.mjs';
import { startServer } from '../snippets/lib/server-process.mjs';

const COMMAND_MS_MAX = 10 * 60_000;
const START_MS_MAX = 30_000;

/** In order: the package is measured once it is built. What each prints shows that it came to its end. */
const HERE = [
  ['bench', ['--short'], /JSON\.parse \+ callback/],
  ['bench:fanout', ['--short'], /deliveries\/s/],
  ['sim', ['--seed', '7', '--trace'], /lost 0, doubled 0, out of order 0/],
  ['sim', ['--runs', '2', '--hostile'], /lost 0, doubled 0, out of order 0/],
  ['build', [], /npm install .*kuratchi-spaces\.tgz/],
  ['size', [], /brotli/],
];

/** Those that serve until they are stopped. The first address that they print is the page's. */
const SERVING = ['start', 'example:react', 'example:svelte', 'docs -- --serve'];

/** Suites of `npm test` that run what a command runs, and the test below that runs one which changes the clone. */
const ELSEWHERE = {
  check: 'check',
  docs: 'docs',
  'test:abuse': 'abuse',
  'test:faults': 'faults',
  'test:load': 'load',
  'test:packaging': 'packaging',
  format: 'in a copy',
};

/** Those are commands of the reader's own project. */
const OF_READERS = {
  'docs/guide/quick-start.md': ['dev', 'build', 'preview'],
  'docs/guide/svelte.md': ['dev', 'build', 'check'],
};

const DOCUMENTS = [
  ...readdirSync(ROOT).filter((name) => name.endsWith('.md')),
  ...readdirSync(join(ROOT, 'docs', 'guide')).map((name) => `docs/guide/${name}`),
];

/** `[document, command]` for each that is named. */
function named() {
  return DOCUMENTS.flatMap((document) => {
    const text = readFileSync(join(ROOT, document), 'utf8');
    const commands = [...text.matchAll(/\bnpm (?:run ([a-z][a-z:-]*)|(start)\b)/g)].map(
      ([, command, start]) => command ?? start,
    );
    return [...new Set(commands)].map((command) => [document, command]);
  });
}

describe('the commands that documents name', () => {
  after(killChildren);

  test('are there, and each is run by a test', () => {
    const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
    const found = named();
    assert.ok(found.length > 20, `${found.length} are named`);
    const here = [...HERE.map(([command]) => command), ...SERVING.map((command) => command.split(' ')[0])];
    for (const [document, command] of found) {
      if (OF_READERS[document]?.includes(command)) continue;
      assert.ok(scripts[command], `${document}: there is no npm run ${command}`);
      assert.ok(here.includes(command) || ELSEWHERE[command], `${document}: nothing runs npm run ${command}`);
    }
  });

  for (const [command, args, expected] of HERE) {
    test(`npm run ${[command, ...args].join(' ')}`, { timeout: COMMAND_MS_MAX }, async () => {
      const words = ['run', '--silent', command, ...(args.length > 0 ? ['--', ...args] : [])];
      const { stdout } = await run('npm', words, { cwd: ROOT, show: 'silent' });
      assert.match(stdout, expected);
    });
  }

  for (const command of SERVING) {
    test(`npm run ${command}`, { timeout: COMMAND_MS_MAX }, async () => {
      const env = { ...process.env, PORT: '3900', WORKER_PORT: '8900' };
      const server = startServer(`npm run ${command}`, ROOT, env);
      try {
        const [, url] = await server.says(/\b(?:Ready after|Site)\b[\s\S]*?(http:\/\/\S+)/);
        const answer = await until(() => fetch(url).catch(() => undefined), `${url} answers`, START_MS_MAX);
        assert.equal(answer.status, 200);
        assert.match(await answer.text(), /<html/);
      } finally {
        await server.stop();
      }
    });
  }

  test('npm run format', { timeout: COMMAND_MS_MAX }, async () => {
    const copy = mkdtempSync(join(tmpdir(), 'kuratchi-format-'));
    try {
      await run('git', ['checkout-index', '--all', `--prefix=${copy}/`], { cwd: ROOT, show: 'silent' });
      symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
      writeFileSync(join(copy, 'scripts', 'ugly.mjs'), 'export const a = "b"');
      await run('npm', ['run', '--silent', 'format'], { cwd: copy, show: 'silent' });
      const text = readFileSync(join(copy, 'scripts', 'ugly.mjs'), 'utf8');
      assert.equal(text, "export const a = 'b';\n");
    } finally {
      rmSync(copy, { recursive: true, force: true });
    }
  });
});
