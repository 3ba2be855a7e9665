/**
 * Builds: the client for development, the Worker, and the npm package.
 *
 * Owns what goes into `.build/` and `pkg/`. Each output is made in a temporary folder and swapped in when it
 * is complete; one whose inputs did not change is left alone.
 */
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { withLock } from './cache.mjs';
import { EMBEDDED_SOURCE, embedWasm } from './embedded.mjs';
import { bin } from './modules.mjs';
import { addParts, partsInputs, shareWithAll } from './package-parts.mjs';
import {
  BUILD,
  CLIENT_STEM,
  CRATES,
  PKG,
  PKG_DEV,
  PKG_TEMPLATE,
  ROOT,
  TARBALL,
  WORKER,
  WORKER_TEST,
} from './paths.mjs';
import { onInterrupt, run, UserError } from './process.mjs';
import { requireWasmCargo, WASM_TARGET } from './toolchain.mjs';
import { wasmBindgen, wasmPack, withTools } from './tools.mjs';

const STAMP = '.built-from';
const WORKER_SCRIPTS = [
  'answers.js',
  'entry.js',
  'first-version.js',
  'instance.js',
  'places.js',
  'turned-away.js',
].map((name) => join(ROOT, 'crates', 'worker', name));
/** The one module of the package that imports another package, and that package. */
const BUNDLED = 'outbox-database.js';
const IDB = join(ROOT, 'node_modules', 'idb');

/**
 * What rustc emits by default; the list must name no more, or engines that lack the rest refuse the module.
 */
const WASM_FEATURES = [
  'bulk-memory',
  'multivalue',
  'mutable-globals',
  'nontrapping-float-to-int',
  'reference-types',
  'sign-ext',
];

/** Builds the client into `.build/pkg-dev`: Wasm and glue, with `pkg-template` over them, and the Worker that it brings. */
export function buildClient() {
  return locked(async () => {
    const wasm = await cargoWasm(['--release', '-p', CRATES.client]);
    await buildWorker();
    const inputs = [wasm, ...files(PKG_TEMPLATE), ...files(IDB), EMBEDDED_SOURCE, ...partsInputs()];
    return produce(PKG_DEV, fingerprint(['client', wasmBindgen().version], inputs), async (folder) => {
      await bindgen(wasm, folder, [
        ...['--target', 'web', '--no-typescript', '--out-name', CLIENT_STEM],
        // The entries say where the Wasm is; the glue's own guess would make bundlers ship the file twice.
        '--omit-default-module-path',
      ]);
      await copyTemplate(folder);
      await embedWasm(folder);
      await addParts(folder);
    });
  });
}

/**
 * Builds the Worker into `.build/worker`, or with the cargo feature `test-hooks` into `.build/worker-test`.
 *
 * The same steps as Cloudflare's `worker-build`, without installing it: wasm-bindgen for a module, our own
 * entry beside its glue, one bundle, and the Wasm imported as workerd wants it.
 */
export function buildWorker({ testHooks = false } = {}) {
  return locked(async () => {
    const features = testHooks ? ['--features', 'test-hooks'] : [];
    const wasm = await cargoWasm(['--profile', 'worker', '-p', CRATES.worker, ...features]);
    const id = fingerprint(['worker', wasmBindgen().version], [wasm, ...WORKER_SCRIPTS]);
    return produce(testHooks ? WORKER_TEST : WORKER, id, async (folder) => {
      const stage = join(folder, 'stage');
      await bindgen(wasm, stage, [
        ...['--target', 'module', '--no-typescript', '--out-name', 'index'],
        // Lets the entry make a fresh instance after a panic: see crates/worker/instance.js.
        ...['--experimental-reset-state-function', '--force-enable-abort-handler'],
      ]);
      for (const script of WORKER_SCRIPTS) cpSync(script, join(stage, basename(script)));
      await bundleWorker(stage, join(folder, 'index.js'));
      renameSync(join(stage, 'index_bg.wasm'), join(folder, 'index_bg.wasm'));
      rmSync(stage, { recursive: true });
    });
  });
}

/** Bundles `stage/entry.js` and the glue beside it into one module that imports `./index_bg.wasm`. */
export async function bundleWorker(stage, output) {
  await run(
    bin('esbuild'),
    [
      'entry.js',
      '--bundle',
      '--format=esm',
      '--minify',
      '--external:./index_bg.wasm',
      '--external:cloudflare:*',
      '--log-level=warning',
      `--outfile=${output}`,
    ],
    { cwd: stage },
  );
  // workerd takes a compiled module from a plain import; it does not know source phase imports.
  writeFileSync(output, readFileSync(output, 'utf8').replaceAll(/\bimport source\s+/g, 'import '));
}

/** Builds the npm package into `pkg/`: wasm-pack's output, optimised, with `pkg-template` over it. */
export function buildPackage() {
  return locked(async () => {
    if (!existsSync(join(PKG_TEMPLATE, 'package.json'))) {
      throw new UserError('pkg-template/package.json is missing: it is the package.json of the npm package.');
    }
    await buildWorker();
    await produce(PKG, undefined, async (folder) => {
      const { env } = requireWasmCargo();
      const stage = join(folder, 'stage');
      const args = ['build', ROOT, '--mode', 'no-install', '--release', '--target', 'web', '--no-typescript'];
      await run(
        wasmPack().program,
        [
          ...[...args, '--no-pack', '--no-opt', '--out-dir', stage, '--out-name', CLIENT_STEM],
          // Cargo would build the workspace's default members, which the root package is not one of.
          ...['--', '-p', CRATES.client],
        ],
        { cwd: ROOT, env: withTools(env, wasmBindgen()) },
      );
      // Not all of wasm-pack's output belongs into the package: its package.json and .gitignore do not.
      await optimise(join(stage, `${CLIENT_STEM}_bg.wasm`), join(folder, `${CLIENT_STEM}_bg.wasm`));
      renameSync(join(stage, `${CLIENT_STEM}.js`), join(folder, `${CLIENT_STEM}.js`));
      if (existsSync(join(stage, 'snippets'))) renameSync(join(stage, 'snippets'), join(folder, 'snippets'));
      rmSync(stage, { recursive: true });
      await copyTemplate(folder);
      await embedWasm(folder);
      await addParts(folder);
      cpSync(join(ROOT, 'LICENSE'), join(folder, 'LICENSE'));
    });
  });
}

/** Packs `pkg/` into the tarball that other projects install, and that `npm publish` would upload. */
export async function packPackage() {
  const folder = mkdtempSync(join(BUILD, '.new-tarball-'));
  try {
    await run('npm', ['pack', PKG, '--pack-destination', folder, '--loglevel=error'], { cwd: ROOT });
    const [name] = readdirSync(folder);
    renameSync(join(folder, name), TARBALL);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return relative(ROOT, TARBALL);
}

/**
 * Puts the hand-written half of the package into `folder`. What it imports from another package comes along inside,
 * with its licence: the package depends on nothing, and runs unbundled in a page.
 */
export async function copyTemplate(folder) {
  cpSync(PKG_TEMPLATE, folder, { recursive: true });
  const licence = readFileSync(join(IDB, 'LICENSE'), 'utf8').trim();
  await run(
    bin('esbuild'),
    [
      join(PKG_TEMPLATE, BUNDLED),
      ...['--bundle', '--format=esm', '--target=es2022', '--log-level=warning'],
      `--banner:js=/*!\nContains idb.\n\n${licence}\n*/`,
      ...[`--outfile=${join(folder, BUNDLED)}`, '--allow-overwrite'],
    ],
    { cwd: ROOT },
  );
}

async function optimise(input, output) {
  // Stripping belongs here and not into the cargo profile: wasm-bindgen reads what it would remove.
  await run(bin('wasm-opt'), [
    ...['-Oz', '--strip-debug', '--strip-producers', '--strip-target-features'],
    ...WASM_FEATURES.map((name) => `--enable-${name}`),
    ...[input, '-o', output],
  ]);
}

async function bindgen(wasm, folder, args) {
  await run(wasmBindgen().program, [wasm, '--out-dir', folder, ...args]);
}

/** Runs `cargo build` for Wasm and returns the path of the module that it made. */
async function cargoWasm(args) {
  const { cargo, env } = requireWasmCargo();
  const flags = ['build', '--target', WASM_TARGET, '--message-format', 'json-render-diagnostics', ...args];
  let module;
  await run(cargo, flags, {
    cwd: ROOT,
    env,
    label: `cargo build ${args.join(' ')}`,
    isData: (line) => line.startsWith('{"reason":'),
    onLine(line) {
      if (!line.startsWith('{"reason":"compiler-artifact"')) return;
      const { filenames, target } = JSON.parse(line);
      if (target.kind.includes('cdylib')) module = filenames.find((name) => name.endsWith('.wasm')) ?? module;
    },
  });
  if (!module) throw new Error(`cargo build ${args.join(' ')} made no .wasm file: is its crate-type cdylib?`);
  return module;
}

/**
 * Lets `make(folder)` fill a fresh folder and puts that in place of `output`, unless `output` already is what
 * `id` stands for. Returns a text for the step's closing line.
 */
async function produce(output, id, make) {
  const stamp = join(output, STAMP);
  if (id && existsSync(stamp) && readFileSync(stamp, 'utf8') === id) return 'unchanged';
  mkdirSync(BUILD, { recursive: true });
  const temporary = mkdtempSync(join(BUILD, `.new-${basename(output)}-`));
  const forget = onInterrupt(() => rmSync(temporary, { recursive: true, force: true }));
  try {
    await make(temporary);
    if (id) writeFileSync(join(temporary, STAMP), id);
    // A temporary folder is its owner's alone; a package is for everybody.
    shareWithAll(temporary);
    const old = `${temporary}-old`;
    if (existsSync(output)) renameSync(output, old);
    renameSync(temporary, output);
    rmSync(old, { recursive: true, force: true });
  } finally {
    rmSync(temporary, { recursive: true, force: true });
    forget();
  }
  return relative(ROOT, output);
}

/** One builder at a time in a clone: `npm start` and `npm test` share the outputs. */
function locked(fn) {
  return withLock(join(BUILD, 'build.lock'), fn);
}

function fingerprint(words, inputs) {
  const hash = createHash('sha256').update(JSON.stringify(words));
  // This file is an input, too: it decides how the others are put together.
  for (const file of [...inputs, fileURLToPath(import.meta.url)]) {
    const contents = readFileSync(file);
    hash.update(`\n${file} ${contents.length}\n`).update(contents);
  }
  return hash.digest('hex');
}

function files(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .sort();
}
