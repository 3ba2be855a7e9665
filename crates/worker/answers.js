/**
 * Long answers over HTTP, on their way to whoever asked: so many bytes of the isolate's at once.
 *
 * The runtime keeps an answer until its client has read it, however slowly. Without a bound somebody who asks and does not
 * read fills its memory. So room is taken before an object is asked, for as much as it may answer, and given back as the client
 * reads. Who is over their own share waits a little; who does not read makes place for others. Owns that room. Must not know
 * what an answer says.
 */

/** A shorter answer, in bytes, is handed to the runtime as it is: connections are bounded by their number. */
const LONG_BYTES = 64 * 1024;

/** How much may be on its way without anybody being cut off, in bytes: `ANSWERS_BYTES_MAX` of limits.rs. */
const ROOM = 64 * 1024 * 1024;

/** How much may be on its way at all, where everybody reads. */
const ROOM_AT_ALL = 2 * ROOM;

/** How much of that is one caller's, in bytes: `ANSWERS_OWN_BYTES_MAX` of limits.rs. */
const OWN_ROOM = 16 * 1024 * 1024;

/** The parts in which an answer is passed on, in bytes. */
const PART_BYTES = 16 * 1024;

/**
 * Who has taken no part for so long may be cut off where room is needed, in milliseconds: a caller who has more than a few answers
 * on their way, anybody, and for others of the same caller. Behind the kernel's buffers, of some megabytes, somebody who reads
 * steadily takes no part for seconds.
 */
const IDLE_MS_OF_MANY = 1_000;
const IDLE_MS = 10_000;
const IDLE_MS_OF_OWN = 5_000;
const MANY_BYTES = 8 * 1024 * 1024;

/** And for so long is cut off in any case: `ANSWER_IDLE_MS_MAX` of limits.rs. */
const IDLE_MS_MAX = 120_000;
const LOOK_EVERY_MS = 10_000;

/** A request that has not been answered for so long is not counted any more: its client may be gone, and nobody says so. */
const ASKED_MS_MAX = 60_000;

/** How long somebody waits for room, and how often is looked whether there is some: more and more rarely. */
const WAIT_MS_MAX = 10_000;
const WAIT_MS_FIRST = 20;
const WAIT_MS_LONGEST = 320;

/** How many wait, of one caller and in all; one who has not looked for so long is gone. */
const OWN_WAITING_MAX = 200;
const WAITING_MAX = 1_000;
const GONE_MS = 1_000;

/** Answers on their way, with whoever took a part last at the end. */
const underWay = new Set();
/** What is on its way, in bytes: to all, and to each caller. */
let onItsWay = 0;
const own = new Map();
/** Those who wait, with the time at which they looked last. */
const waiting = new Map();

/**
 * Room for an answer of at most `bytes`, once there is some; `undefined` where there is none for long, or too many wait for it.
 *
 * @param {string} caller
 * @param {number} bytes
 * @returns {Promise<Answer | undefined>}
 */
export async function takeRoom(caller, bytes) {
  const me = { caller };
  try {
    const end = Date.now() + WAIT_MS_MAX;
    for (let waitMs = WAIT_MS_FIRST; ; waitMs = Math.min(2 * waitMs, WAIT_MS_LONGEST)) {
      makeRoom(caller, bytes);
      if (hasRoom(caller, bytes)) return new Answer(caller, bytes);
      if (Date.now() >= end || !mayWait(me)) return undefined;
      waiting.set(me, Date.now());
      await scheduler.wait(waitMs);
    }
  } finally {
    waiting.delete(me);
  }
}

function hasRoom(caller, bytes) {
  const mine = own.get(caller) ?? 0;
  return (mine === 0 || mine + bytes <= OWN_ROOM) && onItsWay + bytes <= ROOM_AT_ALL;
}

function mayWait(me) {
  if (waiting.has(me)) return true;
  let ofCaller = 0;
  for (const [other, lookedAt] of waiting) {
    if (Date.now() - lookedAt > GONE_MS) waiting.delete(other);
    else if (other.caller === me.caller) ofCaller += 1;
  }
  return ofCaller < OWN_WAITING_MAX && waiting.size < WAITING_MAX;
}

/** Cuts off who does not read, as far as there is need. */
function makeRoom(caller, bytes) {
  const now = Date.now();
  for (const answer of underWay) {
    if (answer.isAsked && now - answer.since > ASKED_MS_MAX) answer.leave();
  }
  while ((own.get(caller) ?? 0) + bytes > OWN_ROOM && cutIdlest(caller, now - IDLE_MS_OF_OWN));
  while (onItsWay + bytes > ROOM) {
    const [most, mostBytes] = [...own].reduce((a, b) => (b[1] > a[1] ? b : a));
    if (!cutIdlest(most, now - (mostBytes > MANY_BYTES ? IDLE_MS_OF_MANY : IDLE_MS))) break;
  }
}

/** Cuts that answer of the caller's off that took no part for longest, if it took none since. Returns whether there was one. */
function cutIdlest(caller, since) {
  for (const answer of underWay) {
    if (answer.caller === caller && !answer.isAsked) {
      if (answer.readAt > since) return false;
      answer.cut();
      return true;
    }
  }
  return false;
}

class Answer {
  caller;
  /** Whether an object is asked for it, and nobody can read it yet. */
  isAsked = true;
  since = Date.now();
  readAt = Date.now();
  #left = 0;
  #timer;
  #cut = Promise.withResolvers();

  constructor(caller, bytes) {
    this.caller = caller;
    underWay.add(this);
    this.#count(bytes);
  }

  /**
   * Gives the answer to hand to the runtime: a long one in parts, as it is read.
   *
   * @param {Response} response
   * @param {{ waitUntil: (work: Promise<unknown>) => void }} context
   */
  send(response, context) {
    const bytes = Number(response.headers.get('content-length'));
    if (!response.body || !(bytes > LONG_BYTES)) {
      this.leave();
      return response;
    }
    this.isAsked = false;
    this.#count(bytes - this.#left);
    this.#taken(0);
    const { readable, writable } = new FixedLengthStream(bytes);
    // The runtime forgets what a request has begun once its client is gone; this has to be counted out.
    context.waitUntil(this.#pass(response.body, writable));
    return new Response(readable, response);
  }

  /** Reads what nobody wants, as `HEAD` does not: the runtime keeps what is not read until it next collects garbage. */
  async drop(body) {
    const reader = body?.getReader({ mode: 'byob' });
    try {
      for (let part = new Uint8Array(PART_BYTES), isOver = !reader; !isOver; ) {
        const { value, done } = await reader.readAtLeast(PART_BYTES, part);
        isOver = done || value.byteLength < PART_BYTES;
        part = new Uint8Array(value?.buffer ?? 0);
      }
    } finally {
      this.leave();
    }
  }

  /** Ends it. By a promise: a stream is only touched by the request that made it. */
  cut() {
    this.leave();
    this.#cut.resolve('cut');
  }

  leave() {
    clearTimeout(this.#timer);
    if (underWay.delete(this)) this.#count(-this.#left);
  }

  async #pass(body, writable) {
    const reader = body.getReader({ mode: 'byob' });
    const writer = writable.getWriter();
    this.#look();
    try {
      // One buffer for all parts: they would be as much garbage as the answer.
      for (let part = new Uint8Array(PART_BYTES); ; ) {
        const { value, done } = await reader.readAtLeast(PART_BYTES, part);
        if (value?.byteLength) {
          const end = await Promise.race([writer.write(value), this.#cut.promise]);
          // Most other errors would be a line of the runtime's log each.
          if (end === 'cut') throw AbortSignal.abort().reason;
          this.#taken(value.byteLength);
        }
        if (done || value.byteLength < PART_BYTES) return await writer.close();
        part = new Uint8Array(value.buffer);
      }
    } catch (error) {
      // The client is gone, or does not read.
      writer.abort(error).catch(() => {});
      reader.cancel(error).catch(() => {});
    } finally {
      this.leave();
    }
  }

  /** Ends it where nothing was taken for long, whether or not anybody else asks for something. */
  #look() {
    if (Date.now() - this.readAt > IDLE_MS_MAX) this.cut();
    else this.#timer = setTimeout(() => this.#look(), LOOK_EVERY_MS);
  }

  #taken(bytes) {
    if (!underWay.delete(this)) return;
    underWay.add(this);
    this.readAt = Date.now();
    this.#count(-bytes);
  }

  #count(bytes) {
    this.#left += bytes;
    onItsWay += bytes;
    const mine = (own.get(this.caller) ?? 0) + bytes;
    if (mine > 0) own.set(this.caller, mine);
    else own.delete(this.caller);
  }
}
