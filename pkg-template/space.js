/**
 * The client as apps make it.
 *
 * Owns that it runs on the engine that all share. Must not know where the Wasm comes from: entries do.
 */

import { SpaceClient } from './client.js';
import { engine } from './engine.js';

export class KuratchiSpaceClient extends SpaceClient {
  constructor(config) {
    super(config, engine);
  }
}

export function client(config) {
  return new KuratchiSpaceClient(config);
}
