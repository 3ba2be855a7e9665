/**
 * One deployment, step by step: what is there, what has to be done, and doing it.
 *
 * Owns the order of the requests and the address that comes of them. Reading comes first and changes nothing, so that
 * whatever is missing is told before anything is half done. Must not know whether a program or a person asked.
 */

import { getDoEnvironment, missingSetting } from '../environment.js';
import { ChatError } from '../errors.js';
import { CloudflareApi, CloudflareError } from './cloudflare-api.js';
import { fetchText } from './fetch-text.js';
import { isWrapped } from './gateway-key.js';
import { misconfigured } from './misconfigured.js';
import { droppedParts, isOurs, keptBindings, uploadMetadata } from './worker-metadata.js';
import { getWorkerModules } from './worker-modules.js';

const ACCOUNT_ID_PATTERN = /^[0-9a-f]{32}$/i;
const API_TOKEN_PATTERN = /^[!-~]+$/;
/** It becomes the first part of a host name. */
const SCRIPT_NAME_PATTERN = /^[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?$/;
/** Half of a surrogate pair has no bytes in UTF-8, and so no signature of its own. */
const LONE_SURROGATE_PATTERN = /\p{Cs}/u;
const ACCOUNTS_SHOWN_MAX = 5;

/** The API's codes for "no such script" and "no such environment of it". */
const SCRIPT_NOT_FOUND = [10007, 10090, 10092];
/** Its codes for an account that has no workers.dev subdomain. */
const NO_SUBDOMAIN = [10007, 10063];
/** Its code for a script that changed since it was read. */
const TAG_CHANGED = 10079;

const HEALTH_MS_MAX = 5_000;
/** A new address takes some seconds until every name server knows it. Half a minute in all. */
const HEALTH_PAUSES_MS = [0, 1_000, 2_000, 4_000, 8_000, 15_000];

/**
 * The settings of a deployment: what was given, else what the environment has.
 *
 * @returns {{accountId: string, apiToken: string, gatewayKey: string, scriptName: string, verbose: boolean,
 *   replace: boolean}}
 *   `accountId` may be empty: the API token may know it.
 * @throws {ChatError} `invalidArgument`, with the `field`.
 */
export function readSettings(options) {
  if (options === null || typeof options !== 'object') {
    throw invalid('options', 'must be an object');
  }
  const { verbose = false, replace = false } = options;
  for (const [field, value] of Object.entries({ verbose, replace })) {
    if (typeof value !== 'boolean') throw invalid(field, 'must be true or false');
  }
  const environment = getDoEnvironment();
  const settings = { verbose, replace };
  for (const field of ['accountId', 'apiToken', 'gatewayKey', 'scriptName']) {
    // An empty or absent option falls through to the environment: apps hand in variables that may not be set.
    const value = options[field] || environment[field];
    if (typeof value !== 'string') throw invalid(field, 'must be a string');
    settings[field] = value;
  }
  const missing = ['apiToken', 'gatewayKey'].filter((field) => !settings[field]);
  if (missing.length > 0) {
    const texts = missing.map((field) => missingSetting(field).message);
    throw new ChatError(texts.join('; '), { code: 'invalidArgument', field: missing[0] });
  }
  if (settings.accountId && !ACCOUNT_ID_PATTERN.test(settings.accountId)) {
    throw invalid('accountId', 'must be the 32 hexadecimal digits of the account (CLOUDFLARE_ACCOUNT_ID)');
  }
  if (!API_TOKEN_PATTERN.test(settings.apiToken)) {
    throw invalid('apiToken', 'must be visible ASCII without blanks and line breaks (CLOUDFLARE_API_TOKEN)');
  }
  if (LONE_SURROGATE_PATTERN.test(settings.gatewayKey)) {
    throw invalid('gatewayKey', 'must be well-formed Unicode (KURATCHI_GATEWAY_KEY)');
  }
  if (isWrapped(settings.gatewayKey)) {
    throw invalid(
      'gatewayKey',
      'must have no blanks, line breaks or quotes around it, which would be part of the key (KURATCHI_GATEWAY_KEY)',
    );
  }
  if (!SCRIPT_NAME_PATTERN.test(settings.scriptName)) {
    throw invalid(
      'scriptName',
      'must be 1 to 63 lower-case letters, digits, _ and -, with a letter or digit at both ends ' +
        '(KURATCHI_SPACES_SCRIPT_NAME)',
    );
  }
  return settings;
}

/** Deploys a Worker. Make one with the settings of {@link readSettings}; then `survey`, `plan`, `carryOut`, `verify`,
 * `misconfigured`. */
export class Deployment {
  #settings;
  #api;
  #say;
  #state;

  /**
   * @param {ReturnType<typeof readSettings>} settings
   * @param {(text: string) => void} say Hears of each step, in words without secrets.
   */
  constructor(settings, say) {
    const secrets = [settings.apiToken, settings.gatewayKey];
    this.#settings = settings;
    this.#say = (text) => say(redact(text, secrets));
    this.#api = new CloudflareApi(settings.apiToken, this.#say);
  }

  /** Finds out what is there. Reads only. */
  async survey() {
    const accountId = this.#settings.accountId || (await this.#onlyAccount());
    const script = await this.#script(accountId);
    const customHost = script && !script.workersDev.enabled ? await this.#customHost(accountId) : undefined;
    const subdomain = customHost ? undefined : await this.#subdomain(accountId);
    this.#state = { accountId, script, customHost, subdomain };
  }

  /** What is to be done about it, and what comes of it. */
  plan() {
    const { gatewayKey, scriptName } = this.#settings;
    const { accountId, script, customHost, subdomain } = this.#state;
    const host = customHost ?? `${scriptName}.${subdomain}.workers.dev`;
    return {
      accountId,
      scriptName,
      action: script ? (isOurs(script) ? 'update' : 'replace') : 'create',
      metadata: uploadMetadata({ gatewayKey, script }),
      kept: keptBindings(script),
      dropped: droppedParts(script),
      enablesWorkersDev: customHost === undefined && !script?.workersDev.enabled,
      workerUrl: `https://${host}`,
    };
  }

  /**
   * Throws where the Worker of that name is another program, unless that was allowed: its code would be gone, and with
   * it whatever runs on it.
   */
  refuseReplacing() {
    const { accountId, scriptName, action } = this.plan();
    if (action !== 'replace' || this.#settings.replace) return;
    throw new ChatError(
      `the Worker ${scriptName} in account ${accountId} is another program, which this would replace: choose another ` +
        'name (scriptName or KURATCHI_SPACES_SCRIPT_NAME), or allow it (replace: true, on the command line --yes)',
      { code: 'invalidArgument', field: 'scriptName' },
    );
  }

  /** Uploads the Worker and makes it reachable. */
  async carryOut() {
    try {
      await this.#upload();
    } catch (error) {
      if (!(error instanceof CloudflareError && error.has(TAG_CHANGED))) throw error;
      // Either somebody else was faster, or the answer to our own first attempt was lost on its way.
      this.#say('The Worker changed meanwhile: looking again.');
      await this.survey();
      await this.#upload();
    }
    const { accountId, scriptName, enablesWorkersDev, workerUrl } = this.plan();
    if (enablesWorkersDev) {
      this.#say(`Making it reachable as ${workerUrl}`);
      const previews = this.#state.script?.workersDev.previews_enabled ?? false;
      const switches = { enabled: true, previews_enabled: previews };
      try {
        await this.#api.post(`${scriptPath(accountId, scriptName)}/subdomain`, switches);
      } catch (cause) {
        throw new CloudflareError(
          `The Worker and its key are uploaded already; only its address ${workerUrl} is missing: run this again. ${cause.message}`,
          { status: cause.status, codes: cause.codes, cause },
        );
      }
    }
    return workerUrl;
  }

  /**
   * Asks the Worker itself, until it answers as the one that was uploaded.
   *
   * @returns {Promise<boolean>} False when it does not within half a minute: a new address may take longer.
   */
  async verify(workerUrl) {
    for (const pauseMs of HEALTH_PAUSES_MS) {
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
      if (await isHealthy(workerUrl)) {
        this.#say(`${workerUrl} answers`);
        return true;
      }
    }
    this.#say(
      `${workerUrl} does not answer yet. A new address may take some minutes; "npx kuratchi-spaces doctor" tells.`,
    );
    return false;
  }

  /** What of its settings the Worker cannot use: sentences for its owner. */
  async misconfigured(workerUrl) {
    const { gatewayKey } = this.#settings;
    const entries = await misconfigured(`${workerUrl}/admin/settings`, gatewayKey, HEALTH_MS_MAX);
    for (const entry of entries) this.#say(entry);
    return entries;
  }

  async #upload() {
    // Each time: another program may have come to that name between looking and uploading.
    this.refuseReplacing();
    const { accountId, scriptName, action, metadata, kept, dropped } = this.plan();
    const verb = { create: 'Creating', update: 'Updating', replace: 'Replacing' }[action];
    const keeping = kept.length > 0 ? `; keeping ${kept.join(', ')}` : '';
    const dropping = dropped.length > 0 ? `; dropping ${dropped.join(', ')}` : '';
    this.#say(`${verb} the Worker ${scriptName} in account ${accountId}${keeping}${dropping}`);
    const modules = getWorkerModules();
    await this.#api.putForm(scriptPath(accountId, scriptName), () => uploadForm(metadata, modules));
  }

  /** The account of an API token that sees exactly one. */
  async #onlyAccount() {
    // No list at all is what some API tokens get that see none.
    const accounts = (await this.#api.get('/accounts?per_page=50')) ?? [];
    if (accounts.length === 1) {
      this.#say(`The API token belongs to the account ${accounts[0].name} (${accounts[0].id})`);
      return accounts[0].id;
    }
    if (accounts.length === 0) {
      const error = missingSetting('accountId');
      throw invalid(
        'accountId',
        `${error.message.replace(/^accountId /, '')}: the API token sees no account`,
      );
    }
    const shown = accounts.slice(0, ACCOUNTS_SHOWN_MAX).map(({ id, name }) => `${name} (${id})`);
    const more = accounts.length > shown.length ? ', …' : '';
    throw invalid(
      'accountId',
      `is required or set CLOUDFLARE_ACCOUNT_ID: the API token sees ${accounts.length} accounts, ${shown.join(', ')}${more}`,
    );
  }

  /** The Worker of that name with all that an upload could change, or nothing. */
  async #script(accountId) {
    const { scriptName } = this.#settings;
    const scripts = (await this.#api.get(`/accounts/${accountId}/workers/scripts`)) ?? [];
    const found = scripts.find(({ id }) => id === scriptName);
    if (!found) return undefined;
    const path = scriptPath(accountId, scriptName);
    try {
      const settings = await this.#api.get(`${path}/settings`);
      const workersDev = await this.#api.get(`${path}/subdomain`);
      return {
        name: scriptName,
        migrationTag: found.migration_tag || undefined,
        hasAssets: found.has_assets === true,
        settings,
        workersDev,
      };
    } catch (error) {
      // It was deleted meanwhile.
      if (error instanceof CloudflareError && error.has(...SCRIPT_NOT_FOUND)) return undefined;
      throw error;
    }
  }

  /** The owner's own domain of a Worker that is not on workers.dev, if it has one. */
  async #customHost(accountId) {
    const query = new URLSearchParams({ service: this.#settings.scriptName });
    try {
      const domains = (await this.#api.get(`/accounts/${accountId}/workers/domains?${query}`)) ?? [];
      return domains.find(({ service }) => service === this.#settings.scriptName)?.hostname;
    } catch (error) {
      // An API token may be good for Workers and not for domains.
      if (error instanceof CloudflareError && error.status === 403) return undefined;
      throw error;
    }
  }

  async #subdomain(accountId) {
    let subdomain;
    try {
      ({ subdomain } = await this.#api.get(`/accounts/${accountId}/workers/subdomain`));
    } catch (error) {
      if (!(error instanceof CloudflareError && error.has(...NO_SUBDOMAIN))) throw error;
    }
    if (subdomain) return subdomain;
    throw new CloudflareError(
      'The account has no workers.dev subdomain yet, which is the address of its Workers. Open ' +
        `https://dash.cloudflare.com/${accountId}/workers/onboarding once, choose one, and run this again.`,
    );
  }
}

/** Takes secrets out of a text, should an answer repeat what it was sent. */
export function redact(text, secrets) {
  return secrets.filter(Boolean).reduce((clean, secret) => clean.replaceAll(secret, '(secret)'), text);
}

function scriptPath(accountId, scriptName) {
  return `/accounts/${accountId}/workers/scripts/${scriptName}`;
}

/** One part for the metadata and one for each module, named as the modules import each other. */
function uploadForm(metadata, modules) {
  const form = new FormData();
  form.set('metadata', JSON.stringify(metadata));
  for (const { name, type, content } of modules) form.set(name, new Blob([content], { type }), name);
  return form;
}

async function isHealthy(workerUrl) {
  try {
    const { response, text } = await fetchText(`${workerUrl}/health`, {}, HEALTH_MS_MAX);
    const { status, service } = JSON.parse(text);
    return response.ok && status === 'ok' && service === 'kuratchi-spaces';
  } catch {
    // The name is not known yet, its certificate is not there yet, or what answers is no Worker yet.
    return false;
  }
}

function invalid(field, expectation) {
  return new ChatError(`${field} ${expectation}`, { code: 'invalidArgument', field });
}
