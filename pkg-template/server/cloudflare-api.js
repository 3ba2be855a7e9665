/**
 * Cloudflare's API: requests, repetition, and errors in words.
 *
 * Owns addresses, credentials, time limits, back-off, and what each error code means to a person. Must not know what
 * is deployed. The API token goes into one header and into no text.
 */

import { readVariable } from '../environment.js';
import { fetchText } from './fetch-text.js';

const BASE_URL_DEFAULT = 'https://api.cloudflare.com/client/v4';
/** wrangler's own variable for the same thing. */
const BASE_URL_VARIABLE = 'CLOUDFLARE_API_BASE_URL';

const REQUEST_MS_MAX = 60_000;
const ATTEMPTS_MAX = 4;
const BACKOFF_MS = 1_000;
/** Longer than this nobody waits before a terminal. */
const RETRY_AFTER_MS_MAX = 30_000;
/** Of an answer that is no JSON, as much as tells what kind of page it is. */
const EXCERPT_CHARS = 120;

const TOKEN_CURE =
  'Check CLOUDFLARE_API_TOKEN (apiToken): it must be an API token of this account that is not expired and has the ' +
  'permission "Workers Scripts: Edit"; the template "Edit Cloudflare Workers" makes one.';
const ACCOUNT_CURE =
  'Check CLOUDFLARE_ACCOUNT_ID (accountId): the dashboard shows it under "Workers & Pages".';
const OTHER_NAME_CURE =
  'Choose another name (scriptName or KURATCHI_SPACES_SCRIPT_NAME), or delete that Worker and its data first.';

/** What to do, by the API's own error codes. */
const CURES = new Map([
  [1000, TOKEN_CURE],
  [6003, TOKEN_CURE],
  [6111, TOKEN_CURE],
  [9106, TOKEN_CURE],
  [9109, TOKEN_CURE],
  [10000, TOKEN_CURE],
  [10001, TOKEN_CURE],
  [7000, ACCOUNT_CURE],
  [7003, ACCOUNT_CURE],
  [10007, 'Check the account and the name of the Worker, then run this again.'],
  [10013, "That is a fault on Cloudflare's side: try again in a few minutes, and see cloudflarestatus.com."],
  [
    10021,
    'Cloudflare could not start the Worker: install this package again, and report it if that does not help.',
  ],
  [10027, 'The account has a limit for the size of a Worker that is too small; the free plan takes 3 MB.'],
  [10034, 'Confirm the e-mail address of the Cloudflare account, then run this again.'],
  [10037, 'The account has as many Workers as its plan allows: delete one, or take a larger plan.'],
  [10061, `The Worker of this name has other Durable Objects. ${OTHER_NAME_CURE}`],
  [10063, 'Open "Workers & Pages" in the dashboard once: it gives the account its workers.dev subdomain.'],
  [10064, `The Worker of this name keeps data of another program. ${OTHER_NAME_CURE}`],
  [10074, `The Worker of this name already has a class of that name, with data. ${OTHER_NAME_CURE}`],
  [10079, 'Somebody else deployed this Worker in the same moment: run this again.'],
  [
    10097,
    "The account's plan takes SQLite storage only, and the Worker of this name has another one. " +
      OTHER_NAME_CURE,
  ],
]);

/** A request that Cloudflare refused or that never got there. The message is for people. */
export class CloudflareError extends Error {
  name = 'CloudflareError';

  /**
   * @param {string} message
   * @param {{status?: number, codes?: number[], cause?: unknown}} [details]
   */
  constructor(message, { status, codes = [], cause } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.status = status;
    this.codes = codes;
  }

  has(...codes) {
    return codes.some((code) => this.codes.includes(code));
  }
}

export class CloudflareApi {
  #token;
  #baseUrl;
  #say;

  /**
   * @param {string} apiToken
   * @param {(text: string) => void} say Hears of what is tried again.
   */
  constructor(apiToken, say) {
    this.#token = apiToken;
    const named = readVariable(BASE_URL_VARIABLE);
    this.#baseUrl = (named || BASE_URL_DEFAULT).replace(/\/+$/, '');
    this.#say = say;
    // Whoever holds the token learns where it goes.
    if (named) say(`Cloudflare's API is asked at ${this.#baseUrl}, as ${BASE_URL_VARIABLE} says.`);
  }

  get(path) {
    return this.#request('GET', path);
  }

  post(path, body) {
    return this.#request('POST', path, () => ({
      body: JSON.stringify(body),
      headers: { 'Content-Type': 'application/json' },
    }));
  }

  /** @param {() => FormData} makeForm Called for each attempt: a form is used up by sending it. */
  putForm(path, makeForm) {
    return this.#request('PUT', path, () => ({ body: makeForm() }));
  }

  /** The `result` of the API's answer. What may pass is tried again; each of our requests may be repeated. */
  async #request(method, path, makeBody = () => ({})) {
    for (let attempt = 1; ; attempt += 1) {
      const { result, failure, retryAfterMs } = await this.#attempt(method, path, makeBody());
      if (!failure) return result;
      if (retryAfterMs === undefined || attempt === ATTEMPTS_MAX) throw failure;
      const waitMs = Math.max(retryAfterMs, BACKOFF_MS * 2 ** (attempt - 1) * Math.random());
      this.#say(`${failure.message} Trying again in ${Math.ceil(waitMs / 1_000)} s.`);
      await new Promise((resolve) => setTimeout(resolve, waitMs));
    }
  }

  /** One request. `retryAfterMs` is there when it is worth another one. */
  async #attempt(method, path, { body, headers = {} }) {
    const what = `${method} ${path}`;
    let response;
    let text;
    try {
      const init = { method, headers: { ...headers, Authorization: `Bearer ${this.#token}` }, body };
      ({ response, text } = await fetchText(this.#baseUrl + path, init, REQUEST_MS_MAX));
    } catch (cause) {
      const failure = new CloudflareError(
        `Cloudflare's API can not be reached (${what}): ${reasonOf(cause)}. Check the network connection, a proxy or a firewall.`,
        { cause },
      );
      return { failure, retryAfterMs: 0 };
    }
    const answer = parseAnswer(text);
    if (response.ok && answer?.success === true) return { result: answer.result };
    const isPassing = response.status === 429 || response.status >= 500;
    return {
      failure: explain(what, response, answer, text),
      retryAfterMs: isPassing ? retryAfterMs(response) : undefined,
    };
  }
}

function parseAnswer(text) {
  try {
    const answer = JSON.parse(text);
    return answer !== null && typeof answer === 'object' ? answer : undefined;
  } catch {
    return undefined;
  }
}

function retryAfterMs(response) {
  const value = response.headers.get('Retry-After') ?? '';
  // Seconds, or a date of HTTP.
  const ms = /^\s*\d+\s*$/.test(value) ? Number(value) * 1_000 : Date.parse(value) - Date.now();
  return ms > 0 ? Math.min(ms, RETRY_AFTER_MS_MAX) : 0;
}

function explain(what, response, answer, text) {
  const { status } = response;
  const told = flatten(Array.isArray(answer?.errors) ? answer.errors : []);
  if (told.length === 0) {
    const excerpt = text.replaceAll(/\s+/g, ' ').trim().slice(0, EXCERPT_CHARS);
    const got = excerpt === '' ? 'nothing' : `"${excerpt}"`;
    return new CloudflareError(
      `Cloudflare's API answered ${what} with status ${status} and ${got}. ${cureByStatus(status)}`,
      { status },
    );
  }
  const said = told.map(({ message, code }) => `${message} (code ${code})`).join('; ');
  const codes = told.map(({ code }) => code);
  const cure = codes.map((code) => CURES.get(code)).find(Boolean) ?? cureByStatus(status);
  return new CloudflareError(`Cloudflare refused ${what}: ${said}. ${cure}`, { status, codes });
}

function cureByStatus(status) {
  if (status === 401 || status === 403) return TOKEN_CURE;
  if (status === 404) return ACCOUNT_CURE;
  if (status === 413) return CURES.get(10027);
  if (status === 429) return 'These are too many requests: wait some minutes and run this again.';
  if (status >= 500) return CURES.get(10013);
  return 'The code is explained in the documentation of the Cloudflare API.';
}

/** An error may come with a chain of those underneath, which say more. */
function flatten(errors) {
  return errors.flatMap((error) => [
    { code: error?.code, message: String(error?.message ?? 'no message').replace(/[.\s]+$/, '') },
    ...flatten(Array.isArray(error?.error_chain) ? error.error_chain : []),
  ]);
}

/** `fetch` tells no more than "fetch failed"; what happened is in its cause. */
function reasonOf(error) {
  if (error?.name === 'TimeoutError') return `no answer within ${REQUEST_MS_MAX / 1_000} s`;
  const cause = error?.cause;
  return cause?.code ?? cause?.message ?? error?.message ?? String(error);
}
