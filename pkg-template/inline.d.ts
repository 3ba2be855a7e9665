/**
 * The same names with the Wasm embedded: `import { client } from 'kuratchi-spaces/inline'`. The hooks use it as well:
 * `import 'kuratchi-spaces/inline'` anywhere in the app is enough.
 */
export * from './index.js';
