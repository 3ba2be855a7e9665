/**
 * Entry for servers: tokens and deployment, without the client.
 *
 * Owns which names a server gets. Must not hold anything else, and nothing that only browsers have.
 */

export * from '../everywhere.js';
export * from './deploy.js';
