/**
 * Every `npm run` that the documents name runs: here, shortly, or in a suite of its own.
 *
 * Owns the list of who runs what. What a command should find out is its own business.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { ROOT } from '../../scripts/lib/paths.mjs';
import { killChildren, run } from '../../scripts/lib/process.mjs';

const COMMAND_MS_MAX = 10 * 60_000;

/** In order: the package is measured once it is built. What each prints shows that it came to its end. */
const HERE = [
  ['bench', ['--short'], /JSON\.parse \+ callback/],
  ['bench:fanout', ['--short'], /deliveries\/s/],
  ['sim', ['--seed', '7', '--trace'], /lost 0, doubled 0, out of order 0/],
  ['sim', ['--runs', '2', '--hostile'], /lost 0, doubled 0, out of order 0/],
  ['build', [], /npm install .*kuratchi-spaces\.tgz/],
  ['size', [], /brotli/],
];

/** Suites of `npm test` that run what a command runs, and commands that change the clone. */
const ELSEWHERE = {
  check: 'check',
  docs: 'docs',
  'test:abuse': 'abuse',
  'test:faults': 'faults',
  'test:load': 'load',
  'test:packaging': 'packaging',
  'example:react': 'e2e',
  'example:svelte': 'e2e',
  format: 'check looks at what it would change',
};

/** Those are commands of the reader's own project. */
const OF_READERS = { 'docs/guide/quick-start.md': ['dev', 'build', 'preview'] };

const DOCUMENTS = [
  ...readdirSync(ROOT).filter((name) => name.endsWith('.md')),
  ...readdirSync(join(ROOT, 'docs', 'guide')).map((name) => `docs/guide/${name}`),
];

/** `[document, command]` for each that is named. */
function named() {
  return DOCUMENTS.flatMap((document) => {
    const text = readFileSync(join(ROOT, document), 'utf8');
    const commands = [...text.matchAll(/\bnpm run ([a-z][a-z:-]*)/g)].map(([, command]) => command);
    return [...new Set(commands)].map((command) => [document, command]);
  });
}

describe('the commands that documents name', () => {
  after(killChildren);

  test('are there, and each is run by a test', () => {
    const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
    const found = named();
    assert.ok(found.length > 20, `${found.length} are named`);
    const here = HERE.map(([command]) => command);
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
});
