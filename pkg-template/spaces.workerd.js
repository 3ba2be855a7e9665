/**
 * The package's API in Cloudflare Workers.
 *
 * Owns where the Wasm comes from there. Must not know what the client does with it.
 */

import { SpaceClient } from './client.js';
// Workers compile Wasm at upload and never from bytes.
import wasmModule from './kuratchi_spaces_bg.wasm';
import { createEngine } from './loader.js';

export * from './everywhere.js';
export * from './server/elsewhere.js';

const engine = /* @__PURE__ */ createEngine(() => wasmModule);

export class KuratchiSpaceClient extends SpaceClient {
  constructor(config) {
    super(config, engine);
  }
}

export function client(config) {
  return new KuratchiSpaceClient(config);
}
