/**
 * The Worker, as the package brings it: a module of JavaScript and the Wasm that it imports.
 *
 * Owns where its files are and under which names and types they are uploaded. Must not know to whom. The files are
 * read when they are asked for and not at import.
 */

import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { ChatError } from '../errors.js';

/** The module that the runtime starts with. */
export const MAIN_MODULE = 'index.js';

const TYPE_OF = {
  [MAIN_MODULE]: 'application/javascript+module',
  'index_bg.wasm': 'application/wasm',
};

const NOT_ALONE = `/*
 * The entry module of the Kuratchi Spaces Worker. It is not enough alone: it imports the WebAssembly module
 * "./index_bg.wasm", which is no text. getWorkerModules() gives both, and deploy() uploads them.
 */
`;

/**
 * All modules of the Worker, the entry module first.
 *
 * @returns {{name: string, type: string, content: string | Uint8Array}[]}
 * @throws {ChatError} `unsupported` where the files are not beside this module.
 */
export function getWorkerModules() {
  return Object.entries(TYPE_OF).map(([name, type]) => {
    const bytes = readModule(name);
    return { name, type, content: name === MAIN_MODULE ? bytes.toString('utf8') : new Uint8Array(bytes) };
  });
}

/**
 * The text of the entry module, with a comment that says what it lacks.
 *
 * @returns {string}
 * @throws {ChatError} `unsupported` where the file is not beside this module.
 */
export function getWorkerScript() {
  return NOT_ALONE + readModule(MAIN_MODULE).toString('utf8');
}

function readModule(name) {
  // Not `new URL('../worker/…', import.meta.url)`: bundlers take that for an asset and copy the file into an app.
  const folder = join(dirname(fileURLToPath(import.meta.url)), '..', 'worker');
  try {
    return readFileSync(join(folder, name));
  } catch (cause) {
    throw new ChatError(
      `the Worker's file worker/${name} is not beside this module: a bundler has moved the module without it, or ` +
        'the installation is broken; keep kuratchi-spaces out of the bundle (in Next: serverExternalPackages), or ' +
        'install it again',
      { code: 'unsupported', cause },
    );
  }
}
