/**
 * Where things are: folders of the clone, the cache outside it, and the pinned versions.
 *
 * Owns every path that two scripts share. Knows nothing about how the files get there.
 */
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Root of the clone. */
export const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..');
/** Build output that is not a package: ignored by git, safe to delete. */
export const BUILD = join(ROOT, '.build');
/** The client as `npm start` and the tests load it: Wasm, glue and the hand-written half. */
export const PKG_DEV = join(BUILD, 'pkg-dev');
/** The Worker as `npm start` runs it: `index.js` and `index_bg.wasm`. */
export const WORKER = join(BUILD, 'worker');
/** The Worker with the cargo feature `test-hooks`. */
export const WORKER_TEST = join(BUILD, 'worker-test');
/** The npm package that `npm run build` makes. */
export const PKG = join(ROOT, 'pkg');
/** The same as one file, which other projects install. */
export const TARBALL = join(ROOT, 'kuratchi-spaces.tgz');
/** The hand-written half of the npm package. */
export const PKG_TEMPLATE = join(ROOT, 'pkg-template');
/** Local data of `npm start`: the spaces' SQLite files and the generated gateway key. */
export const LOCAL_DATA = join(ROOT, '.kuratchi');

/** Cargo package names of the workspace. */
export const CRATES = Object.freeze({
  client: 'kuratchi-spaces-client',
  protocol: 'kuratchi-protocol',
  clientCore: 'kuratchi-client-core',
  roomCore: 'kuratchi-room-core',
  worker: 'kuratchi-worker',
  sim: 'kuratchi-sim',
});

/** File stem of the client's Wasm and glue: `<stem>_bg.wasm`, `<stem>.js`. */
export const CLIENT_STEM = 'kuratchi_spaces';

/** Folder for tools, shared by all clones: one sub-folder per tool and version. */
export function cacheDir() {
  const named = process.env.KURATCHI_CACHE_DIR;
  if (named) return resolve(named);
  const base = process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
  return join(base, 'kuratchi-spaces');
}

/** Contents of `scripts/versions.json`. */
export const VERSIONS = JSON.parse(readFileSync(join(ROOT, 'scripts', 'versions.json'), 'utf8'));

/** The wasm-bindgen version that Cargo.toml pins with `wasm-bindgen = "=x.y.z"`. */
export function wasmBindgenVersion() {
  return parseWasmBindgenPin(readFileSync(join(ROOT, 'Cargo.toml'), 'utf8'));
}

/** Reads the pin out of a Cargo.toml's text. */
export function parseWasmBindgenPin(toml) {
  const pin = /^wasm-bindgen\s*=\s*(?:"=|\{[^}\n]*version\s*=\s*"=)(\d+\.\d+\.\d+)"/m.exec(toml);
  if (!pin) {
    throw new Error('Cargo.toml does not pin wasm-bindgen: expected a line wasm-bindgen = "=x.y.z"');
  }
  return pin[1];
}
