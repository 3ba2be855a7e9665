/**
 * Parts of the package that are built and not written: the Worker, and the command line in one file.
 *
 * Owns where they stand in the package, and who may read and run its files. `build.mjs` says when.
 */
import { chmodSync, cpSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PKG_TEMPLATE, ROOT, WORKER } from './paths.mjs';

const WORKER_FILES = ['index.js', 'index_bg.wasm'];
/** What `bin` of the package's package.json names. */
const PROGRAM = join('bin', 'kuratchi-spaces.js');
/** Packages of others that become part of the command line. */
const BUNDLED = ['commander', 'dotenv'];

/** Files that the parts are made of, besides those of `pkg-template`. */
export function partsInputs() {
  return [
    ...WORKER_FILES.map((name) => join(WORKER, name)),
    ...BUNDLED.map((name) => join(packageFolder(name), 'package.json')),
    fileURLToPath(import.meta.url),
  ];
}

/** Puts the parts into a package that has the hand-written half already. The Worker must have been built. */
export async function addParts(folder) {
  for (const name of WORKER_FILES) {
    mkdirSync(join(folder, 'worker'), { recursive: true });
    cpSync(join(WORKER, name), join(folder, 'worker', name));
  }
  await bundleCommandLine(join(folder, PROGRAM));
  // What the program reads beside itself.
  cpSync(join(folder, 'cli', 'runtimes'), join(folder, 'bin', 'runtimes'), { recursive: true });
  // The sources are in the program now.
  rmSync(join(folder, 'cli'), { recursive: true, force: true });
}

/**
 * One program of the command line's modules and of those of others, with their licences: the package depends on nothing.
 * What the package has anyway stays outside, and is found from `bin/` as it is from `cli/`.
 */
async function bundleCommandLine(output) {
  // Only now: it is a Node module, and may have been installed a moment ago.
  const { build } = await import('esbuild');
  const licences = BUNDLED.map((name) => {
    const licence = readFileSync(join(packageFolder(name), 'LICENSE'), 'utf8').trim();
    return `/*!\nContains ${name}.\n\n${licence}\n*/`;
  });
  await build({
    entryPoints: [join(PKG_TEMPLATE, 'cli', 'index.js')],
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    logLevel: 'warning',
    // Those of others are CommonJS and require Node's modules.
    banner: {
      js: 'import { createRequire as makeRequire } from "node:module"; const require = makeRequire(import.meta.url);',
    },
    footer: { js: licences.join('\n') },
    plugins: [
      {
        name: 'what-the-package-has',
        setup({ onResolve }) {
          onResolve({ filter: /^\.\.\// }, ({ path, importer }) =>
            importer.startsWith(PKG_TEMPLATE) ? { path, external: true } : undefined,
          );
        },
      },
    ],
    outfile: output,
  });
}

/**
 * Lets everybody read the files and run the program. What umask the builder and the clone had would be in the tarball
 * otherwise: another one for each, and perhaps one that only root can read when it is installed.
 */
export function shareWithAll(folder) {
  chmodSync(folder, 0o755);
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath ?? entry.path, entry.name);
    chmodSync(path, entry.isDirectory() || path === join(folder, PROGRAM) ? 0o755 : 0o644);
  }
}

function packageFolder(name) {
  return join(ROOT, 'node_modules', name);
}
