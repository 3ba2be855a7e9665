/**
 * Sockets of the first version, which say who they are by a frame: the Worker holds them until they have, and passes on
 * what they say from then on.
 *
 * An object lasts for ever once it was asked anything, so nobody reaches one without proof. Owns the two ends of each
 * relay; how many wait is for places.js, and what a frame proves is Rust's to say (unproven.rs).
 */

import * as rust from './index.js';
import { enter, survive } from './instance.js';
import { takePlace } from './places.js';

/** How long a socket may stay unproven, in milliseconds: `AUTHENTICATE_MS_MAX` of limits.rs. */
const UNPROVEN_MS = 5_000;

/**
 * How long the space gets at most to work off what it has of a connection that is over its limit, in milliseconds, and how long
 * what it answers to the last of it may take.
 */
const DRAIN_MS_MAX = 30_000;
const LAST_ANSWER_MS = 500;

/** How often a connection that is over its limit and goes on is told so, in milliseconds. */
const TOLD_EVERY_MS = 1_000;

const RATE_LIMITED = 'rateLimited';

/**
 * How much may be on its way to objects and not worked off yet, in bytes: of all relays together, and what each has however
 * much that is. A socket of the Worker's own is read as fast as its client sends, whatever becomes of it: without a bound all
 * of that waits in memory.
 */
const ON_ITS_WAY_MAX = 32 * 1024 * 1024;
const OWN_ON_ITS_WAY = 512 * 1024;

/**
 * How often a relay has the object say how far it is, in bytes: by a mark, which the object sends back (space.rs). So much of each
 * counts for nothing: of what a quiet connection said last, nobody says that it was worked off.
 */
const MARK_EVERY = 64 * 1024;
const MARK = new Uint8Array(1);

/** Longest frame that is passed on, in bytes, because the object reads no longer one: `CLIENT_FRAME_BYTES_MAX` of limits.rs. */
const FRAME_BYTES_MAX = 256 * 1024;

/** Stands for any frame of bytes: the object refuses all, and knows marks by their length. */
const BYTES = new Uint8Array(0);

/** What is on its way to objects of all relays, in bytes, beyond `MARK_EVERY` of each. */
let onItsWay = 0;

/** What a close says that cannot be told as it came: the other end gave no code, or one that can not be sent. */
const UNTOLD = 1011;

/**
 * Answers a WebSocket upgrade; `undefined` where there is no place for another socket.
 *
 * @param {{space: string, source: string}} visit `source`: the network it comes from, empty where that is not known.
 * @param {object} env
 * @param {{ waitUntil: (work: Promise<unknown>) => void }} context
 * @param {(errand: string) => Promise<Response>} connect Gives the object's answer to an upgrade.
 */
export function acceptFirstVersion(visit, env, context, connect) {
  const place = takePlace(visit.source);
  if (!place) return undefined;
  const [client, server] = Object.values(new WebSocketPair());
  new Relay(server, place, visit.space, { env, context, connect });
  return new Response(null, { status: 101, webSocket: client });
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
  #client;
  #place;
  #space;
  #env;
  #context;
  #connect;
  /** Frames that wait for proof, or for the object's socket. */
  #held = [];
  #heldBytes = 0;
  /** Frames that were refused before proof: they count as if they were held. */
  #refused = 0;
  /** What the object may be sent, from the proof on. */
  #bucket;
  #unitsPerPermit;
  /** Units of the frames that were counted, sent, and worked off by the object, and where marks stand among them. */
  #passed = 0;
  #workedOff = 0;
  #marks = [];
  #markedAt = 0;
  #sent = 0;
  /** What it has in `onItsWay`. */
  #share = 0;
  #object;
  /** Settled when the object's socket is closed. */
  #closed;
  /** How the client left before there was a socket to the object. */
  #left;
  /** Whether the client's end is closed, or broke. */
  #isClientGone = false;
  /** Whether it is over its limit: nothing more is passed on to the object. */
  #isDraining = false;
  #toldAt = -TOLD_EVERY_MS;
  #isOver = false;
  #timer;

  constructor(client, place, space, { env, context, connect }) {
    this.#client = client;
    this.#place = place;
    this.#space = space;
    this.#env = env;
    this.#context = context;
    this.#connect = connect;
    client.accept();
    client.binaryType = 'arraybuffer';
    client.addEventListener('message', ({ data }) => survive(() => this.#hear(data)));
    client.addEventListener('close', ({ code, reason }) => this.#clientLeft(code, reason));
    client.addEventListener('error', () => this.#clientLeft(1011, ''));
    const dismiss = () => survive(() => this.#dismiss('notAuthenticated'));
    place.lost.then(dismiss);
    this.#timer = setTimeout(dismiss, UNPROVEN_MS);
  }

  #hear(data) {
    if (this.#isOver) return;
    if (this.#isDraining) {
      this.#refuse();
      return;
    }
    if (this.#bucket) {
      this.#pass(data);
      return;
    }
    const counted = this.#held.length + this.#refused;
    const verdict = enter(() => rust.hear_unproven(this.#env, this.#space, data, counted, this.#heldBytes));
    if (verdict.errand) this.#prove(verdict);
    else if (verdict.code) this.#close(verdict);
    else if (verdict.frame) {
      this.#refused += 1;
      this.#client.send(verdict.frame);
    } else {
      this.#held.push(data);
      this.#heldBytes += new TextEncoder().encode(data).byteLength;
    }
  }

  #prove({ errand, burst, perSecond, unitsPerPermit }) {
    clearTimeout(this.#timer);
    this.#place.free();
    this.#bucket = new Bucket(burst, perSecond);
    this.#unitsPerPermit = unitsPerPermit;
    for (const frame of this.#held) {
      this.#pay(frame);
      this.#count(frame);
    }
    // Whoever leaves meanwhile has said something first.
    this.#context.waitUntil(this.#open(errand));
  }

  /** Opens a socket to the object, and hands over what was held. */
  async #open(errand) {
    try {
      const answer = await this.#connect(errand);
      const object = answer.webSocket;
      if (!object) {
        const { code } = await answer.json();
        survive(() => this.#dismiss(code));
        return;
      }
      object.accept();
      object.binaryType = 'arraybuffer';
      this.#closed = new Promise((resolve) => {
        object.addEventListener('close', resolve);
        object.addEventListener('error', resolve);
      });
      object.addEventListener('message', ({ data }) => this.#tell(data));
      object.addEventListener('close', ({ code, reason }) => this.#objectLeft(code, reason));
      object.addEventListener('error', () => this.#objectLeft(1011, ''));
      if (this.#isOver) {
        closeSocket(object, 1000, '');
        return;
      }
      this.#object = object;
      this.#place.leave();
      for (const frame of this.#held.splice(0)) this.#send(frame);
      if (this.#isDraining) this.#awaitTheRest();
      if (this.#left) this.#clientLeft(this.#left.code, this.#left.reason);
    } catch (error) {
      survive(() => {
        this.#dismiss('internal');
        throw error;
      });
    }
  }

  /** Passes a frame on to the object, as soon as there is a socket to it. */
  #pass(data) {
    if (!this.#pay(data)) {
      this.#drain();
    } else if (typeof data === 'string' && data.length > FRAME_BYTES_MAX) {
      this.#tellRefusal('tooLarge');
    } else if (!this.#count(data)) {
      this.#drain();
    } else if (this.#object) {
      this.#send(data);
    } else {
      this.#held.push(data);
    }
  }

  #pay(data) {
    return this.#bucket.take(Math.max(1, Math.ceil(unitsOf(data) / this.#unitsPerPermit)));
  }

  /** Counts a frame that is to be passed on. False where too much is on its way. */
  #count(data) {
    const isTooMuch = onItsWay > ON_ITS_WAY_MAX && this.#passed - this.#workedOff > OWN_ON_ITS_WAY;
    if (isTooMuch) return false;
    this.#passed += unitsOf(data);
    this.#countShare();
    return true;
  }

  /** The object has worked off so much, or will not. */
  #workOff(upTo) {
    this.#workedOff = Math.max(this.#workedOff, upTo);
    this.#countShare();
  }

  #countShare() {
    const share = Math.max(0, this.#passed - this.#workedOff - MARK_EVERY);
    onItsWay += share - this.#share;
    this.#share = share;
  }

  /** Passes nothing more on. The space answers what it has, and ends the connection as any that is over its limit. */
  #drain() {
    this.#isDraining = true;
    this.#dismissIn(DRAIN_MS_MAX);
    this.#refuse();
    if (this.#object) this.#awaitTheRest();
  }

  #dismissIn(ms) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => survive(() => this.#dismiss(RATE_LIMITED)), ms);
  }

  /** Says that nothing more is taken: what is said now is lost, and a client of the first version keeps nothing. */
  #refuse() {
    const now = Date.now();
    if (now - this.#toldAt < TOLD_EVERY_MS) return;
    this.#toldAt = now;
    this.#tellRefusal(RATE_LIMITED);
  }

  #tellRefusal(code) {
    this.#sayToClient(enter(() => rust.dismiss_unproven(this.#env, code)).frame);
  }

  /** Has the object say when it has worked all of it off. */
  #awaitTheRest() {
    if (this.#sent > this.#markedAt) this.#mark();
    if (this.#marks.length === 0) this.#dismissIn(LAST_ANSWER_MS);
  }

  #send(data) {
    try {
      this.#object.send(typeof data === 'string' ? data : BYTES);
      this.#sent += unitsOf(data);
      if (this.#sent - this.#markedAt >= MARK_EVERY) this.#mark();
    } catch {
      // It is closed: its own event says so.
    }
  }

  #mark() {
    this.#markedAt = this.#sent;
    this.#marks.push(this.#sent);
    try {
      this.#object.send(MARK);
    } catch {
      // It is closed: its own event says so.
    }
  }

  #tell(data) {
    // Also of who has left: what they said is the object's to work off.
    if (typeof data !== 'string') this.#workOff(this.#marks.shift() ?? this.#workedOff);
    if (this.#isOver) return;
    if (typeof data === 'string') this.#sayToClient(data);
    else if (this.#isDraining && this.#marks.length === 0) this.#dismissIn(LAST_ANSWER_MS);
  }

  #sayToClient(frame) {
    try {
      this.#client.send(frame);
    } catch {
      // The client is gone: its own event says so.
    }
  }

  #dismiss(code) {
    if (!this.#isOver) this.#close(enter(() => rust.dismiss_unproven(this.#env, code)));
  }

  #close({ frame, code, reason }) {
    this.#end();
    this.#linger();
    try {
      // Who is over its limit was told when it was.
      if (!this.#isDraining) this.#client.send(frame);
      this.#client.close(code, reason);
    } catch {
      // It is closed already.
    }
  }

  #clientLeft(code, reason) {
    this.#isClientGone = true;
    this.#place.leave();
    closeSocket(this.#client, code, '');
    if (this.#bucket && !this.#object && !this.#isOver) {
      this.#left = { code, reason };
      return;
    }
    const isOnItsWay = this.#object !== undefined && !this.#isOver;
    this.#end(isOnItsWay);
    closeSocket(this.#object, code, reason);
    if (!this.#object) return;
    // What was passed on is on its way until the object has worked it off, or answered the close.
    const answered = Promise.race([this.#closed, scheduler.wait(DRAIN_MS_MAX)]);
    this.#context.waitUntil(answered.then(() => this.#workOff(this.#passed)));
  }

  /**
   * The object's close is answered when the client has answered its own: for the object a connection counts until then, and
   * the runtime keeps it.
   */
  #objectLeft(code, reason) {
    this.#end();
    this.#linger();
    closeSocket(this.#client, code, reason);
    if (this.#isClientGone) closeSocket(this.#object, code, '');
  }

  /** The client's end is closed from here: until it answers it counts for its network. */
  #linger() {
    if (!this.#isClientGone) this.#place.linger();
  }

  /** From now on nothing is passed on. `isOnItsWay`: what was before counts until it is worked off. */
  #end(isOnItsWay = false) {
    this.#isOver = true;
    this.#held = [];
    if (!isOnItsWay) this.#workOff(this.#passed);
    clearTimeout(this.#timer);
    this.#place.free();
  }
}

/** How long a frame is: UTF-16 units of a text, bytes of bytes. */
function unitsOf(data) {
  return typeof data === 'string' ? data.length : data.byteLength;
}

/** Closes a socket, which may be closed already. */
function closeSocket(socket, code, reason) {
  for (const [told, why] of [
    [code, reason],
    [UNTOLD, ''],
  ]) {
    try {
      socket?.close(told, why);
      return;
    } catch {
      // It is, or this code can not be sent.
    }
  }
}
