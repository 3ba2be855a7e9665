/**
 * Node modules: installed with `npm ci` when the lock file is not the one they were installed from.
 *
 * Uses Node's built-ins only, because it runs before anything is installed.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { withLock } from './cache.mjs';
import { BUILD, ROOT } from './paths.mjs';
import { run } from './process.mjs';

const FOLDER = join(ROOT, 'node_modules');
const STAMP = join(FOLDER, '.installed-from');

/** The step (see steps.mjs) that installs them. */
export const modulesStep = {
  what: 'Node modules',
  why: 'workerd, esbuild and the checks come from npm',
  about: '15 s',
  done: isInstalled,
  act: () =>
    withLock(join(BUILD, 'modules.lock'), async () => {
      if (isInstalled()) return;
      const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
      // None of the packages needs its install script: their programs are files of the packages themselves.
      await run(npm, ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: ROOT });
      writeFileSync(STAMP, lockHash());
    }),
};

/** Path of a program that an npm package brings, as in `bin('esbuild')`. */
export function bin(name) {
  return join(FOLDER, '.bin', process.platform === 'win32' ? `${name}.cmd` : name);
}

function isInstalled() {
  return existsSync(STAMP) && readFileSync(STAMP, 'utf8') === lockHash();
}

function lockHash() {
  // The version of Node and the machine's kind choose among optional packages.
  const machine = `${process.platform}-${process.arch}`;
  return createHash('sha256')
    .update(machine)
    .update(readFileSync(join(ROOT, 'package-lock.json')))
    .digest('hex');
}
