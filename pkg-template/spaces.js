/**
 * The package's API in browsers.
 *
 * Owns where the Wasm comes from there. Must not know what the client does with it.
 */

import { SpaceClient } from './client.js';
import { createEngine, fetchModule } from './loader.js';

export * from './everywhere.js';
export * from './server/elsewhere.js';

// The URL is spelled so that bundlers find the file and take it along.
const engine = /* @__PURE__ */ createEngine(() =>
  fetchModule(new URL('./kuratchi_spaces_bg.wasm', import.meta.url).href),
);

export class KuratchiSpaceClient extends SpaceClient {
  constructor(config) {
    super(config, engine);
  }
}

export function client(config) {
  return new KuratchiSpaceClient(config);
}
