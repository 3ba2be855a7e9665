/**
 * The Wasm in Node, Deno and Bun: a file of the package.
 *
 * Owns how it is read. Must not know who needs it.
 */

import { compileBytes } from './loader.js';

/** @type {import('./engine.js').Origin} */
export const read = {
  async module() {
    // Node's modules are loaded here and not at the top, because importing the package does nothing.
    const { readFile } = await import('node:fs/promises');
    const file = new URL('./kuratchi_spaces_bg.wasm', import.meta.url);
    return compileBytes(await readFile(file).catch(embedded));
  },
};

/** Bundlers for servers move this module and leave the file behind; what it imports they take along. */
async function embedded() {
  const { CLIENT_WASM } = await import('./client-wasm.js');
  return Buffer.from(CLIENT_WASM, 'base64');
}
