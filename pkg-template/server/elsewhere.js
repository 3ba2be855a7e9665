/**
 * Deployment where it can not be: in browsers and in Workers.
 *
 * Owns the words that say so. The same names as `deploy.js`, so that every entry has the same exports and an app
 * that names one of them still loads.
 */

import { ChatError } from '../errors.js';

/** Gives, as everywhere, a result and no exception: what is wrong is not in the caller's hands. */
export async function deploy() {
  return { success: false, error: needsNode('deploy()').message };
}

export const deploySpacesWorker = deploy;

export function getWorkerModules() {
  throw needsNode('getWorkerModules()');
}

export function getWorkerScript() {
  throw needsNode('getWorkerScript()');
}

function needsNode(name) {
  return new ChatError(
    `${name} needs the Worker's files, which only Node, Deno and Bun can read: run it on a server, or use ` +
      '"npx kuratchi-spaces deploy"; an API token of Cloudflare must not get into a browser',
    { code: 'unsupported' },
  );
}
