/**
 * The Wasm in Cloudflare Workers: compiled when the Worker is uploaded, and never from bytes.
 *
 * Owns the import. Must not know who needs it.
 */

import wasmModule from './kuratchi_spaces_bg.wasm';

/** @type {import('./engine.js').Origin} */
export const uploaded = { module: () => wasmModule };
