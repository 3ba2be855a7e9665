/**
 * The Wasm in browsers: a file beside the JavaScript.
 *
 * Owns its address, and what a development server takes that has lost the file. Must not know who needs it.
 */

import { fetchModule } from './loader.js';

/** @type {import('./engine.js').Origin} */
export const fetched = {
  module: () =>
    fetchModule(
      // The URL is spelled so that bundlers find the file and take it along.
      new URL('./kuratchi_spaces_bg.wasm', import.meta.url).href,
      importEmbedded,
    ),
};

/**
 * The copy inside the JavaScript, in development alone: there Vite before version 8 moves this module and leaves the file
 * behind. What is built for people would only grow by it, so bundlers have to see that it is out of reach there.
 */
async function importEmbedded() {
  try {
    if (process.env.NODE_ENV !== 'production') {
      return await import('./client-wasm.js');
    }
  } catch {
    // Without a bundler there is no `process`, and the file lies where the package has it.
  }
  return {};
}
