/**
 * The package's API in Node, Deno and Bun.
 *
 * Owns where the Wasm comes from there. Must not know what the client does with it.
 */

import { SpaceClient } from './client.js';
import { compileBytes, createEngine } from './loader.js';

export * from './everywhere.js';
export * from './server/deploy.js';

const engine = /* @__PURE__ */ createEngine(async () => {
  // Node's modules are loaded here and not at the top, because importing the package does nothing.
  const { readFile } = await import('node:fs/promises');
  const file = new URL('./kuratchi_spaces_bg.wasm', import.meta.url);
  return compileBytes(await readFile(file).catch(embedded));
});

/** Bundlers for servers move this module and leave the file behind; what it imports they take along. */
async function embedded() {
  const { CLIENT_WASM } = await import('./client-wasm.js');
  return Buffer.from(CLIENT_WASM, 'base64');
}

export class KuratchiSpaceClient extends SpaceClient {
  constructor(config) {
    super(config, engine);
  }
}

export function client(config) {
  return new KuratchiSpaceClient(config);
}
