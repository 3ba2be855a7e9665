/**
 * Entry for Cloudflare Workers.
 *
 * Owns the two ways to import: every name by itself, and all of them as `spaces`. Must not hold anything else.
 */

export * from './spaces.workerd.js';
export * as spaces from './spaces.workerd.js';
