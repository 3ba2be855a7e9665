/**
 * What of a Worker's settings it cannot use, as the Worker itself says.
 *
 * Owns the question. Must not know who is told: `deploy`, `dev` and `doctor` are.
 */

import { generateToken } from '../tokens.js';
import { fetchText } from './fetch-text.js';

const INTERNAL = 500;
/** A space of its own, which is never made. */
const SPACE_ID = 'kuratchi-doctor';
const TOKEN_MS = 60_000;
/** Whoever answers at a wrong address may name any number of anything. */
const ENTRIES_MAX = 20;
const ENTRY_CHARS_MAX = 1_000;

/**
 * Mints a token that shows what is the owner's to know. The key itself is shown to nobody: whoever answers at a wrong address
 * would have it.
 *
 * @param {string} space
 * @param {string} gatewayKey
 * @returns {Promise<string>}
 */
export function inspectorToken(space, gatewayKey) {
  return generateToken(space, { gatewayKey, userId: SPACE_ID, caps: ['inspect'], expiryMs: TOKEN_MS });
}

/**
 * Asks the Worker.
 *
 * @param {string} url The Worker's `/admin/settings`.
 * @param {string} gatewayKey
 * @param {number} limitMs
 * @returns {Promise<string[]>} A sentence for each setting; after the first 20, how many more there are. None where the Worker does
 *   not answer, or is an older one.
 */
export async function misconfigured(url, gatewayKey, limitMs) {
  try {
    const headers = { 'x-space-id': SPACE_ID, 'x-space-token': await inspectorToken(SPACE_ID, gatewayKey) };
    const { response, text } = await fetchText(url, { headers, redirect: 'manual' }, limitMs);
    const { misconfigured: entries, error } = JSON.parse(text);
    // A setting without which nothing works is what any request is answered with.
    if (response.status === INTERNAL) return told([error]);
    return response.ok && Array.isArray(entries) ? told(entries) : [];
  } catch {
    return [];
  }
}

function told(entries) {
  const first = entries.slice(0, ENTRIES_MAX).map((entry) => String(entry).slice(0, ENTRY_CHARS_MAX));
  const more = entries.length - first.length;
  return more > 0 ? [...first, `and ${more} more`] : first;
}
