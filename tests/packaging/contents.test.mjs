/**
 * What is in the package, what can be imported from it, and whether TypeScript finds its types.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { bin } from '../../scripts/lib/modules.mjs';
import { Installed, runProgram, runQuietly } from './lib/installed.mjs';

const TEST_MS_MAX = 60_000;

const FILES = [
  'LICENSE',
  'README.md',
  'bin/kuratchi-spaces.js',
  'client-wasm.js',
  'client.js',
  'core-host.js',
  'environment.d.ts',
  'environment.js',
  'errors.d.ts',
  'errors.js',
  'events.js',
  'everywhere.js',
  'index.d.ts',
  'index.inline.js',
  'index.js',
  'index.node.js',
  'index.workerd.js',
  'kuratchi_spaces.js',
  'kuratchi_spaces_bg.wasm',
  'listening.d.ts',
  'loader.js',
  'message-list.js',
  'message-update.js',
  'messages.d.ts',
  'older.js',
  'options.js',
  'outbox-database.js',
  'outbox-lane.js',
  'outbox.js',
  'package.json',
  'participants.d.ts',
  'refill.js',
  'server/cloudflare-api.js',
  'server/deploy.d.ts',
  'server/deploy.js',
  'server/deployment.js',
  'server/elsewhere.js',
  'server/fetch-text.js',
  'server/index.d.ts',
  'server/index.elsewhere.js',
  'server/index.js',
  'server/worker-metadata.js',
  'server/worker-modules.js',
  'spaces.d.ts',
  'spaces.inline.js',
  'spaces.js',
  'spaces.node.js',
  'spaces.workerd.js',
  'standalone.js',
  'store.js',
  'tab-memory.js',
  'tokens.d.ts',
  'tokens.js',
  'waiting.js',
  'worker/index.js',
  'worker/index_bg.wasm',
];

/** What an app may import, and the file that Node finds there. */
const EXPORTS = {
  '.': 'index.node.js',
  './spaces': 'spaces.node.js',
  './inline': 'index.inline.js',
  './standalone': 'standalone.js',
  './server': 'server/index.js',
  './client.wasm': 'kuratchi_spaces_bg.wasm',
  './package.json': 'package.json',
};

const RESOLVE = `
  const [packageRoot] = import.meta.resolve('kuratchi-spaces/package.json').split('package.json');
  const resolved = {};
  for (const path of JSON.parse(process.env.PATHS)) {
    try {
      const url = import.meta.resolve('kuratchi-spaces' + path.slice(1));
      resolved[path] = url.startsWith(packageRoot) ? url.slice(packageRoot.length) : url;
    } catch (error) {
      resolved[path] = error.code;
    }
  }
  console.log(JSON.stringify(resolved));
`;

const TYPED = `
  import { ChatError, client, spaces, type Message } from 'kuratchi-spaces';
  import { generateToken, type ClientOptions } from 'kuratchi-spaces/spaces';
  import { deploy, getWorkerModules, type DeployResult, type WorkerModule } from 'kuratchi-spaces/server';

  const options: ClientOptions = { spaceId: 'support-7', spaceToken: 'token', onMessage: (message) => show(message) };
  const show = (message: Message): string => message.text;
  const token: Promise<string> = generateToken('support-7', { userId: 'ada' });
  const space = client(options);
  const same: typeof space = spaces.client(options);
  same.on('error', (error) => error instanceof ChatError && error.code satisfies string);
  // Were the types not found, all of it would be \`any\` and this no error.
  // @ts-expect-error: an id is a string.
  client({ spaceId: 7 });
  void token;
  const deployed: Promise<DeployResult> = deploy({ scriptName: 'team-chat', apiToken: undefined });
  const modules: WorkerModule[] = getWorkerModules();
  // @ts-expect-error: a port is nothing that is deployed.
  void deploy({ port: 1 });
  void [deployed, modules];
`;

describe('the package', () => {
  const installed = new Installed();
  let folder;

  before(async () => {
    await installed.pack();
    folder = await installed.project('contents', { 'resolve.js': RESOLVE, 'typed.ts': TYPED });
  });
  after(() => installed.remove());

  test('holds what it should hold and nothing else', () => {
    assert.deepEqual(installed.files, FILES);
  });

  const resolve = (paths, flags = []) =>
    runProgram(folder, 'resolve.js', { flags, env: { PATHS: JSON.stringify(paths) } });

  test('exports resolve, in Node and for Workers', { timeout: TEST_MS_MAX }, async () => {
    assert.deepEqual(await resolve(Object.keys(EXPORTS)), EXPORTS);
    assert.deepEqual(await resolve(Object.keys(EXPORTS), ['--conditions=workerd']), {
      ...EXPORTS,
      '.': 'index.workerd.js',
      './spaces': 'spaces.workerd.js',
      './server': 'server/index.elsewhere.js',
      './inline': 'index.workerd.js',
    });
  });

  test('nothing else can be imported', { timeout: TEST_MS_MAX }, async () => {
    const paths = FILES.map((file) => `./${file}`).filter((path) => !(path in EXPORTS));
    const resolved = await resolve([...paths, './client', './index', './spaces/client']);
    const reachable = Object.keys(resolved).filter(
      (path) => resolved[path] !== 'ERR_PACKAGE_PATH_NOT_EXPORTED',
    );
    assert.deepEqual(reachable, []);
  });

  for (const [resolution, module] of [
    ['bundler', 'esnext'],
    ['node16', 'node16'],
  ]) {
    test(`types resolve with moduleResolution ${resolution}`, { timeout: TEST_MS_MAX }, async () => {
      const flags = ['--noEmit', '--strict', '--exactOptionalPropertyTypes', '--target', 'es2022'];
      const how = [
        '--module',
        module,
        '--moduleResolution',
        resolution,
        '--lib',
        'es2022,dom,esnext.disposable',
      ];
      const { code, output } = await runQuietly(bin('tsc'), [...flags, ...how, 'typed.ts'], {
        cwd: folder,
        allowFailure: true,
      });
      assert.equal(code, 0, output);
    });
  }
});
