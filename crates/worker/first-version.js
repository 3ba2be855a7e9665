/**
 * Sockets of the first version, which say who they are by a frame: the Worker holds them until they have, and passes on
 * what they say from then on.
 *
 * An object lasts for ever once it was asked anything, so nobody reaches one without proof. Owns the unproven sockets of the
 * isolate and the two ends of each relay; what a frame proves is Rust's to say (unproven.rs).
 */

import * as rust from './index.js';
import { enter, survive } from './instance.js';

/** Most unproven sockets of the isolate: `UNPROVEN_SOCKETS_MAX` of limits.rs. One of them makes place for the next. */
const UNPROVEN_MAX = 500;

/** How long a socket may stay unproven, in milliseconds: `AUTHENTICATE_MS_MAX` of limits.rs. */
const UNPROVEN_MS = 5_000;

/** Who goes on sending beyond what the object would take. */
const RATE_LIMITED = 'rateLimited';

/** Close codes that stand for "none", and can not be sent. */
const UNSENDABLE = new Set([1005, 1006, 1015]);

/** The unproven ones, the oldest first. */
const unproven = new Set();

/**
 * Answers a WebSocket upgrade.
 *
 * @param {{space: string, source: string}} visit `source`: the network it comes from, empty where that is not known.
 * @param {object} env
 * @param {(errand: string) => Promise<Response>} connect Gives the object's answer to an upgrade.
 */
export function acceptFirstVersion(visit, env, connect) {
  const [client, server] = Object.values(new WebSocketPair());
  new Relay(server, visit, env, connect);
  return new Response(null, { status: 101, webSocket: client });
}

/**
 * The socket that makes place: the oldest of the network from which most of them come, so that one network keeps nobody else
 * out. Where networks are not known, the oldest of all.
 */
function nextToGo() {
  const counts = new Map();
  for (const { source } of unproven) counts.set(source, (counts.get(source) ?? 0) + 1);
  const most = Math.max(...counts.values());
  return [...unproven].find(({ source }) => counts.get(source) === most);
}

/** What a connection may send: permits that come back with time. */
class Bucket {
  #burst;
  #perSecond;
  #permits;
  #at = Date.now();

  constructor(burst, perSecond) {
    this.#burst = burst;
    this.#perSecond = perSecond;
    this.#permits = burst;
  }

  /** Whether so many permits were there, and are taken. */
  take(permits) {
    const now = Date.now();
    const gained = (Math.max(0, now - this.#at) / 1_000) * this.#perSecond;
    this.#permits = Math.min(this.#burst, this.#permits + gained) - permits;
    this.#at = now;
    return this.#permits >= 0;
  }
}

class Relay {
  source;
  #client;
  #space;
  #env;
  #connect;
  /** Frames that wait for proof, or for the object's socket. */
  #held = [];
  #heldBytes = 0;
  /** Frames that were refused before that: they count as if they were held. */
  #refused = 0;
  #isProven = false;
  #isOver = false;
  /** The object's socket. */
  #object;
  #bucket;
  #unitsPerPermit;
  #timer;
  /** Settled by whoever needs this one's place: a socket is only touched by the request that accepted it. */
  #makePlace;

  constructor(client, { space, source }, env, connect) {
    this.source = source;
    this.#client = client;
    this.#space = space;
    this.#env = env;
    this.#connect = connect;
    client.accept();
    client.binaryType = 'arraybuffer';
    client.addEventListener('message', ({ data }) => survive(() => this.#hear(data)));
    client.addEventListener('close', ({ code, reason }) => this.#clientLeft(code, reason));
    client.addEventListener('error', () => this.#clientLeft(1011, ''));
    this.#wait();
  }

  #wait() {
    const place = Promise.withResolvers();
    this.#makePlace = place.resolve;
    place.promise.then(() => survive(() => this.#dismiss('notAuthenticated')));
    this.#timer = setTimeout(() => survive(() => this.#dismiss('notAuthenticated')), UNPROVEN_MS);
    unproven.add(this);
    if (unproven.size <= UNPROVEN_MAX) return;
    const loser = nextToGo();
    unproven.delete(loser);
    loser.#makePlace();
  }

  #waitNoMore() {
    clearTimeout(this.#timer);
    unproven.delete(this);
  }

  #hear(data) {
    if (this.#isOver) return;
    if (this.#object) {
      this.#pass(data);
      return;
    }
    const counted = this.#held.length + this.#refused;
    const verdict = enter(() =>
      rust.hear_unproven(this.#env, this.#space, data, counted, this.#heldBytes, this.#isProven),
    );
    if (verdict.errand) this.#open(verdict);
    else if (verdict.code) this.#close(verdict);
    else if (verdict.frame) {
      this.#refused += 1;
      this.#client.send(verdict.frame);
    } else {
      this.#held.push(data);
      this.#heldBytes += new TextEncoder().encode(data).byteLength;
    }
  }

  /** Opens a socket to the object, and hands over what was held. */
  async #open({ errand, burst, perSecond, unitsPerPermit }) {
    this.#isProven = true;
    this.#waitNoMore();
    this.#bucket = new Bucket(burst, perSecond);
    this.#unitsPerPermit = unitsPerPermit;
    try {
      const answer = await this.#connect(errand);
      const object = answer.webSocket;
      if (!object) throw new Error(`the space answered an upgrade with ${answer.status}`);
      object.accept();
      object.binaryType = 'arraybuffer';
      object.addEventListener('message', ({ data }) => this.#tell(data));
      object.addEventListener('close', ({ code, reason }) => this.#objectLeft(code, reason));
      object.addEventListener('error', () => this.#objectLeft(1011, ''));
      if (this.#isOver) {
        object.close(1000, '');
        return;
      }
      this.#object = object;
      for (const frame of this.#held.splice(0)) this.#pass(frame);
    } catch (error) {
      survive(() => {
        this.#dismiss('internal');
        throw error;
      });
    }
  }

  /** Passes a frame on to the object, if what waits there is not too much. */
  #pass(data) {
    const units = typeof data === 'string' ? data.length : data.byteLength;
    if (!this.#bucket.take(Math.max(1, Math.ceil(units / this.#unitsPerPermit)))) {
      this.#object.close(1000, RATE_LIMITED);
      this.#dismiss(RATE_LIMITED);
      return;
    }
    try {
      this.#object.send(data);
    } catch {
      // It is closed: its own event says so.
    }
  }

  #tell(data) {
    try {
      if (!this.#isOver) this.#client.send(data);
    } catch {
      // The client is gone: its own event says so.
    }
  }

  #dismiss(code) {
    if (!this.#isOver) this.#close(enter(() => rust.dismiss_unproven(this.#env, code)));
  }

  #close({ frame, code, reason }) {
    this.#end();
    try {
      this.#client.send(frame);
      this.#client.close(code, reason);
    } catch {
      // It is closed already.
    }
  }

  #clientLeft(code, reason) {
    this.#end();
    closeSocket(this.#object, code, reason);
    closeSocket(this.#client, code, '');
  }

  #objectLeft(code, reason) {
    this.#end();
    closeSocket(this.#client, code, reason);
    closeSocket(this.#object, code, '');
  }

  /** From now on nothing is passed on. */
  #end() {
    this.#isOver = true;
    this.#held = [];
    this.#waitNoMore();
  }
}

/** Closes a socket, which may be closed already. */
function closeSocket(socket, code, reason) {
  try {
    socket?.close(UNSENDABLE.has(code) ? 1011 : code, reason);
  } catch {
    // It is.
  }
}
