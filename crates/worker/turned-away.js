/**
 * Sockets that are not wanted: each is accepted, told why, and closed, because a browser shows its page no status of a refused
 * upgrade.
 *
 * Owns the telling. How many of them may be there is the caller's to know: the runtime keeps each until its other end has
 * answered the close.
 */

import { takeShare } from './places.js';

/**
 * Answers an upgrade that Rust turned away before any object was asked; `undefined` where its network has too many sockets
 * already that nobody has proven.
 *
 * @param {{source: string, protocol?: string, frame: string, code: number, reason: string}} turnedAway
 */
export function turnAway({ source, protocol, frame, code, reason }) {
  const share = takeShare(source);
  if (!share) return undefined;
  const [client, server] = Object.values(new WebSocketPair());
  dismiss(server, [frame], code, reason, () => share.leave());
  const headers = protocol ? { 'Sec-WebSocket-Protocol': protocol } : {};
  return new Response(null, { status: 101, webSocket: client, headers });
}

/** Tells a new socket why it is not wanted, and closes it. Calls `left` once, when its other end has answered or is gone. */
export function dismiss(socket, frames, code, reason, left) {
  let isGone = false;
  const leave = () => {
    if (!isGone) left();
    isGone = true;
  };
  socket.addEventListener('close', leave);
  socket.addEventListener('error', leave);
  try {
    socket.accept();
    for (const frame of frames) socket.send(frame);
    socket.close(code, reason);
  } catch {
    // The client left while we looked at it.
    leave();
  }
}
