/**
 * The package's API in browsers.
 *
 * Owns where the Wasm comes from there. Must not know what the client does with it.
 */

import { SpaceClient } from './client.js';
import { createEngine, fetchModule } from './loader.js';

export * from './everywhere.js';
export * from './server/elsewhere.js';

const engine = /* @__PURE__ */ createEngine(() =>
  fetchModule(
    // The URL is spelled so that bundlers find the file and take it along.
    new URL('./kuratchi_spaces_bg.wasm', import.meta.url).href,
    // Vite moves this module and leaves the file behind; what it imports comes along. By the package's name, because
    // only so Vite before version 8 sees the condition `development`. Elsewhere there is nothing: see `exports`.
    () => import('kuratchi-spaces/embedded').catch(() => ({})),
  ),
);

export class KuratchiSpaceClient extends SpaceClient {
  constructor(config) {
    super(config, engine);
  }
}

export function client(config) {
  return new KuratchiSpaceClient(config);
}
