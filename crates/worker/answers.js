/**
 * Long answers over HTTP, on their way to whoever asked: so many bytes of the isolate's at once.
 *
 * The runtime keeps an answer until its client has read it, however slowly. Without a bound somebody who asks and does not
 * read fills its memory. Owns what is on its way, and who makes place: whoever has read nothing for longest. Must not know what
 * an answer says.
 */

/** A shorter answer, in bytes, is handed to the runtime as it is: connections are bounded by their number. */
const LONG_BYTES = 64 * 1024;

/** How much may be on its way, in bytes: `ANSWERS_BYTES_MAX` of limits.rs. Beyond it those are cut off that do not read. */
const ON_ITS_WAY_MAX = 64 * 1024 * 1024;

/** Beyond this nothing more is answered for a moment, even where all of them read. */
const ON_ITS_WAY_AT_ALL = 4 * ON_ITS_WAY_MAX;

/** The parts in which an answer is passed on, in bytes: who reads 16 kB a second reads one before {@link IDLE_MS} is over. */
const PART_BYTES = 16 * 1024;

/** Who has read nothing for so long makes place, in milliseconds. */
const IDLE_MS = 1_000;

/** And for so long is cut off in any case: `ANSWER_IDLE_MS_MAX` of limits.rs. */
const IDLE_MS_MAX = 30_000;

/** Answers on their way, with whoever read last at the end. */
const underWay = new Set();
let onItsWay = 0;

/** Whether another answer may be made. Cuts off who does not read, where there is need. */
export function hasRoomForAnswers() {
  const now = Date.now();
  for (const answer of underWay) {
    const idleMs = now - answer.readAt;
    const isInTheWay = onItsWay > ON_ITS_WAY_MAX && idleMs >= IDLE_MS;
    // All behind it have read later.
    if (!isInTheWay && idleMs < IDLE_MS_MAX) break;
    answer.cut();
  }
  return onItsWay <= ON_ITS_WAY_AT_ALL;
}

/**
 * Gives the answer to hand to the runtime: a long one in parts, as it is read.
 *
 * @param {Response} response
 * @param {{ waitUntil: (work: Promise<unknown>) => void }} context
 */
export function onTheWay(response, context) {
  const bytes = Number(response.headers.get('content-length'));
  if (!response.body || !(bytes > LONG_BYTES)) return response;
  const { readable, writable } = new FixedLengthStream(bytes);
  // The runtime forgets what a request has begun once its client is gone; this has to be counted out.
  context.waitUntil(new Answer(bytes).pass(response.body, writable));
  return new Response(readable, response);
}

class Answer {
  readAt = Date.now();
  #left;
  #cut = Promise.withResolvers();

  constructor(bytes) {
    this.#left = bytes;
    onItsWay += bytes;
    underWay.add(this);
  }

  /** Ends it. By a promise: a stream is only touched by the request that made it. */
  cut() {
    this.#leave();
    this.#cut.resolve('cut');
  }

  async pass(body, writable) {
    const reader = body.getReader({ mode: 'byob' });
    const writer = writable.getWriter();
    try {
      for (;;) {
        const { value, done } = await reader.readAtLeast(PART_BYTES, new Uint8Array(PART_BYTES));
        if (value?.byteLength) {
          const end = await Promise.race([writer.write(value), this.#cut.promise]);
          // Any other error would be a line of the runtime's log for each.
          if (end === 'cut') throw AbortSignal.abort().reason;
          this.#read(value.byteLength);
        }
        if (done || value.byteLength < PART_BYTES) return await writer.close();
      }
    } catch (error) {
      // The client is gone, or does not read.
      writer.abort(error).catch(() => {});
      reader.cancel(error).catch(() => {});
    } finally {
      this.#leave();
    }
  }

  #read(bytes) {
    if (!underWay.delete(this)) return;
    underWay.add(this);
    this.readAt = Date.now();
    this.#left -= bytes;
    onItsWay -= bytes;
  }

  #leave() {
    if (underWay.delete(this)) onItsWay -= this.#left;
  }
}
