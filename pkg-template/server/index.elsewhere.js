/**
 * Entry for servers that are Workers themselves, and for hosts that nothing else fits: tokens, and no deployment.
 *
 * Owns which names they get: the same as in Node. Must not hold anything else.
 */

export * from '../everywhere.js';
export * from './elsewhere.js';
