/**
 * Apps of Vite, as `npm create vite` makes them, with React and with Svelte: the dev server and the built page.
 *
 * Vite's dev server bundles dependencies beforehand, in a folder of its own, and again when it finds new ones. What
 * lies beside a package's JavaScript does not come along in every version: that is what the starts here are about.
 */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { chatOn, nameOf } from './lib/chat.mjs';
import { runScript } from './lib/installed.mjs';
import { serve } from './lib/programs.mjs';
import { record } from './lib/report.mjs';
import { usePackage } from './lib/use-package.mjs';

const INSTALL_MS_MAX = 330_000;
const TEST_MS_MAX = 120_000;
const HOST = '127.0.0.1';

const APPS = [
  { project: 'vite-react', framework: 'react', name: 'React' },
  { project: 'vite-svelte', framework: 'svelte', name: 'Svelte' },
];

const CHAT = readFileSync(new URL('./projects/plain-html/chat.js', import.meta.url), 'utf8');

/** Shares most of its code with the adapter, which is bundled already: all of it moves to other files. */
const LATE = "export { client } from 'kuratchi-spaces';\n";

describe('Vite', () => {
  const used = usePackage();
  const { installed } = used;

  for (const { project, framework, name } of APPS) {
    describe(`with ${name}`, () => {
      let app;
      let row;

      before(
        async () => {
          app = await installed.copyOf(`projects/${project}`);
          row = {
            project,
            versions: `vite ${app.version('vite')}, ${framework} ${app.version(framework)}`,
            runtime: nameOf(used.browser),
          };
        },
        { timeout: INSTALL_MS_MAX },
      );

      const dev = () => serve(app.folder, (port) => ['vite', '--host', HOST, '--port', port, '--strictPort']);

      test('dev server: the first start', { timeout: TEST_MS_MAX }, async () => {
        const started = Date.now();
        const server = await dev();
        try {
          await chatOn(used.browser, used.worker, server.url);
          record({ ...row, mode: 'dev, first start', started });
        } finally {
          await server.stop();
        }
      });

      test('dev server: again, and with a dependency found late', { timeout: TEST_MS_MAX }, async () => {
        const started = Date.now();
        // Before the server watches: it has the page load again for a file that is new.
        writeFileSync(join(app.folder, 'src', 'late.js'), LATE);
        const server = await dev();
        try {
          const andThen = async ({ tab, space, shown, peer }) => {
            record({ ...row, mode: 'dev, second start', started });
            // Vite bundles anew and tells the page to load again, some of the old bundle's addresses gone.
            const reloaded = tab.page.waitForEvent('load');
            await tab.page.evaluate(() => {
              // Not awaited: the page that asks is gone before the answer comes.
              import('/src/late.js').catch(() => {});
            });
            await reloaded.catch((error) => assert.fail(`${error.message}\n${server.output()}`));
            assert.match(server.output(), /optimized dependencies changed\. reloading/);
            await tab.shows(shown);
            await tab.say('After the reload');
            await tab.shows([...shown, 'After the reload']);
            await peer.sees([...shown, 'After the reload']);
            assert.equal(tab.socketsTo(space.workerUrl), 2, 'one socket before, and one after');
            record({ ...row, mode: 'dev, dependency found late', started });
          };
          await chatOn(used.browser, used.worker, server.url, { andThen });
        } finally {
          await server.stop();
        }
      });

      test('built, and served by the preview', { timeout: TEST_MS_MAX }, async () => {
        const started = Date.now();
        const output = await runScript(app.folder, 'vite', ['build']);
        assert.doesNotMatch(output, /warn/i);
        const assets = join(app.folder, 'dist', 'assets');
        for (const file of readdirSync(assets).filter((name) => name.endsWith('.js'))) {
          // How the Wasm starts as base64.
          assert.ok(!readFileSync(join(assets, file), 'utf8').includes('AGFzbQ'), `${file} has a copy of it`);
        }
        const server = await serve(app.folder, (port) => [
          ...['vite', 'preview', '--host', HOST, '--port', port, '--strictPort'],
        ]);
        try {
          const { bytes } = await chatOn(used.browser, used.worker, server.url);
          record({ ...row, mode: 'build', started, bytes });
        } finally {
          await server.stop();
        }
      });
    });
  }

  test('dev servers of earlier versions, in a workspace and under another name', {
    timeout: INSTALL_MS_MAX + TEST_MS_MAX,
  }, async () => {
    // The app's dependencies lie in the folder above it, as a workspace's do.
    const { folder, version } = await installed.copyOf('projects/vite-earlier', {
      names: ['kuratchi-spaces', 'chat'],
    });
    for (const name of ['kuratchi-spaces', 'chat']) {
      mkdirSync(join(folder, 'app', 'src'), { recursive: true });
      writeFileSync(join(folder, 'app', 'src', 'chat.js'), CHAT.replace("'kuratchi-spaces'", `'${name}'`));
      for (const vite of ['vite5', 'vite6', 'vite7']) {
        const started = Date.now();
        const program = join('..', 'node_modules', vite, 'bin', 'vite.js');
        const server = await serve(join(folder, 'app'), (port) => [
          ...['node', program, '--host', HOST, '--port', port, '--strictPort', '--force'],
        ]);
        try {
          await chatOn(used.browser, used.worker, server.url);
          const row = {
            project: 'vite-earlier',
            versions: `vite ${version(vite)}`,
            runtime: nameOf(used.browser),
          };
          record({ ...row, mode: `dev, workspace, as ${name}`, started });
        } finally {
          await server.stop();
        }
      }
    }
  });
});
