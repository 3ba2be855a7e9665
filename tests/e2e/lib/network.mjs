/**
 * A network that misbehaves on demand: TCP from anywhere to one place, with faults.
 *
 * Owns what may happen to bytes on their way: connections are cut or refused, stalled, swallowed, slowed,
 * sliced and delayed, in each direction by itself. It counts each fault that really hit something, because a
 * test in which nothing went wrong shows nothing. Knows neither HTTP nor WebSockets: proxy.mjs does.
 */
import { connect, createServer } from 'node:net';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';

/** A throttled direction passes at most this share of a second's bytes at once. */
const THROTTLE_STEPS_PER_SECOND = 20;

/**
 * @param {string} target Where its connections lead.
 * @returns {Promise<Network>}
 */
export async function startNetwork(target) {
  const network = new Network(new URL(target));
  await network.listen();
  return network;
}

/**
 * How bytes of one direction fare: `isStalled` keeps them until it ends, `isSwallowed` loses them,
 * `bytesPerSecond`, `sliceBytes` and `latencyMs` let them through late or in pieces.
 */
const FAIR = Object.freeze({
  isStalled: false,
  isSwallowed: false,
  bytesPerSecond: Number.POSITIVE_INFINITY,
  sliceBytes: Number.POSITIVE_INFINITY,
  latencyMs: 0,
});

export class Network {
  /** What to use instead of the target's URL. */
  url;
  /** How often each fault hit something. */
  faults = { cut: 0, refused: 0, swallowed: 0, stalled: 0, throttled: 0, sliced: 0, delayed: 0 };
  #target;
  #server;
  #connections = new Set();
  #weather = { up: { ...FAIR }, down: { ...FAIR } };
  #refuses = false;

  constructor(target) {
    this.#target = target;
  }

  async listen() {
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#take(socket));
    await new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(0, '127.0.0.1', resolve);
    });
    this.url = `http://127.0.0.1:${this.#server.address().port}`;
  }

  async close() {
    this.heal();
    for (const connection of this.#connections) connection.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** Breaks every connection that is open. */
  cut() {
    for (const connection of this.#connections) {
      connection.cut();
      this.faults.cut += 1;
    }
  }

  /** From now on nobody gets through: what is open breaks, what is new is refused. */
  goDown() {
    this.#refuses = true;
    this.cut();
  }

  /** Keeps what is under way, until `heal()`. */
  stall(...directions) {
    this.#set(directions, { isStalled: true });
  }

  /**
   * Loses what is under way and tells nobody; connections stay open. One that lost bytes is dead for good:
   * `heal()` helps new ones only, as it is with a forgetful router.
   */
  swallow(...directions) {
    this.#set(directions, { isSwallowed: true });
    for (const connection of this.#connections) connection.lose(directions);
  }

  /** As `swallow`, and new connections are well. */
  swallowPresent(...directions) {
    for (const connection of this.#connections) connection.lose(directions);
  }

  throttle(bytesPerSecond, ...directions) {
    this.#set(directions, { bytesPerSecond });
  }

  slice(sliceBytes, ...directions) {
    this.#set(directions, { sliceBytes });
  }

  delay(latencyMs, ...directions) {
    this.#set(directions, { latencyMs });
  }

  /** Ends every fault. */
  heal() {
    this.#refuses = false;
    this.#set([], FAIR);
  }

  /** Changes the weather of the named directions, or of both when none is named. */
  #set(directions, change) {
    for (const direction of directions.length > 0 ? directions : ['up', 'down']) {
      Object.assign(this.#weather[direction], change);
    }
    for (const connection of this.#connections) connection.wake();
  }

  #take(client) {
    if (this.#refuses) {
      this.faults.refused += 1;
      client.on('error', () => {});
      client.destroy();
      return;
    }
    const server = connect({
      port: Number(this.#target.port),
      host: this.#target.hostname,
      allowHalfOpen: true,
      noDelay: true,
    });
    const connection = new Connection(client, server, this.#weather, this.faults);
    this.#connections.add(connection);
    connection.whenOver(() => this.#connections.delete(connection));
  }
}

/** One connection: a socket to each side, and a lane for each direction. */
class Connection {
  #sockets;
  #lanes;

  constructor(client, server, weather, faults) {
    this.#sockets = [client, server];
    this.#lanes = {
      up: new Lane(client, server, weather.up, faults),
      down: new Lane(server, client, weather.down, faults),
    };
  }

  cut() {
    for (const socket of this.#sockets) socket.destroy();
  }

  lose(directions) {
    for (const direction of directions.length > 0 ? directions : ['up', 'down']) {
      this.#lanes[direction].isDead = true;
    }
  }

  wake() {
    for (const lane of Object.values(this.#lanes)) lane.wake();
  }

  whenOver(tell) {
    let open = this.#sockets.length;
    for (const socket of this.#sockets) {
      socket.once('close', () => {
        open -= 1;
        if (open === 0) tell();
      });
    }
  }
}

/** One direction of a connection. */
class Lane {
  /** Whether bytes of it were lost: what comes after them would be nonsense. */
  isDead = false;
  #queue = [];
  #sink;
  #weather;
  #faults;
  #isPumping = false;
  #wake = () => {};

  constructor(source, sink, weather, faults) {
    this.#sink = sink;
    this.#weather = weather;
    this.#faults = faults;
    source.on('data', (bytes) => this.#push({ bytes, arrivedAt: Date.now() }));
    source.on('end', () => this.#push({ end: () => sink.end() }));
    // A reset; after an orderly end the sink is through, or about to be.
    source.on('error', () => this.#push({ end: () => sink.destroy() }));
    source.on('close', () => this.#push({ end: () => sink.end() }));
  }

  wake() {
    this.#wake();
  }

  #push(entry) {
    this.#queue.push(entry);
    if (!this.#isPumping) this.#pump();
  }

  async #pump() {
    this.#isPumping = true;
    while (this.#queue.length > 0 && !this.#sink.destroyed) {
      const [entry] = this.#queue;
      this.isDead ||= this.#weather.isSwallowed;
      if (this.isDead) {
        this.#queue.shift();
        this.#faults.swallowed += 1;
      } else if (this.#weather.isStalled) {
        this.#faults.stalled += 1;
        await this.#change();
      } else if (entry.end) {
        this.#queue.shift();
        entry.end();
      } else {
        await this.#pass(entry);
      }
    }
    this.#queue.length = 0;
    this.#isPumping = false;
  }

  /** Lets the first entry through, or as much of it as may go now. */
  async #pass(entry) {
    const { latencyMs, bytesPerSecond, sliceBytes } = this.#weather;
    const early = entry.arrivedAt + latencyMs - Date.now();
    if (early > 0) {
      this.#faults.delayed += 1;
      await sleep(early);
      return;
    }
    const most = Math.min(sliceBytes, Math.ceil(bytesPerSecond / THROTTLE_STEPS_PER_SECOND));
    const piece = entry.bytes.subarray(0, most);
    if (piece.length < entry.bytes.length) entry.bytes = entry.bytes.subarray(piece.length);
    else this.#queue.shift();
    this.#sink.write(piece);
    if (piece.length === sliceBytes) this.#faults.sliced += 1;
    if (Number.isFinite(bytesPerSecond)) {
      this.#faults.throttled += 1;
      await sleep((piece.length / bytesPerSecond) * 1_000);
    } else if (Number.isFinite(sliceBytes)) {
      // Each piece in a packet of its own.
      await nextTurn();
    }
  }

  /** Resolves at the next change of the weather. */
  #change() {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}
