/**
 * The npm package as a whole: its exports, its types and its error codes agree, and importing it does nothing.
 *
 * Owns nothing but expectations. Behaviour is tested beside it, in `package-*.test.mjs`.
 */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, normalize, sep } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import vm from 'node:vm';
import { build } from 'esbuild';

import { copyTemplate } from '../../scripts/lib/build.mjs';

const ROOT = new URL('../../', import.meta.url);
const PACKAGE = new URL('pkg-template/', ROOT);
/** What the build adds to the template. */
const BUILT_FILES = ['kuratchi_spaces.js', 'kuratchi_spaces_bg.wasm', 'client-wasm.js'];

const read = (path, base = ROOT) => readFileSync(new URL(path, base), 'utf8');

/** Bundles an entry as an app's bundler does; the Wasm half is not there before a build. */
async function bundle(entry, options = {}) {
  const result = await build({
    entryPoints: [fileURLToPath(new URL(entry, PACKAGE))],
    bundle: true,
    write: false,
    format: 'iife',
    globalName: 'bundled',
    logLevel: 'error',
    logOverride: { 'empty-import-meta': 'silent' },
    external: ['node:*'],
    plugins: [
      {
        name: 'built-files',
        setup({ onResolve, onLoad }) {
          const filter = new RegExp(`^\\./(?:${BUILT_FILES.join('|')})$`);
          onResolve({ filter }, ({ path }) => ({ path, namespace: 'built' }));
          onLoad({ filter: /./, namespace: 'built' }, () => ({
            contents: "export default {}; export const CLIENT_WASM = '';",
          }));
        },
      },
    ],
    ...options,
  });
  return result.outputFiles[0].text;
}

/** What a realm holds that has a language and no host, and in which nothing may happen. */
function bareRealm() {
  const realm = vm.createContext({});
  vm.runInContext(
    `const forbid = (what) => () => { throw new Error(what + ' at import'); };
     Math.random = forbid('Math.random');
     Date.now = forbid('Date.now');
     for (const name of ['compile', 'compileStreaming', 'instantiate']) WebAssembly[name] = forbid(name);
     globalThis.Promise = class extends Promise { constructor() { forbid('a promise')(); } };`,
    realm,
  );
  return realm;
}

/** The hand-written files of the package, as paths from its root. */
function templateFiles() {
  return readdirSync(PACKAGE, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(fileURLToPath(PACKAGE).length))
    .map((file) => file.replaceAll(sep, '/'))
    .sort();
}

/** The types: `spaces.d.ts`, and the files that it exports all of. */
function types() {
  const text = read('spaces.d.ts', PACKAGE);
  const files = [...text.matchAll(/^export \* from '\.\/([\w/]+)\.js';$/gm)].map(
    ([, name]) => `${name}.d.ts`,
  );
  return [text, ...files.map((file) => read(file, PACKAGE))].join('\n');
}

/** The names of the types that are values. */
function declaredValues() {
  const names = types().matchAll(/^export (?:function|class|const) (\w+)/gm);
  return [...new Set([...names].map(([, name]) => name))].sort();
}

describe('exports', () => {
  const ENTRIES = ['index.js', 'index.node.js', 'index.workerd.js', 'inline.js'];

  for (const entry of ENTRIES) {
    test(`${entry} exports what the types declare, by name and as spaces`, async () => {
      const realm = bareRealm();
      // To name a module of Node's is no work; what it holds is not touched.
      vm.runInContext('globalThis.require = (name) => Object.freeze({ name })', realm);
      vm.runInContext(await bundle(entry), realm);
      const exported = vm.runInContext('Object.keys(bundled)', realm);
      const inNamespace = vm.runInContext('Object.keys(bundled.spaces)', realm);
      assert.deepEqual([...exported].sort(), [...declaredValues(), 'spaces'].sort());
      assert.deepEqual([...inNamespace].sort(), declaredValues());
    });
  }

  test('both import forms resolve for every condition, and types come first', () => {
    const { exports } = JSON.parse(read('package.json', PACKAGE));
    for (const path of ['.', './spaces']) {
      const conditions = Object.keys(exports[path]);
      assert.deepEqual(conditions, ['types', 'workerd', 'node', 'browser', 'default']);
      for (const file of Object.values(exports[path])) {
        assert.ok(existsSync(new URL(file, PACKAGE)), file);
      }
    }
    assert.equal(exports['./client.wasm'], `./${BUILT_FILES[1]}`);
  });

  test('every file of the package is published, and imports only what is', () => {
    const files = templateFiles();
    const { files: patterns } = JSON.parse(read('package.json', PACKAGE));
    // The sources of the program in bin/ are no part of the package.
    for (const file of files.filter((name) => name !== 'package.json' && !name.startsWith('cli/'))) {
      const [folder, name] = file.includes('/') ? file.split('/') : [undefined, file];
      const isNamed = patterns.includes(folder ?? name);
      assert.ok(isNamed || (!folder && patterns.includes(name.replace(/^.*?(?=(?:\.d)?\.\w+$)/, '*'))), file);
    }
    for (const file of files.filter((name) => name.endsWith('.js'))) {
      for (const [, path] of read(file, PACKAGE).matchAll(/(?:from |import\(|^import )'(\.[^']+)'/gm)) {
        const imported = normalize(join(dirname(file), path)).replaceAll(sep, '/');
        assert.ok(files.includes(imported) || BUILT_FILES.includes(imported), `${file} imports ${path}`);
      }
    }
  });

  test('the package depends on nothing: what comes from another package is bundled in, with its licence', async () => {
    const { dependencies, peerDependencies, peerDependenciesMeta } = JSON.parse(
      read('package.json', PACKAGE),
    );
    assert.equal(dependencies, undefined);
    assert.deepEqual(
      Object.keys(peerDependencies).filter((peer) => !peerDependenciesMeta[peer].optional),
      [],
    );
    const importers = templateFiles().filter((name) => {
      const [folder] = name.split('/');
      const imported = [...read(name, PACKAGE).matchAll(/(?:from |import\()'(?!\.|#|node:)([^'/]+)/g)];
      // An adapter imports what it adapts, and nothing else does.
      // The package's own name is how it finds itself.
      // The command line's sources are bundled into one program, with what they import.
      return (
        folder !== 'cli' &&
        name.endsWith('.js') &&
        imported.some(([, other]) => ![folder, 'kuratchi-spaces'].includes(other))
      );
    });
    assert.deepEqual(importers, ['outbox-database.js']);
    const folder = mkdtempSync(join(tmpdir(), 'kuratchi-template-'));
    try {
      await copyTemplate(folder);
      assert.deepEqual(readdirSync(folder).sort(), readdirSync(PACKAGE).sort());
      const bundled = readFileSync(join(folder, 'outbox-database.js'), 'utf8');
      assert.match(bundled, /ISC License[\s\S]+Copyright \(c\) 2016, Jake Archibald/);
      assert.doesNotMatch(bundled, /^import |import\(/m);
      assert.match(bundled, /OutboxDatabase,\s+hasIndexedDb/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('importing', () => {
  test('in Node it starts nothing, and so does making a client', () => {
    // In a process of its own: the runner's comes with timers and pipes.
    const script = `
      // Not what reading a module and printing take.
      const held = () => process.getActiveResourcesInfo().filter((kind) => !/Pipe|TTY|CloseReq/.test(kind)).length;
      const { client, spaces } = await import(${JSON.stringify(new URL('index.node.js', PACKAGE))});
      const made = client({ spaceId: 'a', workerUrl: 'https://a.example' });
      console.log(held(), made.isConnected(), spaces.client === client);`;
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      encoding: 'utf8',
      timeout: 20_000,
    });
    assert.equal(stdout, '0 false true\n', stderr);
  });

  test('a server that only mints tokens carries no client', async () => {
    const text = await bundle('index.node.js', {
      stdin: {
        contents: "export { generateToken } from './index.node.js'",
        resolveDir: fileURLToPath(PACKAGE),
      },
      entryPoints: undefined,
      format: 'esm',
      globalName: undefined,
      minify: true,
    });
    assert.doesNotMatch(text, /SpaceCore|_bg\.wasm/);
  });
});

test('process_is_not_defined_breaks_nothing_in_a_browser', async () => {
  const realm = bareRealm();
  vm.runInContext(await bundle('index.js'), realm);
  const empty = vm.runInContext('JSON.stringify(bundled.getSpacesEnvironment())', realm);
  assert.deepEqual(JSON.parse(empty), { workerUrl: '', gatewayKey: '' });
  const said = vm.runInContext(
    "try { bundled.client({ spaceId: 'a' }) } catch (error) { error.message }",
    realm,
  );
  assert.equal(said, 'workerUrl is required or set KURATCHI_SPACES_WORKER_URL');
});

test('the code union of the types is the Rust tables and the codes that JavaScript adds', () => {
  const union = types().match(/export type ChatErrorCode =([^;]+);/)[1];
  const declared = [...union.matchAll(/'(\w+)'/g)].map(([, code]) => code);
  const serverTable = read('crates/protocol/src/codes.rs').match(/\nerror_codes! \{([\s\S]+?)\n\}/)[1];
  const server = [...serverTable.matchAll(/=> "(\w+)", \d{3};/g)].map(([, code]) => code);
  const clientTable = read('crates/client-core/src/error.rs').match(/fn as_str[\s\S]+?\n {4}\}/)[0];
  const client = [...clientTable.matchAll(/=> "(\w+)"/g)].map(([, code]) => code);
  assert.ok(server.length > 20 && client.length > 5, 'the tables are where they were');
  const scripts = readdirSync(PACKAGE).filter((name) => name.endsWith('.js'));
  const own = scripts.flatMap((name) => [...read(name, PACKAGE).matchAll(/\bcode: '(\w+)'/g)]);
  const expected = new Set([...server, ...client, ...own.map(([, code]) => code)]);
  assert.equal(new Set(declared).size, declared.length, 'no code stands twice');
  assert.deepEqual([...declared].sort(), [...expected].sort());
});

test('every exported type, function and member is explained by an example', () => {
  const lines = types().split('\n');
  let comment = '';
  const bare = [];
  for (const line of lines) {
    if (line.trimStart().startsWith('/**')) {
      comment = '';
    }
    if (/^\s*(?:\/\*\*|\*)/.test(line)) {
      comment += line;
    } else if (/^(?:export (?!\*)|\s{2}(?:readonly )?(?:\w+|\[Symbol\.dispose\])[?<(:])/.test(line)) {
      if (!comment.includes('@example')) {
        bare.push(line);
      }
      comment = '';
    }
  }
  assert.deepEqual(bare, []);
});
