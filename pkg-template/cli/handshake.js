/**
 * A WebSocket upgrade by hand, up to the first frame.
 *
 * Owns the bytes. By hand, because Node 20 has no WebSocket, and because a WebSocket tells nothing about an upgrade
 * that was refused: neither status nor body. Must not know what the frame says.
 */

import { createHash, randomBytes } from 'node:crypto';
import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';

const ACCEPT_GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const FRAME_BYTES_MAX = 1_048_576;
const BODY_CHARS_MAX = 2_000;
const OPCODE = { text: 1, close: 8 };

/**
 * Opens a socket, waits for the first text frame, and leaves.
 *
 * @param {URL} url With `http:` or `https:`.
 * @param {{protocols: string[], origin?: string, timeoutMs: number}} options
 * @returns {Promise<{protocol?: string, text?: string, closeCode?: number} | {status: number, body: string}>} The
 *   second form is the answer of a server that did not upgrade.
 */
export function firstFrame(url, { protocols, origin, timeoutMs }) {
  const key = randomBytes(16).toString('base64');
  const request = (url.protocol === 'https:' ? requestHttps : requestHttp)(url, {
    headers: {
      Connection: 'Upgrade',
      Upgrade: 'websocket',
      'Sec-WebSocket-Key': key,
      'Sec-WebSocket-Version': '13',
      'Sec-WebSocket-Protocol': protocols.join(', '),
      ...(origin && { Origin: origin }),
    },
  });
  let open;
  let timer;
  const outcome = new Promise((done, failed) => {
    // Not by destroying the request: after an upgrade that tells of no error, and ends nothing.
    timer = setTimeout(() => failed(new Error(`no frame within ${timeoutMs / 1_000} s`)), timeoutMs);
    request.once('error', failed);
    request.once('response', (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (text) => {
        body = (body + text).slice(0, BODY_CHARS_MAX);
      });
      response.once('end', () => done({ status: response.statusCode, body }));
      response.once('error', failed);
    });
    request.once('upgrade', (response, socket, head) => {
      open = socket;
      const accept = createHash('sha1')
        .update(key + ACCEPT_GUID)
        .digest('base64');
      if (response.headers['sec-websocket-accept'] !== accept) {
        failed(new Error('the answer to the upgrade is of no WebSocket server (Sec-WebSocket-Accept)'));
        return;
      }
      readFirst(socket, head, failed, (frame) =>
        done({ protocol: response.headers['sec-websocket-protocol'], ...frame }),
      );
    });
  });
  request.end();
  return outcome.finally(() => {
    clearTimeout(timer);
    open?.destroy();
    request.destroy();
  });
}

function readFirst(socket, head, failed, done) {
  let bytes = head;
  const look = () => {
    for (let frame = takeFrame(bytes); frame; frame = takeFrame(bytes)) {
      bytes = frame.rest;
      if (frame.opcode === OPCODE.text) return done({ text: frame.payload.toString('utf8') });
      if (frame.opcode === OPCODE.close) {
        return done({ closeCode: frame.payload.length >= 2 ? frame.payload.readUInt16BE(0) : undefined });
      }
    }
    if (bytes.length > FRAME_BYTES_MAX) failed(new Error('the first frame is too long'));
    return undefined;
  };
  socket.on('data', (chunk) => {
    bytes = Buffer.concat([bytes, chunk]);
    look();
  });
  socket.once('error', failed);
  socket.once('close', () => failed(new Error('the connection ended before the first frame')));
  look();
}

/** The first frame of `bytes`, if it is complete. A server's frames are not masked. */
function takeFrame(bytes) {
  if (bytes.length < 2) return undefined;
  const opcode = bytes[0] & 0x0f;
  let length = bytes[1] & 0x7f;
  let start = 2;
  if (length === 126) {
    if (bytes.length < 4) return undefined;
    length = bytes.readUInt16BE(2);
    start = 4;
  } else if (length === 127) {
    if (bytes.length < 10) return undefined;
    length = Number(bytes.readBigUInt64BE(2));
    start = 10;
  }
  if (bytes.length < start + length) return undefined;
  return { opcode, payload: bytes.subarray(start, start + length), rest: bytes.subarray(start + length) };
}
