/**
 * Settings from environment variables.
 *
 * Owns which variable holds which setting, and what an app is told when one is missing. Must not know what
 * the settings are used for. Nothing is read at import; where there are no variables (in a browser) every
 * setting is empty.
 */

import { ChatError } from './errors.js';

const SCRIPT_NAME_DEFAULT = 'kuratchi-spaces';

/** For each setting, the variable that an error text names. */
const VARIABLE_OF = {
  workerUrl: 'KURATCHI_SPACES_WORKER_URL',
  gatewayKey: 'KURATCHI_SPACES_GATEWAY_KEY',
  accountId: 'CLOUDFLARE_ACCOUNT_ID',
  apiToken: 'CLOUDFLARE_API_TOKEN',
};

/**
 * Reads one environment variable.
 *
 * The host object is held in a variable first: some bundlers replace the usual spelling textually, in part or
 * with an empty object, and code that never spells it is left alone by all of them. A host may also refuse
 * access by throwing (Deno without permission), which reads as "not set".
 *
 * @param {string} name
 * @returns {string} The value; empty when it is not set.
 */
export function readVariable(name) {
  try {
    const host = globalThis.process;
    const value = host?.env?.[name];
    return typeof value === 'string' ? value : '';
  } catch {
    return '';
  }
}

function readGatewayKey() {
  return readVariable('KURATCHI_GATEWAY_KEY') || readVariable('KURATCHI_SPACES_GATEWAY_KEY');
}

/**
 * The settings that clients and token minting need. What is not set is an empty string.
 *
 * @returns {{workerUrl: string, gatewayKey: string}}
 */
export function getSpacesEnvironment() {
  return {
    workerUrl: readVariable('KURATCHI_SPACES_WORKER_URL'),
    gatewayKey: readGatewayKey(),
  };
}

/**
 * The settings that deployment needs. What is not set is an empty string, but for the script's name.
 *
 * @returns {{accountId: string, apiToken: string, gatewayKey: string, scriptName: string}}
 */
export function getDoEnvironment() {
  return {
    accountId: readVariable('CLOUDFLARE_ACCOUNT_ID'),
    apiToken: readVariable('CLOUDFLARE_API_TOKEN'),
    gatewayKey: readGatewayKey(),
    scriptName: readVariable('KURATCHI_SPACES_SCRIPT_NAME') || SCRIPT_NAME_DEFAULT,
  };
}

/**
 * Throws unless `config` holds all that {@link getSpacesEnvironment} reads.
 *
 * @param {{workerUrl?: string, gatewayKey?: string}} config
 * @throws {ChatError} `invalidArgument`, naming every setting that is missing.
 */
export function validateSpacesEnvironment(config) {
  requireSettings(config, ['workerUrl', 'gatewayKey']);
}

/**
 * Throws unless `config` holds what a deployment can not do without.
 *
 * @param {{accountId?: string, apiToken?: string, gatewayKey?: string}} config
 * @throws {ChatError} `invalidArgument`, naming every setting that is missing.
 */
export function validateDoEnvironment(config) {
  requireSettings(config, ['accountId', 'apiToken', 'gatewayKey']);
}

/**
 * The error for one setting that is neither given nor set.
 *
 * @param {'workerUrl' | 'gatewayKey' | 'accountId' | 'apiToken'} field
 * @returns {ChatError}
 */
export function missingSetting(field) {
  return new ChatError(missingText(field), { code: 'invalidArgument', field });
}

/**
 * The error for a token that is to be signed without a key. Apps look for its text as it is; what helps stands in its cause, which
 * runtimes print below it.
 *
 * @returns {ChatError}
 */
export function missingKey() {
  const cure =
    'KURATCHI_GATEWAY_KEY is read first. For development `npx kuratchi-spaces dev --write-env .env.local` writes one to a file. ' +
    'Vite and SvelteKit do not put that file into process.env: pass gatewayKey there; Node does with --env-file=.env.local.';
  return new ChatError(missingText('gatewayKey'), {
    code: 'invalidArgument',
    field: 'gatewayKey',
    cause: new Error(cure),
  });
}

function missingText(field) {
  return `${field} is required or set ${VARIABLE_OF[field]}`;
}

function requireSettings(config, fields) {
  if (config === null || typeof config !== 'object') {
    throw new ChatError('config must be an object', { code: 'invalidArgument', field: 'config' });
  }
  const wrong = fields.filter((field) => typeof config[field] !== 'string' || config[field] === '');
  if (wrong.length === 0) {
    return;
  }
  const texts = wrong.map((field) => (config[field] ? `${field} must be a string` : missingText(field)));
  throw new ChatError(texts.join('; '), { code: 'invalidArgument', field: wrong[0] });
}
