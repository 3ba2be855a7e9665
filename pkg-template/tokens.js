/**
 * Space tokens: minting and checking, for servers.
 *
 * Owns the format `spaceId.rnd.exp.sig` and the claims inside it, on WebCrypto alone, so that it runs in
 * Node, in Workers, in Deno and in a browser's test page. Must not know clients, connections or Wasm. The
 * Rust crate `protocol` holds the twin of this file; one file of vectors checks both.
 */

import { getSpacesEnvironment, missingKey } from './environment.js';
import { ChatError } from './errors.js';

const EXPIRY_MS_DEFAULT = 3_600_000;
/** 10 years of 365 days. */
const EXPIRY_MS_MAX = 315_360_000_000;
const TOKEN_BYTES_MAX = 4096;
const SPACE_ID_BYTES_MAX = 200;
const NAME_BYTES_MAX = 128;
const CAPS_MAX = 16;
/** A token with it shows its bearer what is the owner's to know, and lets them in nowhere: the Worker refuses it so as well. */
const CAP_INSPECT = 'inspect';
/** Random bytes in a token; 96 bits are the least that keeps two tokens apart. */
const RANDOM_BYTES = 16;

const EXP_PATTERN = /^(?:0|[1-9][0-9]{0,15})$/;
const BASE64URL_PATTERN = /^[A-Za-z0-9_-]+$/;
const CAP_PATTERN = /^[a-z0-9:_-]{1,32}$/;
const CONTROL_PATTERN = /\p{Cc}/u;
/** With the `u` flag a pair counts as one character, so this finds halves only. */
const LONE_SURROGATE_PATTERN = /\p{Cs}/u;

/** Words for a role, each with the one that is written. */
const ROLES = new Map([
  ['customer', 'customer'],
  ['user', 'customer'],
  ['agent', 'agent'],
  ['support', 'agent'],
]);

/**
 * Mints a token that lets its bearer into one space, as nobody in particular.
 *
 * @param {string} spaceId 1 to 200 UTF-8 bytes without control characters.
 * @param {string} gatewayKey The key that the Worker knows too. Keep it on the server.
 * @param {number} [expiryMs] How long the token is good, in milliseconds from now: a whole number from 1 to
 *   10 years of 365 days. One hour if absent.
 * @returns {Promise<string>}
 * @throws {ChatError} `invalidArgument`, with the `field`.
 */
export async function generateSpaceToken(spaceId, gatewayKey, expiryMs = EXPIRY_MS_DEFAULT) {
  checkKey(gatewayKey);
  return mint(spaceId, gatewayKey, expiryMs, {});
}

/**
 * Mints a token: with the gateway key from the environment if none is given, for a named user if one is.
 *
 * @param {string} spaceId 1 to 200 UTF-8 bytes without control characters.
 * @param {object} [options]
 * @param {string} [options.gatewayKey] If absent or empty: `KURATCHI_GATEWAY_KEY`, then
 *   `KURATCHI_SPACES_GATEWAY_KEY`.
 * @param {number} [options.expiryMs] As in {@link generateSpaceToken}.
 * @param {string} [options.userId] Who the bearer is: 1 to 128 UTF-8 bytes without control characters.
 * @param {'customer' | 'user' | 'agent' | 'support'} [options.role]
 * @param {string} [options.name] Display name, bounded as `userId`.
 * @param {string[]} [options.caps] Up to 16 capabilities of 1 to 32 characters out of `a-z 0-9 : _ -`.
 * @returns {Promise<string>}
 * @throws {ChatError} `invalidArgument`, with the `field`.
 */
export async function generateToken(spaceId, options = {}) {
  if (options !== null && typeof options !== 'object') {
    throw invalid('options', 'must be an object');
  }
  const { expiryMs = EXPIRY_MS_DEFAULT, userId, role, name, caps } = options ?? {};
  // An empty or absent key falls through to the environment: apps hand in a variable that may not be set.
  const gatewayKey = options?.gatewayKey || getSpacesEnvironment().gatewayKey;
  if (!gatewayKey) {
    throw missingKey();
  }
  checkKey(gatewayKey);
  return mint(spaceId, gatewayKey, expiryMs, { userId, role, name, caps });
}

/**
 * Tells whether a token lets its bearer into a space now.
 *
 * Never throws because of the token: whatever is no good token, `undefined` included, is `false`, and so is one that only
 * inspects.
 *
 * @param {string} token
 * @param {string} spaceId
 * @param {string} gatewayKey
 * @returns {Promise<boolean>}
 * @throws {ChatError} `invalidArgument` when `spaceId` is no string or `gatewayKey` no key.
 */
export async function validateSpaceToken(token, spaceId, gatewayKey) {
  if (typeof spaceId !== 'string') {
    throw invalid('spaceId', `must be a string (got ${shapeOf(spaceId)})`);
  }
  checkKey(gatewayKey);
  const parts = splitToken(token);
  if (parts === null || parts.spaceId !== spaceId || Date.now() > parts.exp) {
    return false;
  }
  const signature = decodeBase64url(parts.signature);
  if (signature === null) {
    return false;
  }
  const key = await importKey(gatewayKey, 'verify');
  const genuine = await subtleCrypto().verify('HMAC', key, signature, utf8(parts.signed));
  // What nobody with the key has signed is not parsed any further.
  return genuine && letsIn(parts.rnd);
}

async function mint(spaceId, gatewayKey, expiryMs, person) {
  if (!isLabel(spaceId, SPACE_ID_BYTES_MAX)) {
    throw invalidLabel('spaceId', spaceId, SPACE_ID_BYTES_MAX);
  }
  if (!Number.isSafeInteger(expiryMs) || expiryMs < 1 || expiryMs > EXPIRY_MS_MAX) {
    const got = typeof expiryMs === 'number' ? expiryMs : shapeOf(expiryMs);
    const expected = `must be a whole number of milliseconds from 1 to ${EXPIRY_MS_MAX} (10 years)`;
    throw invalid('expiryMs', `${expected} (got ${got})`);
  }
  const claims = encodeClaims(person);
  const subtle = subtleCrypto();
  const random = encodeBase64url(globalThis.crypto.getRandomValues(new Uint8Array(RANDOM_BYTES)));
  const rnd = claims === '' ? random : `${random}~${claims}`;
  const signed = `${spaceId}.${rnd}.${Date.now() + expiryMs}`;
  const key = await importKey(gatewayKey, 'sign');
  const signature = await subtle.sign('HMAC', key, utf8(signed));
  return `${signed}.${encodeBase64url(new Uint8Array(signature))}`;
}

/** Empty when there is nothing to say. The keys stand in the Rust twin's order: both write the same bytes. */
function encodeClaims({ userId, role, name, caps = [] }) {
  if (userId !== undefined && !isLabel(userId, NAME_BYTES_MAX)) {
    throw invalidLabel('userId', userId, NAME_BYTES_MAX);
  }
  if (name !== undefined && !isLabel(name, NAME_BYTES_MAX)) {
    throw invalidLabel('name', name, NAME_BYTES_MAX);
  }
  if (role !== undefined && !ROLES.has(role)) {
    throw invalid('role', "must be 'customer', 'user', 'agent' or 'support'");
  }
  if (!areCaps(caps)) {
    const expected = `an array of at most ${CAPS_MAX} strings of 1 to 32 characters out of a-z 0-9 : _ -`;
    throw invalid('caps', `must be ${expected}`);
  }
  const claims = {
    sub: userId,
    name,
    role: ROLES.get(role),
    caps: caps.length === 0 ? undefined : caps,
  };
  const json = JSON.stringify(claims);
  return json === '{}' ? '' : encodeBase64url(utf8(json));
}

/** The parts of a token of the right form; null for anything else. */
function splitToken(token) {
  if (typeof token !== 'string' || token.length > TOKEN_BYTES_MAX) {
    return null;
  }
  if (LONE_SURROGATE_PATTERN.test(token) || utf8(token).length > TOKEN_BYTES_MAX) {
    return null;
  }
  // From the right, because a space id may hold dots.
  const signatureDot = token.lastIndexOf('.');
  const expDot = token.lastIndexOf('.', signatureDot - 1);
  const rndDot = token.lastIndexOf('.', expDot - 1);
  // A negative position searches from 0, where a leading dot would be found again and again.
  if (!(0 < rndDot && rndDot < expDot && expDot < signatureDot)) {
    return null;
  }
  const rnd = token.slice(rndDot + 1, expDot);
  const expText = token.slice(expDot + 1, signatureDot);
  const exp = Number(expText);
  if (rnd === '' || !EXP_PATTERN.test(expText) || !Number.isSafeInteger(exp)) {
    return null;
  }
  return {
    signed: token.slice(0, signatureDot),
    spaceId: token.slice(0, rndDot),
    rnd,
    exp,
    signature: token.slice(signatureDot + 1),
  };
}

/** Whether the claims in `rnd` keep the rules and let somebody in; a `rnd` without claims does. */
function letsIn(rnd) {
  const separator = rnd.indexOf('~');
  if (separator === -1) {
    return true;
  }
  const bytes = decodeBase64url(rnd.slice(separator + 1));
  if (separator === 0 || bytes === null) {
    return false;
  }
  let claims;
  try {
    // A byte order mark is no JSON: without ignoreBOM it would be dropped silently.
    claims = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    return false;
  }
  if (claims === null || typeof claims !== 'object' || Array.isArray(claims)) {
    return false;
  }
  const { sub, name, role, caps } = claims;
  return (
    (sub === undefined || isLabel(sub, NAME_BYTES_MAX)) &&
    (name === undefined || isLabel(name, NAME_BYTES_MAX)) &&
    (role === undefined || ROLES.has(role)) &&
    (caps === undefined || (areCaps(caps) && !caps.includes(CAP_INSPECT)))
  );
}

/** A short text people may see: not empty, bounded, well-formed, without control characters. */
function isLabel(value, bytesMax) {
  return (
    typeof value === 'string' &&
    value !== '' &&
    value.length <= bytesMax &&
    !LONE_SURROGATE_PATTERN.test(value) &&
    !CONTROL_PATTERN.test(value) &&
    utf8(value).length <= bytesMax
  );
}

function areCaps(value) {
  return (
    Array.isArray(value) &&
    value.length <= CAPS_MAX &&
    Array.from(value).every((cap) => typeof cap === 'string' && CAP_PATTERN.test(cap))
  );
}

function checkKey(gatewayKey) {
  if (typeof gatewayKey !== 'string' || gatewayKey === '') {
    throw invalid('gatewayKey', `must be a non-empty string (got ${shapeOf(gatewayKey)})`);
  }
  // Two such keys can have the same UTF-8 form, and so the same signatures.
  if (LONE_SURROGATE_PATTERN.test(gatewayKey)) {
    throw invalid('gatewayKey', 'must be well-formed Unicode (it holds half of a surrogate pair)');
  }
}

function invalid(field, expectation) {
  return new ChatError(`${field} ${expectation}`, { code: 'invalidArgument', field });
}

function invalidLabel(field, value, bytesMax) {
  const expected = `must be a well-formed string of 1 to ${bytesMax} UTF-8 bytes without control characters`;
  const got = typeof value === 'string' ? `${utf8(value).length} bytes` : shapeOf(value);
  return invalid(field, `${expected} (got ${got})`);
}

/** What kind of value was handed in, never the value itself: it may be a secret. */
function shapeOf(value) {
  if (value === null) {
    return 'null';
  }
  if (value === '') {
    return 'an empty string';
  }
  return Array.isArray(value) ? 'array' : typeof value;
}

/** WebCrypto is absent in old runtimes, and in browsers on pages that are not a secure context. */
function subtleCrypto() {
  const subtle = globalThis.crypto?.subtle;
  if (!subtle) {
    throw new ChatError(
      'WebCrypto not available in this environment: use Node 20 or newer, a Worker, or a page over https',
      { code: 'unsupported' },
    );
  }
  return subtle;
}

function importKey(gatewayKey, use) {
  return subtleCrypto().importKey('raw', utf8(gatewayKey), { name: 'HMAC', hash: 'SHA-256' }, false, [use]);
}

function utf8(text) {
  return new TextEncoder().encode(text);
}

function encodeBase64url(bytes) {
  const base64 = btoa(String.fromCharCode(...bytes));
  return base64.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

/** Null for anything but the one canonical spelling: a signed text can not be varied without breaking it. */
function decodeBase64url(text) {
  if (!BASE64URL_PATTERN.test(text) || text.length % 4 === 1) {
    return null;
  }
  const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
  const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0));
  return encodeBase64url(bytes) === text ? bytes : null;
}
