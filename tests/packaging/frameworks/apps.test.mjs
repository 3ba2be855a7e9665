/**
 * One app for each of the other bundlers and frameworks that people use, as their own starters make them: in development, and
 * built and served. They run on a current Node, because most want one.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { currentNode, withCurrentNode } from '../../../scripts/lib/current-node.mjs';
import { chatOn, inTheQuery, nameOf } from '../lib/chat.mjs';
import { serveFiles } from '../lib/files-server.mjs';
import { runQuietly, runScript } from '../lib/installed.mjs';
import { serve } from '../lib/programs.mjs';
import { record } from '../lib/report.mjs';
import { usePackage } from '../lib/use-package.mjs';

const TEST_MS_MAX = 600_000;
const HOST = '127.0.0.1';
/** How the Wasm starts as base64. */
const EMBEDDED = 'AGFzbQ';

const textOf = (path) => readFileSync(new URL(`../projects/${path}`, import.meta.url), 'utf8');
const REACT_CHAT = textOf('vite-react/src/Chat.jsx');
const REACT_MAIN = textOf('vite-react/src/main.jsx');
const INLINE = "import 'kuratchi-spaces/inline';\n";
/** A page of React's hooks, without and with the line that has the Wasm embedded. */
const REACT = { 'src/Chat.jsx': REACT_CHAT, 'src/main.jsx': REACT_MAIN };
const REACT_INLINE = { ...REACT, 'src/main.jsx': INLINE + REACT_MAIN };

/**
 * @typedef {object} App
 * @property {string} project The folder in `projects/`, and what is said of the project in the table.
 * @property {string[]} versions Packages whose versions the table names.
 * @property {Record<string, string>} [files] What the project has from others.
 * @property {(port: string) => string[]} [dev] Its dev server.
 * @property {string[]} build
 * @property {string} [output] The folder with files to serve. Default `dist`.
 * @property {(port: string) => string[]} [start] What serves the build, where files are not enough.
 * @property {boolean} [isInline] Whether the Wasm is in the JavaScript.
 * @property {(url: string, space: object) => string} [address] Of the page for a space.
 * @property {string[]} [paths] Of the pages. Default `/`.
 * @property {string} [setUp] A script of its packages that has to run once.
 */

/** @type {App[]} */
const APPS = [
  {
    project: 'parcel',
    versions: ['parcel', 'react'],
    files: REACT,
    dev: (port) => ['parcel', 'serve', 'index.html', '--host', HOST, '--port', port, '--no-hmr'],
    build: ['parcel', 'build', 'index.html', '--no-cache'],
  },
  {
    project: 'rsbuild',
    versions: ['@rsbuild/core', 'react'],
    files: REACT,
    dev: (port) => ['rsbuild', 'dev', '--host', HOST, '--port', port],
    build: ['rsbuild', 'build'],
  },
  {
    project: 'bun',
    versions: ['bun', 'react'],
    files: REACT_INLINE,
    dev: (port) => ['bun', '--port', port, 'index.html'],
    build: ['bun', 'build', '--production', 'index.html', '--outdir', 'dist'],
    isInline: true,
    setUp: join('bun', 'install.js'),
  },
  {
    project: 'astro',
    versions: ['astro', '@astrojs/react'],
    files: { 'src/chat.js': textOf('plain-html/chat.js'), 'src/Chat.jsx': REACT_CHAT },
    dev: (port) => ['astro', 'dev', '--host', HOST, '--port', port],
    build: ['astro', 'build'],
    paths: ['/', '/island/'],
  },
  {
    project: 'react-router',
    versions: ['react-router', 'react'],
    files: { 'app/Chat.jsx': REACT_CHAT },
    dev: (port) => ['react-router', 'dev', '--host', HOST, '--port', port],
    build: ['react-router', 'build'],
    output: join('build', 'client'),
    start: () => ['react-router-serve', join('build', 'server', 'index.js')],
    address: inTheQuery,
  },
  {
    project: 'nuxt',
    versions: ['nuxt', 'vue'],
    files: { 'app/components/Chat.vue': textOf('vue/src/Chat.vue') },
    dev: (port) => ['nuxt', 'dev', '--host', HOST, '--port', port],
    build: ['nuxt', 'build'],
    output: join('.output', 'public'),
    start: () => ['node', join('.output', 'server', 'index.mjs')],
  },
  {
    project: 'vue',
    versions: ['vite', 'vue'],
    dev: (port) => ['vite', '--host', HOST, '--port', port, '--strictPort'],
    build: ['vite', 'build'],
  },
  {
    project: 'solid',
    versions: ['vite', 'solid-js'],
    dev: (port) => ['vite', '--host', HOST, '--port', port, '--strictPort'],
    build: ['vite', 'build'],
  },
  {
    project: 'angular',
    versions: ['@angular/build'],
    dev: (port) => ['ng', 'serve', '--host', HOST, '--port', port],
    build: ['ng', 'build'],
    isInline: true,
  },
];

describe('an app of', () => {
  const used = usePackage();
  const { installed } = used;

  for (const app of APPS) {
    const { project, output = 'dist', paths = ['/'], isInline = false } = app;

    test(project, { timeout: TEST_MS_MAX }, async () => {
      const env = withCurrentNode({
        PATH: process.env.PATH,
        HOST,
        ASTRO_TELEMETRY_DISABLED: '1',
        KURATCHI_GATEWAY_KEY: used.worker.gatewayKey,
        KURATCHI_SPACES_WORKER_URL: used.worker.url,
        NG_CLI_ANALYTICS: 'false',
        NUXT_TELEMETRY_DISABLED: '1',
      });
      const { folder, version } = await installed.copyOf(`projects/${project}`, { files: app.files });
      if (app.setUp) {
        await runQuietly(currentNode(), [join(folder, 'node_modules', app.setUp)], { cwd: folder });
      }
      const versions = app.versions.map((name) => `${name} ${version(name)}`).join(', ');
      const chatWith = async (server, mode, started) => {
        try {
          let shipped;
          for (const path of paths) {
            const told = await chatOn(used.browser, used.worker, server.url + path, { address: app.address });
            shipped ??= told.bytes;
          }
          // What a dev server sends is not what visitors download.
          const bytes = mode.startsWith('dev') ? {} : { bytes: shipped };
          record({ project, versions, mode, runtime: nameOf(used.browser), started, ...bytes });
        } catch (error) {
          throw new Error(`${mode}: ${error.message}\n${server.output?.() ?? ''}`, { cause: error });
        } finally {
          await (server.stop ?? server.close)();
        }
      };
      const suffix = isInline ? ', inline' : '';

      let started = Date.now();
      await chatWith(await serve(folder, app.dev, { env }), `dev${suffix}`, started);

      started = Date.now();
      rmSync(join(folder, output), { recursive: true, force: true });
      const [program, ...args] = app.build;
      await runScript(folder, program, args, env);
      const files = readdirSync(join(folder, output), { recursive: true }).map(String);
      const isOne = (file) => file.endsWith('.js') && textIn(join(folder, output, file)).includes(EMBEDDED);
      assert.equal(files.some(isOne), isInline, 'whether the Wasm is in the JavaScript');
      const serving = app.start
        ? await serve(folder, (port) => app.start(port), { env })
        : await serveFiles(join(folder, output));
      await chatWith(serving, `build${suffix}`, started);
    });
  }
});

function textIn(file) {
  return readFileSync(file, 'utf8');
}
