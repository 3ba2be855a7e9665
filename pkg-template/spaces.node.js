/**
 * The package's API in Node, Deno and Bun.
 *
 * Owns the list of names, and which Wasm they bring. Must not know what the client does with it.
 */

import { byDefault } from './engine.js';
import * as space from './space.js';
import { read } from './wasm.read.js';

export * from './everywhere.js';
export * from './server/deploy.js';

// What nobody uses is left out by bundlers, with the Wasm.
export const KuratchiSpaceClient = /* @__PURE__ */ byDefault(read, space.KuratchiSpaceClient);
export const client = /* @__PURE__ */ byDefault(read, space.client);
