/**
 * Entry for Node, Deno and Bun.
 *
 * Owns the two ways to import: every name by itself, and all of them as `spaces`. Must not hold anything else.
 */

export * from './spaces.node.js';
export * as spaces from './spaces.node.js';
