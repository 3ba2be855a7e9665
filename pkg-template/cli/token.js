/**
 * `kuratchi-spaces token`: a space token, alone on standard output.
 *
 * Owns the spelling of its options. How a token is made is `tokens.js`.
 */

import { resolve } from 'node:path';

import { getSpacesEnvironment } from '../environment.js';
import { generateToken } from '../tokens.js';
import { readGatewayKey } from './local-data.js';
import { EXIT_OK, Failure, note, print, UsageError } from './terminal.js';

const UNIT_MS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/**
 * @param {string} spaceId
 * @param {{user?: string, name?: string, role?: string, caps?: string, expiry: string, data: string}} options
 * @returns {Promise<number>} The exit code.
 */
export async function token(spaceId, { user, name, role, caps, expiry, data }) {
  const expiryMs = readExpiry(expiry);
  const gatewayKey = findKey(data);
  const claims = { userId: user, name, role, caps: caps?.split(',').map((cap) => cap.trim()) };
  print(await generateToken(spaceId, { gatewayKey, expiryMs, ...claims }));
  return EXIT_OK;
}

/** `90s`, `15m`, `1h` or `7d` in milliseconds. */
export function readExpiry(text) {
  const [, count, unit] = /^(\d{1,9})([smhd])$/.exec(text) ?? [];
  if (count === undefined || Number(count) === 0) {
    throw new UsageError(`--expiry ${text}: expected a number with s, m, h or d, as in 90s, 15m, 1h or 7d`);
  }
  return Number(count) * UNIT_MS[unit];
}

/** The key of the environment, else that of the backend that `dev` runs here. */
function findKey(data) {
  const { gatewayKey } = getSpacesEnvironment();
  if (gatewayKey) return gatewayKey;
  const local = readGatewayKey(resolve(data));
  if (local === undefined) {
    throw new Failure(
      `There is no key to sign with: set KURATCHI_GATEWAY_KEY, or start a local backend with "npx kuratchi-spaces dev", whose key is kept in ${data}.`,
    );
  }
  note(`Signed with the key of the local backend in ${data}`);
  return local;
}
