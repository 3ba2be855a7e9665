/**
 * Versions that must agree: wasm-bindgen's crate and its CLI, and the versions of workspace and packages.
 *
 * Run alone it prints what differs and ends with exit code 1.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PKG_TEMPLATE, ROOT, wasmBindgenVersion } from './lib/paths.mjs';
import { probe, runMain } from './lib/process.mjs';
import { wasmBindgen } from './lib/tools.mjs';

/** The version of a package in a Cargo.lock's text. */
export function lockedVersion(lock, name) {
  return new RegExp(`name = "${name}"\\nversion = "([^"]+)"`).exec(lock)?.[1];
}

/**
 * What differs among the versions of wasm-bindgen.
 *
 * @param {{ pinned: string, locked?: string, cli?: string }} versions `cli` is what the program says.
 * @returns {string[]} One sentence each.
 */
export function compareWasmBindgen({ pinned, locked, cli }) {
  const found = [];
  if (locked !== pinned) {
    found.push(
      `Cargo.lock has wasm-bindgen ${locked ?? '(none)'}, Cargo.toml pins ${pinned}: run cargo update`,
    );
  }
  const said = /\d+\.\d+\.\d+/.exec(cli ?? '')?.[0];
  if (said !== (locked ?? pinned)) {
    found.push(
      `the wasm-bindgen CLI is ${said ?? 'missing'}, Cargo.lock has ${locked ?? '(none)'}: "npm start" installs the right one`,
    );
  }
  return found;
}

/** Everything that differs, one sentence each. */
export function checkVersions() {
  const found = compareWasmBindgen({
    pinned: wasmBindgenVersion(),
    locked: lockedVersion(readFileSync(join(ROOT, 'Cargo.lock'), 'utf8'), 'wasm-bindgen'),
    cli: probe(wasmBindgen().program, ['--version']),
  });
  const workspace = /\[workspace\.package\][^[]*?\nversion = "([^"]+)"/.exec(
    readFileSync(join(ROOT, 'Cargo.toml'), 'utf8'),
  )?.[1];
  for (const file of [join(ROOT, 'package.json'), join(PKG_TEMPLATE, 'package.json')]) {
    const version = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).version : undefined;
    if (version !== workspace)
      found.push(`${file} has version ${version ?? '(none)'}, Cargo.toml ${workspace}`);
  }
  return found;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  runMain(async () => {
    const found = checkVersions();
    for (const line of found) console.log(line);
    process.exit(found.length === 0 ? 0 : 1);
  });
}
