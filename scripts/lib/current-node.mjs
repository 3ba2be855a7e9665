/**
 * A current Node beside the one that runs us: what the package does is tried on both.
 *
 * Owns where it is and how it gets there: npm has Node's own programs, one package a platform.
 */
import { existsSync, rmSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { cached, fillCache } from './cache.mjs';
import { VERSIONS } from './paths.mjs';
import { run } from './process.mjs';

const VERSION = VERSIONS.currentNode;
const NAME = `node-${VERSION}`;
const PLATFORMS = { darwin: 'darwin', linux: 'linux', win32: 'win' };
const PACKAGE = `node-${PLATFORMS[process.platform]}-${process.arch}`;

const programIn = (folder) =>
  join(folder, 'node_modules', PACKAGE, 'bin', process.platform === 'win32' ? 'node.exe' : 'node');

/** Path of the program, whether or not it is there. */
export const currentNode = () => programIn(cached(NAME));

/** The environment in which programs that are looked for by name are of that Node. */
export function withCurrentNode(env) {
  return { ...env, PATH: [dirname(currentNode()), env.PATH].join(delimiter) };
}

/** A `step` (see steps.mjs). */
export const currentNodeStep = {
  what: `Node ${VERSION}`,
  why: 'the package is tried on a current Node as well',
  about: '20 s',
  done: () => existsSync(currentNode()) && 'in the cache',
  act: () =>
    fillCache(
      NAME,
      (folder) => existsSync(programIn(folder)),
      async (folder) => {
        const args = ['install', '--prefix', folder, `${PACKAGE}@${VERSION}`];
        await run('npm', [...args, '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']);
        rmSync(join(folder, 'node_modules', PACKAGE, 'include'), { recursive: true, force: true });
      },
    ),
};
