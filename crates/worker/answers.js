/**
 * Bounds the memory that long HTTP answers take while their clients read them.
 *
 * The runtime keeps an answer until its client has read it, however slowly, so clients that ask and do not read would fill its
 * memory. Bytes are therefore reserved before an object is asked, as many as its answer may have, and released as the client
 * reads or when it disconnects. A request beyond its caller's share waits; a client that does not read is disconnected where
 * the bytes are needed. Counts bytes only: what an answer says is up to Rust.
 */

/** Answers of up to so many bytes are not counted while they are read: connections are bounded by their number. */
const SHORT_BYTES_MAX = 64 * 1024;

/**
 * Longer ones are pages of the first version, and leave some bytes to all others: those are bounded by `PAGE_BYTES_MAX` and
 * `WINDOW_BYTES_MAX` of limits.rs, 512 KiB, with somewhat more around that.
 */
const LONG_BYTES = 640 * 1024;

/** Beyond so many reserved bytes, idle clients are disconnected: `ANSWERS_BYTES_MAX` of limits.rs. */
const RESERVED_BYTES_FULL = 64 * 1024 * 1024;

/** Most reserved bytes, where all clients read; and beyond which no page of the first version is asked for. */
const RESERVED_BYTES_MAX = 2 * RESERVED_BYTES_FULL;
const RESERVED_BYTES_MAX_OF_LONG = 1.5 * RESERVED_BYTES_FULL;

/** The same for one caller: `ANSWERS_OWN_BYTES_MAX` of limits.rs, and somewhat more for other answers. */
const OWN_BYTES_MAX_OF_LONG = 16 * 1024 * 1024;
const OWN_BYTES_MAX = 20 * 1024 * 1024;

/** An answer is passed on in chunks of so many bytes. */
const CHUNK_BYTES = 16 * 1024;

/**
 * A client is idle that has taken no chunk for so long, in milliseconds: one of a caller with more than `MANY_BYTES`, one of any
 * other caller, and one that another request of the same caller waits for. The kernel buffers some megabytes, so a client that
 * reads steadily takes no chunk for seconds.
 */
const IDLE_MS_OF_MANY = 1_000;
const IDLE_MS = 10_000;
const IDLE_MS_OF_OWN = 5_000;
const MANY_BYTES = 5 * 1024 * 1024;

/** A client that is idle for so long is disconnected even if nothing waits: `ANSWER_IDLE_MS_MAX` of limits.rs. */
const IDLE_MS_MAX = 120_000;
const IDLE_CHECK_MS = 10_000;

/** A reservation lapses if no client reads its answer after so long: the runtime may have ended what would release it. */
const ASKED_MS_MAX = 60_000;

/** How long a request waits for bytes. It retries at growing intervals. */
const WAIT_MS_MAX = 10_000;
const RETRY_MS_MIN = 20;
const RETRY_MS_MAX = 320;

/** Most waiting requests: of one caller, of all. One that has not retried for so long is of a client that disconnected. */
const OWN_WAITING_MAX = 200;
const WAITING_MAX = 1_000;
const WAITING_STALE_MS = 1_000;

/** @type {Map<string, Caller>} Callers with answers or waiting requests. */
const callers = new Map();
/** @type {Set<Answer>} Answers that no client reads yet. */
const asked = new Set();
let reservedBytes = 0;
let waitingCount = 0;

/**
 * Reserves bytes for an answer, as soon as there are enough.
 *
 * @param {string} name The caller: a user in a space, or a token that names nobody.
 * @param {number} bytes Most bytes that the answer has.
 * @param {AbortSignal} signal Aborts when the client disconnects.
 * @returns {Promise<Answer | undefined>} `undefined` after 10 s, where too many requests wait, or if the client disconnected.
 */
export async function reserveAnswer(name, bytes, signal) {
  const request = { bytes, retriedAt: Date.now(), isDropped: false };
  const end = request.retriedAt + WAIT_MS_MAX;
  try {
    for (let retryMs = RETRY_MS_MIN; !signal.aborted; retryMs = Math.min(2 * retryMs, RETRY_MS_MAX)) {
      const caller = callerNamed(name);
      if (caller.isNext(request) && caller.makeRoom(bytes)) return new Answer(caller, bytes, signal);
      if (Date.now() >= end || request.isDropped || !caller.wait(request)) break;
      await scheduler.wait(retryMs);
    }
  } finally {
    callers.get(name)?.stopWaiting(request);
  }
  return undefined;
}

function callerNamed(name) {
  return callers.get(name) ?? new Caller(name);
}

function callerWithMost(count) {
  let most;
  for (const caller of callers.values()) if (!most || count(caller) > count(most)) most = caller;
  return most;
}

function isStale(request) {
  return Date.now() - request.retriedAt > WAITING_STALE_MS;
}

/** The answers and the waiting requests of one caller. Listed in `callers` while it has any. */
class Caller {
  name;
  /** What is reserved for it. */
  bytes = 0;
  /** Answers that its clients read, the longest idle first. */
  #read = new Set();
  #waiting = new Set();

  constructor(name) {
    this.name = name;
  }

  /** Disconnects idle clients as far as `bytes` more need it. Returns whether there is room for them. */
  makeRoom(bytes, isLong = bytes > LONG_BYTES) {
    const now = Date.now();
    for (const answer of asked) {
      if (answer.since >= now - ASKED_MS_MAX) break;
      answer.release();
    }
    const ownMax = isLong ? OWN_BYTES_MAX_OF_LONG : OWN_BYTES_MAX;
    while (this.bytes + bytes > ownMax && this.#cutIdle(now - IDLE_MS_OF_OWN));
    while (reservedBytes + bytes > RESERVED_BYTES_FULL) {
      const largest = callerWithMost((caller) => caller.bytes);
      if (!largest?.#cutIdle(now - (largest.bytes > MANY_BYTES ? IDLE_MS_OF_MANY : IDLE_MS))) break;
    }
    const max = isLong ? RESERVED_BYTES_MAX_OF_LONG : RESERVED_BYTES_MAX;
    // One answer is always allowed to a caller: it may be longer than a share.
    return (this.bytes === 0 || this.bytes + bytes <= ownMax) && reservedBytes + bytes <= max;
  }

  /** Adds `bytes`, which may be negative, to what is reserved. */
  reserve(bytes) {
    this.bytes += bytes;
    reservedBytes += bytes;
    this.#list();
  }

  /** Lists an answer whose client has just taken a chunk. */
  listRead(answer) {
    this.#read.delete(answer);
    this.#read.add(answer);
    this.#list();
  }

  unlistRead(answer) {
    this.#read.delete(answer);
    this.#list();
  }

  /** Whether no request waits for longer that needs as much at most. */
  isNext(request) {
    for (const other of this.#waiting) {
      if (other === request) return true;
      if (other.bytes <= request.bytes && !isStale(other)) return false;
    }
    return true;
  }

  /** Lists a waiting request, or one that retried. Returns whether it may wait. */
  wait(request) {
    request.retriedAt = Date.now();
    if (this.#waiting.has(request)) return true;
    for (const caller of callers.values()) caller.#dropStale();
    if (this.#waiting.size >= OWN_WAITING_MAX) return false;
    if (waitingCount >= WAITING_MAX && !this.#replaceWaiting()) return false;
    this.#waiting.add(request);
    waitingCount += 1;
    this.#list();
    return true;
  }

  stopWaiting(request) {
    if (!this.#waiting.delete(request)) return;
    waitingCount -= 1;
    this.#list();
  }

  /** Drops a request of the caller with most of them, so that a crowd does not keep others from waiting. */
  #replaceWaiting() {
    const most = callerWithMost((caller) => caller.#waiting.size);
    if (most.#waiting.size <= this.#waiting.size + 1) return false;
    const [oldest] = most.#waiting;
    oldest.isDropped = true;
    most.stopWaiting(oldest);
    return true;
  }

  #dropStale() {
    for (const request of this.#waiting) if (isStale(request)) this.stopWaiting(request);
  }

  /** Disconnects the client that is idle for longest, if it took nothing since `time`. Returns whether it did. */
  #cutIdle(time) {
    const [answer] = this.#read;
    if (!answer || answer.readAt > time) return false;
    answer.cut();
    return true;
  }

  #list() {
    if (this.bytes > 0 || this.#read.size > 0 || this.#waiting.size > 0) callers.set(this.name, this);
    else callers.delete(this.name);
  }
}

/** A reservation, and the answer that it is for. */
class Answer {
  since = Date.now();
  readAt = this.since;
  #caller;
  /** What is reserved; `undefined` once that is released. */
  #bytes;
  #idleTimer;
  #isGone = false;
  #end = Promise.withResolvers();

  constructor(caller, bytes, signal) {
    this.#reserve(caller, bytes);
    signal.addEventListener('abort', () => {
      this.#isGone = true;
      this.#end.resolve('gone');
    });
  }

  /**
   * Reserves as many bytes as the answer has, which may be more or less than was thought. Returns whether there was room; if
   * not, nothing is reserved any more.
   */
  resize(bytes) {
    const { name } = this.#caller;
    this.release();
    const caller = callerNamed(name);
    // The bytes are in memory already: the answer leaves no more to others by being asked for, and paid, again.
    if (!caller.makeRoom(bytes, false)) return false;
    this.#reserve(caller, bytes);
    return true;
  }

  /**
   * Returns the response for the runtime: a long one is read as the client reads it.
   *
   * @param {Response} response
   * @param {{ waitUntil: (work: Promise<unknown>) => void }} context
   */
  send(response, context) {
    const { body } = response;
    if (body && this.#isGone) {
      context.waitUntil(this.discard(body));
      return new Response();
    }
    if (!body || this.#bytes <= SHORT_BYTES_MAX) {
      this.release();
      return response;
    }
    const { readable, writable } = new FixedLengthStream(this.#bytes);
    this.#chunkTaken(0);
    // Otherwise the runtime would end this when the client leaves, and the bytes would stay reserved.
    context.waitUntil(this.#pipe(body, writable));
    return new Response(readable, response);
  }

  /** Reads a body that the client does not get, then releases its bytes. */
  async discard(body) {
    if (body) await drain(body.getReader({ mode: 'byob' }));
    this.release();
  }

  /** Disconnects the client. By a promise: only the request that made a stream may touch it. */
  cut() {
    this.release();
    this.#end.resolve('cut');
  }

  release() {
    asked.delete(this);
    if (this.#bytes === undefined) return;
    this.#caller.reserve(-this.#bytes);
    this.#bytes = undefined;
    this.#caller.unlistRead(this);
  }

  async #pipe(body, writable) {
    const reader = body.getReader({ mode: 'byob' });
    const writer = writable.getWriter();
    const isOver = (work) => Promise.race([work.then(() => {}), this.#end.promise]);
    this.#checkIdle();
    try {
      let end;
      for await (const chunk of chunksOf(reader)) {
        end = await isOver(writer.write(chunk));
        if (end) break;
        this.#chunkTaken(chunk.byteLength);
      }
      end ??= await isOver(writer.close());
      // The runtime logs most other errors.
      if (end === 'cut') throw AbortSignal.abort().reason;
    } catch (error) {
      writer.abort(error).catch(() => {});
    } finally {
      clearTimeout(this.#idleTimer);
      await drain(reader);
      this.release();
    }
  }

  #checkIdle() {
    if (Date.now() - this.readAt > IDLE_MS_MAX) this.cut();
    else this.#idleTimer = setTimeout(() => this.#checkIdle(), IDLE_CHECK_MS);
  }

  #chunkTaken(bytes) {
    if (this.#bytes === undefined) return;
    asked.delete(this);
    this.readAt = Date.now();
    this.#bytes -= bytes;
    this.#caller.reserve(-bytes);
    this.#caller.listRead(this);
  }

  #reserve(caller, bytes) {
    this.#caller = caller;
    this.#bytes = bytes;
    caller.reserve(bytes);
    asked.add(this);
  }
}

/** The chunks of a body. All share a buffer: otherwise they are as much garbage as the answer. */
async function* chunksOf(reader) {
  for (let buffer = new ArrayBuffer(CHUNK_BYTES), isLast = false; !isLast; ) {
    const { value, done } = await reader.readAtLeast(CHUNK_BYTES, new Uint8Array(buffer));
    isLast = done || value.byteLength < CHUNK_BYTES;
    if (value?.byteLength) yield value;
    if (value) buffer = value.buffer;
  }
}

/**
 * Reads what is left of a body. One that is not read stays in memory until the runtime collects garbage, which it seldom does:
 * the bytes are not on the heap that it looks at.
 */
async function drain(reader) {
  try {
    for await (const _ of chunksOf(reader));
  } catch {
    // The object was ended meanwhile.
  }
}
