/**
 * What of a Worker's settings it cannot use, as the Worker itself says.
 *
 * Owns the question. Must not know who is told: `deploy`, `dev` and `doctor` are.
 */

import { fetchText } from './fetch-text.js';

const INTERNAL = 500;

/**
 * Asks the Worker.
 *
 * @param {string} url The Worker's `/admin/settings`.
 * @param {string} gatewayKey
 * @param {number} limitMs
 * @returns {Promise<string[]>} A sentence for each setting. None where the Worker does not answer, or is an older one.
 */
export async function misconfigured(url, gatewayKey, limitMs) {
  try {
    const headers = { Authorization: `Bearer ${gatewayKey}` };
    const { response, text } = await fetchText(url, { headers, redirect: 'manual' }, limitMs);
    const { misconfigured: entries, error } = JSON.parse(text);
    // A setting without which nothing works is what any request is answered with.
    if (response.status === INTERNAL) return [String(error)];
    return response.ok && Array.isArray(entries) ? entries.map(String) : [];
  } catch {
    return [];
  }
}
