/**
 * Entry for browsers, and for hosts that nothing else fits.
 *
 * Owns the two ways to import: every name by itself, and all of them as `spaces`. Must not hold anything else.
 */

export * from './spaces.js';
export * as spaces from './spaces.js';
