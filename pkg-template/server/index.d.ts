/**
 * For servers: tokens and deployment, without the client.
 *
 * @packageDocumentation
 */

export * from '../environment.js';
export * from '../errors.js';
export * from '../tokens.js';
export * from './deploy.js';
