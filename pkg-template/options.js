/**
 * What an app hands in, checked at once and by name.
 *
 * Owns the expectations of `client(config)`, `connect(options)` and `until`. Message bodies are not checked here but
 * in the Wasm, with the rules that the server has. Must not know what the options are used for.
 */

import { getSpacesEnvironment, missingSetting } from './environment.js';
import { ChatError } from './errors.js';
import { CALLBACK_OF } from './events.js';

/** An option of our own: a client that asks over HTTP alone, see keeper.js. */
export const POLLS_ONLY = Symbol('pollsOnly');
/** The same: a client that a view is about to connect. */
export const CONNECTS_SOON = Symbol('connectsSoon');

const SPACE_ID_BYTES_MAX = 200;
/** Control characters, and halves of surrogate pairs. */
const UNFIT_PATTERN = /[\p{Cc}\p{Cs}]/u;
/** Messages of one call for history: the most, and how many if the app does not say. */
export const HISTORY_MESSAGES_MAX = 1_000;
const HISTORY_MESSAGES = 50;
/** The longest time that a timer takes. */
const TIMEOUT_MS_MAX = 2_147_483_647;

/**
 * The error for a bad argument. The value itself is never quoted: it may be a secret.
 *
 * @param {string} field
 * @param {string} expectation
 */
export function invalid(field, expectation) {
  return new ChatError(`${field} ${expectation}`, { code: 'invalidArgument', field });
}

/**
 * Checks the config of a client and fills in what the environment gives.
 *
 * @throws {ChatError} `invalidArgument`, with the `field`.
 */
export function readConfig(config) {
  if (config === null || typeof config !== 'object') {
    throw invalid('config', `must be an object (got ${shapeOf(config)})`);
  }
  const { spaceId, spaceToken, userId, gatewayKey, legacyWorker, order, webSocket, wasm, tokenFor } = config;
  if (!isSpaceId(spaceId)) {
    const expected = `a string of 1 to ${SPACE_ID_BYTES_MAX} bytes in UTF-8 without control characters`;
    const got = typeof spaceId === 'string' && spaceId !== '' ? 'another string' : shapeOf(spaceId);
    throw invalid('spaceId', `must be ${expected} (got ${got})`);
  }
  expectToken(spaceToken);
  const isUserId = typeof userId === 'string' && userId !== '';
  expect(isUserId, 'userId', userId, 'the id that the token names its user by, a non-empty string');
  expect(typeof gatewayKey === 'string', 'gatewayKey', gatewayKey, 'a string');
  expect(typeof legacyWorker === 'boolean', 'legacyWorker', legacyWorker, 'true or false');
  if (legacyWorker && !gatewayKey) {
    // Not from the environment: whoever shows the key to a worker says so here.
    throw invalid(
      'gatewayKey',
      'is required with legacyWorker: true, which speaks to a worker of the TypeScript SDK',
    );
  }
  expect(order === 'asc' || order === 'desc', 'order', order, "'asc' or 'desc'");
  expect(typeof webSocket === 'function', 'webSocket', webSocket, 'a WebSocket class');
  expect(typeof tokenFor === 'function', 'tokenFor', tokenFor, "a function that gives a room's token");
  expect(wasm == null || isWasm(wasm), 'wasm', wasm, 'a URL, a WebAssembly.Module, or the bytes of one');
  const callbacks = [];
  for (const [event, name] of Object.entries(CALLBACK_OF)) {
    const callback = config[name];
    expect(typeof callback === 'function', name, callback, 'a function');
    if (callback) {
      callbacks.push([event, callback]);
    }
  }
  const workerUrl = readWorkerUrl(config.workerUrl);
  return {
    spaceId,
    spaceToken,
    userId: userId ?? undefined,
    gatewayKey,
    legacyWorker: legacyWorker === true,
    workerUrl,
    newestFirst: order === 'desc',
    webSocket,
    wasm: wasm ?? undefined,
    tokenFor: tokenFor ?? undefined,
    pollsOnly: config[POLLS_ONLY] === true,
    connectsSoon: config[CONNECTS_SOON] === true,
    callbacks,
  };
}

/** Throws unless the value is absent, a token, or a function that gives one. */
export function expectToken(spaceToken) {
  const isToken = typeof spaceToken === 'function' || (typeof spaceToken === 'string' && spaceToken !== '');
  expect(isToken, 'spaceToken', spaceToken, 'a non-empty string, or a function that gives one');
}

/**
 * Checks the options of `connect()`.
 *
 * @returns {{timeoutMs?: number, signal?: AbortSignal} | undefined} Undefined when nothing limits the waiting.
 * @throws {ChatError} `invalidArgument`, with the `field`.
 */
export function readConnectOptions(options) {
  expect(typeof options === 'object', 'options', options, 'an object');
  const { timeoutMs, signal } = options ?? {};
  const isTime = Number.isFinite(timeoutMs) && timeoutMs > 0 && timeoutMs <= TIMEOUT_MS_MAX;
  expect(isTime, 'timeoutMs', timeoutMs, `a number of milliseconds above 0, up to ${TIMEOUT_MS_MAX}`);
  expect(typeof signal?.addEventListener === 'function', 'signal', signal, 'an AbortSignal');
  return timeoutMs == null && signal == null ? undefined : { timeoutMs, signal };
}

/**
 * Checks the options of `loadOlder()`.
 *
 * @returns {number} How many messages.
 * @throws {ChatError} `invalidArgument`, with the `field`.
 */
export function readOlderOptions(options) {
  expect(typeof options === 'object', 'options', options, 'an object');
  const limit = options?.limit ?? HISTORY_MESSAGES;
  const isCount = Number.isInteger(limit) && limit >= 1 && limit <= HISTORY_MESSAGES_MAX;
  expect(isCount, 'limit', limit, `a whole number from 1 to ${HISTORY_MESSAGES_MAX}`);
  return limit;
}

/**
 * What the storage of a browser is sorted by: two spellings of one Worker's address are one place.
 *
 * @param {{ workerUrl: string, spaceId: string }} config As {@link readConfig} gives it.
 */
export function placeOf({ workerUrl, spaceId }) {
  const { protocol, host, pathname, search } = new URL(workerUrl.trim());
  return {
    workerUrl: `${protocol.replace('ws', 'http')}//${host}${pathname.replace(/\/+$/, '')}${search}`,
    spaceId,
  };
}

/** A copy of an object: the app may change its own before the core reads it. Anything else stays what it is. */
export function copyOf(value) {
  return value !== null && typeof value === 'object' && !Array.isArray(value) ? { ...value } : value;
}

/**
 * Takes `until` out of the options of a call; it may stand in an argument of its own, too.
 *
 * @throws {ChatError} `invalidArgument`, with the `field`.
 */
export function splitUntil(options, extra) {
  expect(typeof extra === 'object', 'options', extra, 'an object');
  const body = copyOf(options);
  const isSplit = body !== options;
  const untils = [isSplit ? options.until : undefined, extra?.until];
  for (const until of untils) {
    expect(until === 'stored', 'until', until, "'stored'");
  }
  if (isSplit) {
    delete body.until;
    // Those of a draft (Immer) are gone with it.
    if (Array.isArray(body.attachments)) body.attachments = body.attachments.map(copyOf);
  }
  return { body, untilStored: untils.includes('stored') };
}

/** Throws unless the value is absent or as expected. */
export function expect(isGood, field, value, expectation) {
  if (!isGood && value !== undefined && value !== null) {
    throw invalid(field, `must be ${expectation} (got ${shapeOf(value)})`);
  }
}

function isWasm(value) {
  return (
    (typeof value === 'string' && value !== '') ||
    value instanceof URL ||
    value instanceof ArrayBuffer ||
    ArrayBuffer.isView(value) ||
    // An engine without Wasm is told of by the loader, which says what to do.
    (typeof WebAssembly === 'object' ? value instanceof WebAssembly.Module : value !== undefined)
  );
}

function isSpaceId(value) {
  return (
    typeof value === 'string' &&
    value !== '' &&
    // A text has at least as many bytes as UTF-16 units.
    value.length <= SPACE_ID_BYTES_MAX &&
    !UNFIT_PATTERN.test(value) &&
    // Jest's jsdom has no `TextEncoder`. A byte that is not itself stands here as `%` and two digits.
    encodeURIComponent(value).replace(/%../g, '.').length <= SPACE_ID_BYTES_MAX
  );
}

export function readWorkerUrl(given) {
  const workerUrl = given || getSpacesEnvironment().workerUrl;
  if (!workerUrl) {
    throw missingSetting('workerUrl');
  }
  if (typeof workerUrl !== 'string' || !isWorkerUrl(workerUrl.trim())) {
    const expected = "an absolute URL with http, https, ws or wss, such as 'https://chat.example.com'";
    throw invalid('workerUrl', `must be ${expected}`);
  }
  return workerUrl;
}

function isWorkerUrl(text) {
  // The parser would mend what the Wasm refuses: missing slashes, and blanks in the middle.
  if (!/^(?:https?|wss?):\/\/[^/]/i.test(text) || /\s/.test(text)) {
    return false;
  }
  try {
    const { username, password } = new URL(text);
    return username === '' && password === '';
  } catch {
    return false;
  }
}

function shapeOf(value) {
  if (value === null) {
    return 'null';
  }
  if (Array.isArray(value)) {
    return 'array';
  }
  if (value === '') {
    return 'an empty string';
  }
  return Number.isNaN(value) ? 'NaN' : typeof value;
}
