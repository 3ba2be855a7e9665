/**
 * The Worker's entry module: the only place that enters Rust, and the only one that waits for anything.
 *
 * Owns the awaits there are (a body, an object's answer, a turn for others), each object's one timer, and recovery. It
 * decides nothing about protocol: what it cannot do it passes to Rust's `refuse`.
 *
 * Recovery (see instance.js). An object notices at its next event that its own half is of an older instance and builds it
 * anew from sockets, attachments and SQLite, which the runtime keeps; its timer is here and not in Rust, so that this event
 * comes by itself.
 */
import { DurableObject } from 'cloudflare:workers';
import { reserveAnswer } from './answers.js';
import { acceptFirstVersion } from './first-version.js';
import * as rust from './index.js';
import { enter, health, logFailure, survive } from './instance.js';
import { dismiss, turnAway } from './turned-away.js';

/** Longest body that is read to its end although nobody wants it. */
const UNWANTED_BYTES_MAX = 4 * 1024 * 1024;

/** Each part of a body but the first is paid for before it is read, in bytes: `BODY_PART_BYTES` of limits.rs. */
const BODY_PART_BYTES = 64 * 1024;

/** Longest frame that is copied into Wasm, in bytes: `CLIENT_FRAME_BYTES_MAX` of limits.rs. */
const FRAME_BYTES_MAX = 256 * 1024;

/** A longer frame, in bytes, is copied only if its sender can pay for it: `UNREAD_BYTES_MIN` of frames.rs. */
const LONG_FRAME_BYTES = 64 * 1024;

/** `readyState` of a socket that neither side has closed. */
const OPEN = 1;

/**
 * What the sockets of an object may do together before everybody gets a turn: frames, work as Rust counts it, bytes. The
 * runtime delivers all frames of a socket that it has before it looks at the network again: without a pause a fast sender,
 * or a crowd of slower ones, keeps everybody else's frames waiting for seconds.
 */
const TURN = { frames: 200, work: 100, bytes: 1024 * 1024 };

/**
 * Most sockets of an object that were turned away and whose other end has not answered the close: the runtime keeps each
 * until then. Whoever comes next is turned away without a socket, by an HTTP status that browsers show no page.
 */
const TURNED_AWAY_MAX = 100;

/** How long the runtime gets to look at the network, in milliseconds. */
const PAUSE_MS = 1;

/** Header in which the Worker tells an object what to do; see errand.rs. */
const ERRAND = 'x-space-errand';

/**
 * How long a text is in UTF-8, in bytes, without a copy of it. One with more units than a frame may have bytes is too long
 * whatever they are, and is not read: its units are told.
 */
function utf8Bytes(text) {
  if (text.length > FRAME_BYTES_MAX || /^[\0-\x7f]*$/.test(text)) return text.length;
  let bytes = text.length;
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    const isHalf = unit >= 0xd800 && unit <= 0xdfff;
    if (unit > 0x7f) bytes += unit > 0x7ff && !isHalf ? 2 : 1;
  }
  return bytes;
}

/**
 * The text of a body of at most `bytesMax` bytes, or the code of what is wrong with it. `caller` pays for it. Reads on to the
 * body's end in either case: workerd drops the connection of a request that was not read, and the answer, or the next request
 * on that connection, may be lost with it. Only a body that has no end in sight, or is not paid for, is left.
 */
async function readText(request, bytesMax, caller) {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let text = '';
  let refused;
  try {
    for await (const part of parts(request, () => (refused ? undefined : caller))) {
      if (!part.isPaid) return { refused: refused ?? 'rateLimited' };
      if (part.end > UNWANTED_BYTES_MAX) return { refused: 'tooLarge' };
      if (part.end > bytesMax) refused = 'tooLarge';
      if (refused) continue;
      try {
        text += decoder.decode(part.bytes, { stream: true });
      } catch {
        refused = 'badFrame';
      }
    }
  } catch {
    // The client left in the middle of it: nobody is there to be told.
    refused ??= 'badFrame';
  }
  if (refused) return { refused };
  try {
    return { text: text + decoder.decode() };
  } catch {
    return { refused: 'badFrame' };
  }
}

/**
 * The parts of a body, each but the first paid for by `payer()` before it is read; the last one given may not be. A part is as
 * large as it may be: the small ones in which they arrive cost more than their bytes.
 */
async function* parts(request, payer) {
  if (!request.body) return;
  const announced = Number(request.headers.get('content-length') ?? BODY_PART_BYTES);
  // A byte more, so that the end is found with the last of them.
  const size = Math.min(announced + 1 || BODY_PART_BYTES, BODY_PART_BYTES);
  const reader = request.body.getReader({ mode: 'byob' });
  try {
    for (let end = 0; ; ) {
      const isPaid = end < BODY_PART_BYTES || enter(() => rust.pay_body_part(payer()));
      if (!isPaid) yield { isPaid };
      const { value, done } = await reader.readAtLeast(size, new Uint8Array(size));
      end += value?.byteLength ?? 0;
      if (value?.byteLength) yield { isPaid, end, bytes: value };
      if (done || value.byteLength < size) return;
    }
  } finally {
    // Those that are left are not wanted.
    reader.cancel().catch(() => {});
  }
}

/** Asks the object of a space. The request is made of our own words: nothing of the client's but the body. */
function ask(env, visit, body) {
  const headers = { [ERRAND]: visit.errand };
  if (visit.upgrade) headers.Upgrade = 'websocket';
  const method = body === undefined ? 'GET' : 'POST';
  return env.SPACES.getByName(visit.space).fetch(new Request('https://space/', { method, headers, body }));
}

function refuse(request, env, code) {
  return respond(
    enter(() => rust.refuse(request, env, code)),
    request,
    env,
  );
}

/** What Rust made of a request: an answer, or a socket that is turned away. */
function respond(made, request, env) {
  if (made instanceof Response) return made;
  return turnAway(made) ?? enter(() => rust.refuse_socket(request, env));
}

async function answer(request, env, context) {
  const received = enter(() => rust.receive(request, env));
  let body;
  if (received.bodyBytesMax === undefined) {
    // Nobody asked for it.
    await readText(request, 0);
    if (!received.space) return respond(received, request, env);
    if (received.isUnproven) {
      const { space, source } = received;
      const connect = (errand) => ask(env, { space, errand, upgrade: true });
      const accepted = acceptFirstVersion({ space, source }, env, context, connect);
      return accepted ?? enter(() => rust.refuse_socket(request, env));
    }
  } else {
    const read = await readText(request, received.bodyBytesMax, received.caller);
    if (read.refused) return refuse(request, env, read.refused);
    body = read.text;
  }
  if (received.answerBytesMax === undefined) return deliver(request, env, await ask(env, received, body));
  return answerAtLength(request, env, context, received);
}

/** Asks for an answer that may be long, once there is room for it; again if it is longer than there was room for. */
async function answerAtLength(request, env, context, visit) {
  for (let bytes = visit.answerBytesMax; ; ) {
    const reserved = await reserveAnswer(visit.caller, bytes, request.signal);
    if (!reserved) return refuse(request, env, 'rateLimited');
    const asked = ask(env, visit);
    // Otherwise the runtime would forget all of this when the client leaves.
    context.waitUntil(asked.catch(() => {}));
    try {
      const response = await asked;
      bytes = Number(response.headers.get('content-length'));
      if (!reserved.resize(bytes)) {
        await reserved.discard(response.body);
        continue;
      }
      const delivered = deliver(request, env, response);
      if (request.method !== 'HEAD') return reserved.send(delivered, context);
      context.waitUntil(reserved.discard(response.body));
      return delivered;
    } catch (error) {
      reserved.release();
      throw error;
    }
  }
}

function deliver(request, env, response) {
  // The answer to an upgrade carries the socket itself and can not be copied.
  return response.webSocket ? response : enter(() => rust.deliver(request, env, response));
}

export default {
  async fetch(request, env, context) {
    try {
      return await answer(request, env, context);
    } catch (error) {
      // An object that failed, or a panic of ours.
      logFailure(error);
      return refuse(request, env, 'internal');
    }
  },
};

export class Space extends DurableObject {
  #space;
  #instanceId;
  #timer;
  #timerAt;
  /** What was done since the last pause. */
  #done = { frames: 0, work: 0, bytes: 0 };
  /** Pauses that are not over. */
  #pauses = 0;
  /** Sockets that were turned away and are still there. */
  #turnedAway = 0;
  /** Settlers of the requests that Rust answers later, by its id. */
  #waiting = new Map();

  async fetch(request) {
    const errand = request.headers.get(ERRAND) ?? undefined;
    // The Worker has bounded it.
    const body = await request.text();
    let work = 1;
    const answer = this.#enter((space) => {
      const answer = space.fetch(errand, body);
      work = space.work();
      return answer;
    });
    const later =
      typeof answer === 'number' &&
      new Promise((resolve, reject) => this.#waiting.set(answer, { resolve, reject }));
    await this.#takeTurns(work, body.length);
    return later || answer;
  }

  webSocketMessage(socket, message) {
    const isText = typeof message === 'string';
    const units = isText ? message.length : message.byteLength;
    let work = 1;
    // Frames of a socket that we closed go on coming until its other end answers: they cost nothing but their turn.
    if (socket.readyState === OPEN) {
      work = this.#survive((space) => {
        // Rust says whether a long one is paid for before it is copied.
        const mayBeLong = isText && units * 3 > LONG_FRAME_BYTES;
        const bytes = mayBeLong ? utf8Bytes(message) : units;
        const isWanted =
          bytes <= LONG_FRAME_BYTES || (bytes <= FRAME_BYTES_MAX && space.wants(socket, bytes));
        if (isWanted) space.message(socket, message);
        else space.unread(socket, bytes);
        return space.work();
      });
    }
    return this.#takeTurns(work ?? 1, units);
  }

  webSocketClose(socket, code) {
    this.#survive((space) => space.closed(socket, code));
  }

  webSocketError(socket) {
    this.#survive((space) => space.failed(socket));
  }

  alarm() {
    // What is thrown here makes the runtime ring again.
    this.#enter((space) => space.alarm());
  }

  /** Counts what was done; once it is much, nothing is delivered for a moment, so that others catch up. */
  #takeTurns(work, bytes) {
    const done = this.#done;
    done.frames += 1;
    done.work += work;
    done.bytes += bytes;
    if (done.frames < TURN.frames && done.work < TURN.work && done.bytes < TURN.bytes) return undefined;
    this.#done = { frames: 0, work: 0, bytes: 0 };
    return this.#pause();
  }

  /**
   * Has the runtime deliver nothing for a moment. No timer of the object may be running meanwhile: where one fires in
   * there, workerd 1.20260426 never delivers anything to the object again (seen in 98 of 100 runs, and in none without).
   */
  async #pause() {
    this.#pauses += 1;
    this.#wakeAt(undefined);
    try {
      await this.ctx.blockConcurrencyWhile(() => scheduler.wait(PAUSE_MS));
    } finally {
      this.#pauses -= 1;
    }
    // Entering sets the timer again. Where one pause follows the other it would never ring: what is due is done here.
    if (this.#pauses > 0) return;
    this.#survive((space) => {
      if (space.deadline() <= Date.now()) space.timeout_among_events();
    });
  }

  #enter(work) {
    try {
      return enter(() => {
        if (this.#instanceId !== health.instanceId) {
          this.#space = new rust.SpaceObject(
            this.ctx,
            this.env,
            (id, response) => this.#answer(id, response),
            (socket, frames, code, reason) => this.#turnAway(socket, frames, code, reason),
          );
          this.#instanceId = health.instanceId;
          // The room that these asked is gone: a panic is one line of log, however many waited.
          for (const id of [...this.#waiting.keys()]) this.#answer(id, this.#space.failure());
        }
        const result = work(this.#space);
        this.#wakeAt(this.#space.deadline());
        return result;
      });
    } catch (error) {
      // Frames that waited in the lost memory are in SQLite: waking up tells every client to ask for them.
      if (this.#instanceId !== health.instanceId) this.#wakeAt(Date.now());
      throw error;
    }
  }

  /** Answers a request that waited; the runtime may have refused to make a response. */
  #answer(id, response) {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (response) waiting?.resolve(response);
    else waiting?.reject(new Error('the runtime made no response'));
  }

  /** Tells a new socket why it is not wanted, and closes it. False where too many of those are still there. */
  #turnAway(socket, frames, code, reason) {
    if (this.#turnedAway >= TURNED_AWAY_MAX) return false;
    this.#turnedAway += 1;
    dismiss(socket, frames, code, reason, () => {
      this.#turnedAway -= 1;
    });
    return true;
  }

  /** For events that nobody waits for. */
  #survive(work) {
    return survive(() => this.#enter(work));
  }

  /** Keeps one timer, for the room's next deadline (ms since 1970), or none; none in a pause. */
  #wakeAt(wanted) {
    const deadline = this.#pauses > 0 ? undefined : wanted;
    if (deadline === this.#timerAt) return;
    clearTimeout(this.#timer);
    this.#timerAt = deadline;
    if (deadline === undefined) return;
    this.#timer = setTimeout(
      () => {
        this.#timerAt = undefined;
        this.#survive((space) => space.timeout());
      },
      Math.max(0, deadline - Date.now()),
    );
  }
}
