/**
 * The adapters without a browser: what servers render, what they weigh, what they import, and the store contract.
 *
 * Owns a folder in which the package is installed under the name that it stands in for. Live components are tested in
 * tests/e2e.
 */

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { brotliCompressSync } from 'node:zlib';
import { build } from 'esbuild';
import { compile } from 'svelte/compiler';

import { copyTemplate } from '../../scripts/lib/build.mjs';
import { BUILD } from '../../scripts/lib/paths.mjs';
import { setUpConnected } from './lib/core-double.mjs';

const PACKAGE = new URL('../../pkg-template/', import.meta.url);
/**
 * What a page pays for an adapter beside the client, minified, with brotli. Both follow a config that changes (which is the same
 * place, whose token it has, what looks after other rooms: 300 bytes); Svelte's hooks look at one object, which goes over to the
 * next client (600 bytes), and at an empty room where there is none (150 bytes). Both ask a token function that takes the place of
 * another one (160 bytes), have what looks after other rooms end with its user (60 bytes), say where the Wasm comes from (80 bytes), and
 * ask for the page of a client that takes another's place before it has a link (10 bytes).
 */
const ADAPTER_BYTES_MAX = { react: 2_460, svelte: 3_145 };
const CONFIG = "{ spaceId: 'a', workerUrl: 'https://chat.example' }";
const microtask = () => Promise.resolve();
/** What a client would start: timers and connections. Reading files is the frameworks' own. */
const held = () =>
  process.getActiveResourcesInfo().filter((kind) => /Timeout|Immediate|TCP/.test(kind)).length;

/** A project with the package as `kuratchi-sdk`. In the clone, so that React and Svelte are found. */
let project;

before(async () => {
  mkdirSync(BUILD, { recursive: true });
  project = mkdtempSync(join(BUILD, 'adapters-'));
  const installed = join(project, 'node_modules', 'kuratchi-sdk');
  mkdirSync(installed, { recursive: true });
  await copyTemplate(installed);
  writeFileSync(join(project, 'package.json'), '{ "type": "module" }');
});
after(() => rmSync(project, { recursive: true, force: true }));

let written = 0;

/** Imports a module of the project. */
async function run(source) {
  written += 1;
  const file = join(project, `module-${written}.js`);
  writeFileSync(file, source);
  return import(pathToFileURL(file).href);
}

async function bundle(options) {
  const result = await build({
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    write: false,
    metafile: true,
    logLevel: 'error',
    ...options,
  });
  return { bytes: result.outputFiles[0].contents, inputs: Object.keys(result.metafile.inputs) };
}

for (const name of ['react', 'svelte']) {
  const entry = fileURLToPath(new URL(`${name}/index.js`, PACKAGE));

  test(`the ${name} adapter weighs at most ${ADAPTER_BYTES_MAX[name]} bytes`, async () => {
    const ofTheClient = [
      ...['../space.js', '../engine.js', '../wasm.fetched.js'],
      ...['./errors.js', './keeper.js', './options.js', './waiting.js'],
    ];
    const external = ['react', 'svelte', 'svelte/*', ...ofTheClient];
    const { bytes } = await bundle({ entryPoints: [entry], external });
    const weight = brotliCompressSync(bytes).length;
    console.log(`kuratchi-spaces/${name}: ${bytes.length} bytes, ${weight} with brotli`);
    assert.ok(weight <= ADAPTER_BYTES_MAX[name], `${weight} bytes`);
  });

  test(`the ${name} adapter brings the Wasm of the environment, with the client or alone, under an alias too`, async () => {
    for (const [conditions, expected] of [
      [['browser'], 'wasm.fetched.js'],
      [['node'], 'wasm.read.js'],
      [['workerd', 'browser'], 'wasm.uploaded.js'],
      // Bundlers that read no `exports` take the files.
      [undefined, 'wasm.fetched.js'],
    ]) {
      const hooks = conditions ? `kuratchi-sdk/${name}` : `./node_modules/kuratchi-sdk/${name}/index.js`;
      for (const client of conditions ? ["export * from 'kuratchi-sdk';", ''] : ['']) {
        const { inputs } = await bundle({
          stdin: { contents: `${client} export { useSpace } from '${hooks}';`, resolveDir: project },
          platform: 'neutral',
          conditions: [...(conditions ?? []), 'import'],
          external: [
            'react',
            'svelte',
            'svelte/*',
            './kuratchi_spaces.js',
            './kuratchi_spaces_bg.wasm',
            './client-wasm.js',
            'node:*',
          ],
        });
        const origins = inputs.map((path) => path.split('/').at(-1)).filter((file) => /^wasm\./.test(file));
        assert.deepEqual(origins, [expected], 'one origin, and the right one');
      }
    }
  });

  test(`the types of ${name} declare what the module exports`, () => {
    const namesIn = (file, pattern) =>
      [...readFileSync(new URL(`${name}/${file}`, PACKAGE), 'utf8').matchAll(pattern)]
        .map(([, exported]) => exported)
        .sort();
    const declared = namesIn('index.d.ts', /^export function (\w+)/gm);
    assert.ok(declared.includes('useSpace'));
    assert.deepEqual(namesIn('hooks.js', /^export function (\w+)/gm), declared);
    for (const file of ['index.js', 'index.node.js', 'index.workerd.js']) {
      // Next takes no `export *` from a module for clients.
      assert.deepEqual(namesIn(file, /^ {2}(\w+),$/gm), declared, file);
    }
  });

  test(`every type, function and member of ${name} is explained by an example`, () => {
    const bare = [];
    let comment = '';
    for (const line of readFileSync(new URL(`${name}/index.d.ts`, PACKAGE), 'utf8').split('\n')) {
      if (line.trimStart().startsWith('/**')) {
        comment = '';
      }
      if (/^\s*(?:\/\*\*|\*)/.test(line)) {
        comment += line;
      } else if (/^(?:export |\s{2}readonly )/.test(line)) {
        bare.push(...(comment.includes('@example') ? [] : [line]));
        comment = '';
      }
    }
    assert.deepEqual(bare, []);
  });
}

describe('React on a server', () => {
  const PAGE = `
    import { KuratchiSpaceClient } from 'kuratchi-sdk';
    import * as hooks from 'kuratchi-sdk/react';
    import { createElement } from 'react';
    import { renderToString } from 'react-dom/server';
    export function shows(look, props = { config: ${CONFIG} }) {
      let seen;
      const Look = () => {
        seen = look(hooks);
        return null;
      };
      const child = createElement(Look);
      renderToString(props ? createElement(hooks.SpaceProvider, props, child) : child);
      return seen;
    }
    export { KuratchiSpaceClient };`;
  let page;
  before(async () => {
    page = await run(PAGE);
  });

  test('the files are for clients, as Next wants it said', () => {
    for (const file of ['index.js', 'index.node.js', 'index.workerd.js']) {
      const text = readFileSync(new URL(`react/${file}`, PACKAGE), 'utf8');
      assert.ok(text.startsWith("'use client';\n"), file);
    }
  });

  test('every hook shows an empty space, and nothing is started', () => {
    const before = held();
    const seen = page.shows((hooks) => ({
      space: hooks.useSpace(),
      own: hooks.useSpace({ spaceId: 'b', workerUrl: 'https://chat.example' }),
      messages: hooks.useMessages(),
      typing: hooks.useTyping().typing,
      presence: hooks.usePresence(),
      connection: hooks.useConnection(),
      send: typeof hooks.useSend(),
    }));
    assert.ok(seen.space instanceof page.KuratchiSpaceClient);
    assert.ok(seen.own instanceof page.KuratchiSpaceClient);
    assert.notEqual(seen.own, seen.space);
    const { messages, isLoaded, hasOlder, isLoadingOlder } = seen.messages;
    assert.deepEqual(
      { messages, isLoaded, hasOlder, isLoadingOlder },
      {
        messages: [],
        isLoaded: false,
        hasOlder: true,
        isLoadingOlder: false,
      },
    );
    assert.deepEqual([seen.typing, seen.presence, seen.send], [[], [], 'function']);
    assert.equal(seen.connection.state, 'idle');
    assert.equal(held(), before);
    assert.equal(seen.space.getSnapshot().state, 'idle');
  });

  test('a client that is alive shows nothing either, so that pages take over what they were sent', async () => {
    const { client, core } = await setUpConnected();
    core.host.onMessage({ id: 'm1', seq: 1, createdAt: 1, updatedAt: 1, text: 'hello' });
    const look = (hooks) => [hooks.useConnection().state, hooks.useMessages().messages.length];
    assert.deepEqual(page.shows(look, { client }), ['idle', 0]);
    assert.deepEqual(
      page.shows((hooks) => hooks.useSpace(), { client }),
      client,
    );
  });

  test('a hook without a provider, and a provider without a space, say what is missing', () => {
    for (const name of ['useSpace', 'useMessages', 'useSend', 'useTyping', 'usePresence', 'useConnection']) {
      assert.throws(
        () => page.shows((hooks) => hooks[name](), null),
        /there is no space here: .*SpaceProvider/,
      );
    }
    const config = { code: 'invalidArgument', field: 'config' };
    assert.throws(() => page.shows((hooks) => hooks.useSpace(), {}), config);
    assert.throws(() => page.shows((hooks) => hooks.useSpace(null), null), config);
    assert.throws(() => page.shows((hooks) => hooks.useSpace({ spaceId: '' }), null), { field: 'spaceId' });
    const onMessage = 'not a function';
    const bad = { spaceId: 'a', workerUrl: 'https://chat.example', onMessage };
    assert.throws(() => page.shows((hooks) => hooks.useSpace(bad), null), { field: 'onMessage' });
  });
});

describe('Svelte on a server', () => {
  const component = (script, markup = '') =>
    compile(`<script>${script}</script>${markup}`, { generate: 'server', name: 'Part' }).js.code;

  test('every function shows an empty space, and nothing is started', async () => {
    const child = component(
      `import * as spaces from 'kuratchi-sdk/svelte';
       const space = spaces.useSpace();
       const messages = spaces.useMessages();
       const typing = spaces.useTyping();
       const presence = spaces.usePresence();
       const connection = spaces.useConnection();
       const send = spaces.useSend();`,
      `{connection.current.state} {$connection.state} {messages.current.length} {$messages.length}
       {messages.isLoaded} {messages.hasOlder} {messages.isLoadingOlder} {typing.current.length}
       {presence.current.length} {typeof send} {space.isConnected()}`,
    );
    writeFileSync(join(project, 'child.js'), child);
    const parent = component(
      `import Child from './child.js'; import { setSpace } from 'kuratchi-sdk/svelte'; setSpace(${CONFIG});`,
      '<Child />',
    );
    const before = held();
    const { default: Parent } = await run(parent);
    const { render } = await import('svelte/server');
    const words = render(Parent)
      .body.replaceAll(/<!--.*?-->/g, '')
      .trim()
      .split(/\s+/);
    assert.deepEqual(words, [
      'idle',
      'idle',
      '0',
      '0',
      'false',
      'true',
      'false',
      '0',
      '0',
      'function',
      'false',
    ]);
    assert.equal(held(), before);
  });

  test('a function without a space says what is missing, and a bad config names the field', async () => {
    const { render } = await import('svelte/server');
    const fails = async (call, expected) => {
      const { default: Part } = await run(
        component(`import * as spaces from 'kuratchi-sdk/svelte'; ${call};`),
      );
      await assert.rejects(async () => render(Part).body, expected, call);
    };
    for (const name of ['useSpace', 'useMessages', 'useSend', 'useTyping', 'usePresence', 'useConnection']) {
      await fails(`spaces.${name}()`, /there is no space here: .*setSpace\(\)/);
    }
    await fails('spaces.setSpace()', { code: 'invalidArgument', field: 'config' });
    await fails("spaces.useSpace({ spaceId: '' })", { code: 'invalidArgument', field: 'spaceId' });
  });
});

describe('a Svelte store', () => {
  test('tells its value at once, then each change of its own part, until it is left', async () => {
    const { usePresence, useTyping } = await import('../../pkg-template/svelte/index.js');
    const { client, core } = await setUpConnected();
    const typing = useTyping(client);
    const told = [];
    const leave = typing.subscribe((users) => told.push(users));
    assert.deepEqual(told, [[]]);
    core.host.onTyping('ada', true);
    await microtask();
    core.host.onPresence([{ userId: 'ada', role: 'agent' }]);
    await microtask();
    assert.deepEqual(told, [[], ['ada']]);
    assert.equal(typing.current, told[1]);
    leave();
    core.host.onTyping('ada', false);
    await microtask();
    assert.equal(told.length, 2);
    assert.deepEqual(typing.current, []);
    assert.equal(usePresence(client).current[0].userId, 'ada');
  });

  test('of several parts is the same object until one of them changes', async () => {
    const { useConnection } = await import('../../pkg-template/svelte/index.js');
    const { client, core } = await setUpConnected();
    const connection = useConnection(client);
    const first = connection.current;
    assert.equal(first.state, 'connected');
    core.host.onTyping('ada', true);
    assert.equal(connection.current, first);
    core.host.onState({ state: 'connected', transport: 'polling' });
    assert.equal(connection.current.transport, 'polling');
    core.host.onState({ state: 'reconnecting', retryInMs: 500 });
    assert.notEqual(connection.current, first);
    assert.deepEqual([connection.current.state, connection.current.retryInMs], ['reconnecting', 500]);
    assert.equal(first.state, 'connected');
  });
});
