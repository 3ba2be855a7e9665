/**
 * `kuratchi-spaces token`: a space token, alone on standard output.
 *
 * Owns the spelling of its options, and which key signs. How a token is made is `tokens.js`.
 */

import { resolve } from 'node:path';

import { getSpacesEnvironment } from '../environment.js';
import { generateToken } from '../tokens.js';
import { isLocal } from './answers.js';
import { DATA_FOLDER, readGatewayKey, runningAddress } from './local-data.js';
import { EXIT_OK, Failure, note, print, UsageError } from './terminal.js';

/** Capabilities that the Worker knows. */
const CAPABILITIES = ['inspect', 'metadata', 'moderate', 'system'];

const UNIT_MS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/**
 * @param {string} spaceId
 * @param {{user?: string, name?: string, role?: string, caps?: string, expiry: string, data?: string}} options
 *   `data`: folder of the local backend whose key signs; without it, the environment's key comes first.
 * @returns {Promise<number>} The exit code.
 */
export async function token(spaceId, { user, name, role, caps, expiry, data }) {
  const expiryMs = readExpiry(expiry);
  const gatewayKey = findKey(data);
  const claims = { userId: user, name, role, caps: readCapabilities(caps) };
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

function readCapabilities(text) {
  const caps = text?.split(',').map((cap) => cap.trim());
  const unknown = caps?.find((cap) => !CAPABILITIES.includes(cap));
  if (unknown === undefined) return caps;
  throw new UsageError(`--caps ${text}: "${unknown}" is none; there are ${CAPABILITIES.join(', ')}`);
}

/** The key of the named backend; without one, that of the environment, else that of the backend that `dev` runs here. */
function findKey(data) {
  const folder = data ?? DATA_FOLDER;
  const { gatewayKey, workerUrl } = getSpacesEnvironment();
  if (gatewayKey && data === undefined) {
    const isForHere = runningAddress(resolve(folder)) !== undefined || isLocal(workerUrl);
    const other = isForHere ? readGatewayKey(resolve(folder)) : undefined;
    if (other !== undefined && other !== gatewayKey) {
      note(
        `Signed with the gateway key of the environment. The local backend has another one and refuses this token; --data ${folder} signs with that.`,
      );
    }
    return gatewayKey;
  }
  const local = readGatewayKey(resolve(folder));
  if (local !== undefined) {
    note(`Signed with the key of the local backend in ${folder}`);
    return local;
  }
  const start = `start a local backend with "npx kuratchi-spaces dev", whose key is kept in ${folder}`;
  throw new Failure(
    data === undefined
      ? `There is no key to sign with: set KURATCHI_GATEWAY_KEY, or ${start}.`
      : `There is no key in ${folder}: leave --data out, or ${start}.`,
  );
}
