/**
 * What an attacker has: raw TCP connections that speak just enough of HTTP and WebSocket, and no manners.
 */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { secondVersion } from '../../contract/lib/second-version-client.mjs';

const HANDSHAKE_MS_MAX = 5_000;
const HEAD_END = '\r\n\r\n';

/** Opcodes of RFC 6455 §5.2. */
const TEXT = 1;
const BINARY = 2;
const CLOSE = 8;

/** A masked client frame. */
export function frame(payload, opcode = typeof payload === 'string' ? TEXT : BINARY) {
  const body = Buffer.from(payload);
  const mask = randomBytes(4);
  for (let at = 0; at < body.length; at += 1) body[at] ^= mask[at & 3];
  return Buffer.concat([head(opcode, body.length), mask, body]);
}

/** A close frame with this code, whatever it is. */
export function closing(code) {
  const payload = Buffer.alloc(2);
  payload.writeUInt16BE(code);
  return frame(payload, CLOSE);
}

function head(opcode, length) {
  const first = 0x80 | opcode;
  if (length < 126) return Buffer.from([first, 0x80 | length]);
  const long = Buffer.alloc(length < 65_536 ? 4 : 10);
  long[0] = first;
  if (length < 65_536) {
    long[1] = 0x80 | 126;
    long.writeUInt16BE(length, 2);
  } else {
    long[1] = 0x80 | 127;
    long.writeBigUInt64BE(BigInt(length), 2);
  }
  return long;
}

/**
 * Opens a WebSocket by hand. Resolves with the TCP socket once the server has answered, whatever it said; its `isAccepted` tells
 * whether that was a WebSocket.
 *
 * @param {string} url Of the Worker.
 * @param {{ spaceId: string, token?: string, query?: object, from?: string, origin?: string }} options With a token it is one
 *   of the second version. `query`: what else stands in the address; `from`: the address that Cloudflare would tell of; `origin`:
 *   that of the page.
 */
export function knock(url, { spaceId, token, query, from, origin }) {
  const { hostname, port } = new URL(url);
  const offer = token === undefined ? '' : `Sec-WebSocket-Protocol: ${secondVersion(token).join(', ')}\r\n`;
  const source = from === undefined ? '' : `CF-Connecting-IP: ${from}\r\n`;
  const page = origin === undefined ? '' : `Origin: ${origin}\r\n`;
  const socket = connect({ host: hostname, port: Number(port) });
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Error('no answer to an upgrade'));
    }, HANDSHAKE_MS_MAX);
    socket.once('connect', () =>
      socket.write(
        `GET /?${new URLSearchParams({ spaceId, ...query })} HTTP/1.1\r\nHost: ${hostname}:${port}\r\nUpgrade: websocket\r\n` +
          `Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\n` +
          `${offer}${source}${page}\r\n`,
      ),
    );
    socket.once('data', (data) => {
      clearTimeout(timer);
      socket.isAccepted = data.toString('latin1').startsWith('HTTP/1.1 101');
      // A quick server's first frame comes in one piece with its answer.
      const end = data.indexOf(HEAD_END);
      socket.early = end < 0 ? '' : data.subarray(end + HEAD_END.length).toString();
      resolve(socket);
    });
    socket.on('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    socket.once('close', () => {
      clearTimeout(timer);
      reject(new Error('closed before an answer'));
    });
  });
}

/**
 * What a socket that was just answered hears first.
 *
 * @returns {Promise<string | undefined>} `undefined` where it is silent for `ms`.
 */
export async function firstHeard(socket, ms) {
  if (socket.early) return socket.early;
  const stop = new AbortController();
  const { signal } = stop;
  const heard = once(socket, 'data', { signal }).then(([data]) => String(data));
  try {
    return await Promise.race([heard, sleep(ms, undefined, { signal })]);
  } finally {
    stop.abort();
  }
}

/** The same as `knock`; `undefined` where the server did not take it. */
export const tryToKnock = (url, options) => knock(url, options).catch(() => undefined);

/** Runs `act` over and over in `lanes` lanes at once, until `ms` are over. Resolves with how often it ran. */
export async function repeatedly(lanes, ms, act) {
  const end = Date.now() + ms;
  let times = 0;
  const lane = async (index) => {
    while (Date.now() < end) {
      await act(index);
      times += 1;
    }
  };
  await Promise.all(Array.from({ length: lanes }, (_, index) => lane(index)));
  return times;
}
