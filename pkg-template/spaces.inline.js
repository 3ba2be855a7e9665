/**
 * The package's API with the Wasm embedded: for bundlers and hosts that lose files beside the JavaScript.
 *
 * Owns that it decides for the hooks and the other entries as well. Must not know what the client does with it.
 */

// Made by the build: the Wasm file as base64.
import { CLIENT_WASM } from './client-wasm.js';
import { decide } from './engine.js';
import * as glue from './kuratchi_spaces.js';
import { compileEmbedded } from './loader.js';

export * from './everywhere.js';
export * from './server/elsewhere.js';
export { client, KuratchiSpaceClient } from './space.js';

decide({ module: () => compileEmbedded(CLIENT_WASM), glue: () => glue });
