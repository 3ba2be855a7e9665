/**
 * The package's types, as TypeScript finds them through each entry and under both names.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { bin } from '../../scripts/lib/modules.mjs';
import { Installed, runQuietly, runScript } from './lib/installed.mjs';

const INSTALL_MS_MAX = 330_000;
const TEST_MS_MAX = 120_000;

describe('types', () => {
  const installed = new Installed();
  let app;

  before(
    async () => {
      await installed.pack();
      app = await installed.copyOf('projects/types', { names: ['kuratchi-spaces', 'kuratchi-sdk'] });
    },
    { timeout: INSTALL_MS_MAX },
  );
  after(() => installed.remove());

  for (const [program, config] of [
    ...['bundler', 'node16', 'nodenext'].map((resolution) => [`moduleResolution ${resolution}`, resolution]),
    ["a server's program, whose lib has no DOM", 'server'],
  ]) {
    const args = ['--project', `tsconfig.${config}.json`];

    test(`${program}, TypeScript 5`, { timeout: TEST_MS_MAX }, async () => {
      await runScript(app.folder, 'tsc', args);
    });

    test(`${program}, the newest TypeScript`, { timeout: TEST_MS_MAX }, async () => {
      const { code, output } = await runQuietly(bin('tsc'), args, { cwd: app.folder, allowFailure: true });
      assert.equal(code, 0, output);
    });
  }
});
