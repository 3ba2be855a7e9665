/**
 * The one Wasm instance that all clients of a page or a process share.
 *
 * Owns where its module comes from: each entry has a default for its environment, and `kuratchi-spaces/inline` decides for
 * all of them, whichever is imported first. Nothing is loaded before the first client asks. Must not know clients.
 */

import { createEngine } from './loader.js';

/**
 * @typedef {object} Origin
 * @property {() => WebAssembly.Module | Promise<WebAssembly.Module>} module Gives the compiled module.
 * @property {() => object | Promise<object>} [glue] Gives wasm-bindgen's glue, where it is no file of its own.
 */

/** @type {Origin} */
let origin;

export const engine = /* @__PURE__ */ createEngine(
  () => origin.module(),
  () => (origin.glue ?? importGlue)(),
);

const importGlue = () => import('./kuratchi_spaces.js');

/**
 * Has the module come from here, unless that is decided already. Gives `value`: an entry whose names are not used brings nothing.
 *
 * @template T
 * @param {Origin} own
 * @param {T} [value]
 */
export function byDefault(own, value) {
  origin ??= own;
  return value;
}

/**
 * Has the module come from here, whatever entries have besides.
 *
 * @param {Origin} own
 */
export function decide(own) {
  origin = own;
}
