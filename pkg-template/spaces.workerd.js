/**
 * The package's API in Cloudflare Workers.
 *
 * Owns the list of names, and which Wasm they bring. Must not know what the client does with it.
 */

import { byDefault } from './engine.js';
import * as space from './space.js';
import { uploaded } from './wasm.uploaded.js';

export * from './everywhere.js';
export * from './server/elsewhere.js';

// What nobody uses is left out by bundlers, with the Wasm.
export const KuratchiSpaceClient = /* @__PURE__ */ byDefault(uploaded, space.KuratchiSpaceClient);
export const client = /* @__PURE__ */ byDefault(uploaded, space.client);
