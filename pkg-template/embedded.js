/**
 * Stands in for `client-wasm.js` in what is built for people: there the Wasm is a file of its own, and a copy inside
 * the JavaScript would only be downloaded besides.
 *
 * Owns nothing, and must not.
 */

export const CLIENT_WASM = undefined;
