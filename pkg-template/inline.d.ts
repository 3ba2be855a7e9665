/** The same names with the Wasm embedded: `import { client } from 'kuratchi-spaces/inline'`. */
export * from './index.js';
