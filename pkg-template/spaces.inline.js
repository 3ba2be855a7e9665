/**
 * The package's API with the Wasm embedded: for bundlers and hosts that lose files beside the JavaScript.
 *
 * Owns where the Wasm comes from. Must not know what the client does with it.
 */

import { SpaceClient } from './client.js';
// Made by the build: the Wasm file as base64.
import { CLIENT_WASM } from './client-wasm.js';
import * as glue from './kuratchi_spaces.js';
import { compileEmbedded, createEngine } from './loader.js';

export * from './everywhere.js';
export * from './server/elsewhere.js';

const engine = /* @__PURE__ */ createEngine(
  () => compileEmbedded(CLIENT_WASM),
  () => glue,
);

export class KuratchiSpaceClient extends SpaceClient {
  constructor(config) {
    super(config, engine);
  }
}

export function client(config) {
  return new KuratchiSpaceClient(config);
}
