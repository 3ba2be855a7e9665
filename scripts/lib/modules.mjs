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

/** The step (see steps.mjs) that installs those of the workspace. */
export const modulesStep = installing(ROOT, {
  what: 'Node modules',
  why: 'workerd, esbuild and the checks come from npm',
  about: '15 s',
});

/** The step that installs what the documentation site is built with; nothing else needs it. */
export const docsModulesStep = installing(join(ROOT, 'docs'), {
  what: 'Node modules of the documentation',
  why: 'VitePress and TypeDoc come from npm',
  about: '30 s',
});

/**
 * Path of a program that an npm package brings, as in `bin('esbuild')`.
 *
 * @param {string} name
 * @param {string} [folder] Where its package.json is; default: the root of the clone.
 */
export function bin(name, folder = ROOT) {
  return join(folder, 'node_modules', '.bin', process.platform === 'win32' ? `${name}.cmd` : name);
}

function installing(folder, words) {
  const stamp = join(folder, 'node_modules', '.installed-from');
  const isInstalled = () => existsSync(stamp) && readFileSync(stamp, 'utf8') === lockHash(folder);
  return {
    ...words,
    done: isInstalled,
    act: () =>
      withLock(join(BUILD, 'modules.lock'), async () => {
        if (isInstalled()) return;
        const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
        // None of the packages needs its install script: their programs are files of the packages themselves.
        await run(npm, ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: folder });
        writeFileSync(stamp, lockHash(folder));
      }),
  };
}

function lockHash(folder) {
  // The version of Node and the machine's kind choose among optional packages.
  const machine = `${process.platform}-${process.arch}`;
  return createHash('sha256')
    .update(machine)
    .update(readFileSync(join(folder, 'package-lock.json')))
    .digest('hex');
}
