/**
 * The packed package installed by pnpm and by Yarn, under its own name and as `kuratchi-sdk`, to a production build.
 *
 * pnpm gives a package what it declares and no more; Yarn keeps packages in archives, unless it is told otherwise.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { chatOn, nameOf } from '../lib/chat.mjs';
import { serveFiles } from '../lib/files-server.mjs';
import { cleanEnvironment, runQuietly } from '../lib/installed.mjs';
import { record } from '../lib/report.mjs';
import { usePackage } from '../lib/use-package.mjs';

const TEST_MS_MAX = 300_000;
const NPM_MS_MAX = 240_000;
const CHAT = readFileSync(new URL('../projects/vite-react/src/Chat.jsx', import.meta.url), 'utf8');

/**
 * @typedef {object} Manager
 * @property {string} manager
 * @property {string} program Its file in `node_modules`.
 * @property {string} [linker] Of Yarn's.
 */

/** @type {Manager[]} */
const MANAGERS = [
  { manager: 'pnpm', program: join('pnpm', 'bin', 'pnpm.cjs') },
  { manager: 'Yarn', program: join('@yarnpkg', 'cli-dist', 'bin', 'yarn.js'), linker: 'pnp' },
  { manager: 'Yarn', program: join('@yarnpkg', 'cli-dist', 'bin', 'yarn.js'), linker: 'node-modules' },
];

describe('installed by', () => {
  const used = usePackage();
  const { installed } = used;
  let managers;

  before(
    async () => {
      managers = await installed.copyOf('projects/package-managers');
    },
    { timeout: TEST_MS_MAX },
  );

  for (const { manager, program, linker } of MANAGERS) {
    for (const name of ['kuratchi-spaces', 'kuratchi-sdk']) {
      const words = [manager, linker, `as ${name}`].filter(Boolean).join(', ');

      test(words, { timeout: TEST_MS_MAX }, async () => {
        const started = Date.now();
        const folder = installed.bareCopyOf('projects/vite-react', words.replaceAll(/\W+/g, '-'), {
          'src/Chat.jsx': CHAT.replace('kuratchi-spaces/react', `${name}/react`),
          ...(linker && { '.yarnrc.yml': `nodeLinker: ${linker}\nenableTelemetry: false\n` }),
        });
        // The lock file is npm's.
        rmSync(join(folder, 'package-lock.json'));
        const use = async (...args) => {
          const path = join(managers.folder, 'node_modules', program);
          const env = { ...cleanEnvironment(), CI: '1', YARN_ENABLE_IMMUTABLE_INSTALLS: 'false' };
          const options = { cwd: folder, env, allowFailure: true, timeoutMs: NPM_MS_MAX };
          const { code, output } = await runQuietly(process.execPath, [path, ...args], options);
          assert.equal(code, 0, `${manager} ${args.join(' ')}\n${output}`);
        };
        await use('add', `${name}@file:${installed.tarball}`);
        assert.equal(existsSync(join(folder, '.pnp.cjs')), linker === 'pnp');
        await use('run', 'build');
        const server = await serveFiles(join(folder, 'dist'));
        try {
          const { bytes } = await chatOn(used.browser, used.worker, server.url);
          const versions = `${manager} ${managers.version(manager === 'pnpm' ? 'pnpm' : '@yarnpkg/cli-dist')}`;
          const mode = ['build', linker, name !== 'kuratchi-spaces' && `as ${name}`].filter(Boolean);
          const row = { project: 'vite-react', versions, mode: mode.join(', ') };
          record({ ...row, runtime: nameOf(used.browser), started, bytes });
        } finally {
          await server.close();
        }
      });
    }
  }
});
