/**
 * `deploy()`: the Worker onto Cloudflare's network, in one call.
 *
 * Owns the shape of the result. Must not know how it is done; `deployment.js` does it.
 */

import { Deployment, readSettings, redact } from './deployment.js';

export { getWorkerModules, getWorkerScript } from './worker-modules.js';

/**
 * Deploys the Worker, or the newer version of it. Whatever goes wrong is told in the result.
 *
 * @param {object} [options] See `DeployOptions`.
 * @returns {Promise<{success: boolean, workerUrl?: string, scriptName?: string, verified?: boolean,
 *   misconfigured?: string[], error?: string}>}
 */
export async function deploy(options = {}) {
  let settings;
  try {
    settings = readSettings(options);
  } catch (error) {
    return { success: false, error: error.message };
  }
  const { apiToken, gatewayKey, scriptName, verbose } = settings;
  const say = verbose ? (text) => console.error(`kuratchi-spaces: ${text}`) : () => {};
  try {
    const deployment = new Deployment(settings, say);
    await deployment.survey();
    const workerUrl = await deployment.carryOut();
    const verified = await deployment.verify(workerUrl);
    const misconfigured = verified ? await deployment.misconfigured(workerUrl) : [];
    return {
      success: true,
      workerUrl,
      scriptName,
      verified,
      ...(misconfigured.length > 0 && { misconfigured }),
    };
  } catch (error) {
    const message = redact(error instanceof Error ? error.message : String(error), [apiToken, gatewayKey]);
    return { success: false, scriptName, error: message };
  }
}

export const deploySpacesWorker = deploy;
