/**
 * Realtime chat rooms: `import { client } from 'kuratchi-spaces'`, or `import { spaces } from 'kuratchi-spaces'`.
 *
 * Everything is declared, and explained, in `spaces.d.ts` and what it exports.
 */

export * from './spaces.js';
export * as spaces from './spaces.js';
