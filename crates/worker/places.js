/**
 * The places of sockets that have not proven who they are: so many in the isolate, and fewer of one network. Those that are
 * turned away have none, and count for their network.
 *
 * Owns who has one, and who makes place for the next. Must not know sockets.
 */

/** Most places of the isolate: `UNPROVEN_SOCKETS_MAX` of limits.rs. */
const PLACES_MAX = 500;

/** Most sockets of one network that nobody has proven: those that have a place, and those that do not leave. */
const PER_SOURCE_MAX = 100;

/** Who is younger than this, in milliseconds, makes no place: whoever means to log in takes a round trip. */
const YOUNG_MS = 250;

/** So many places of one network are a crowd: more than those behind one address who log in at the same moment. */
const CROWD = 20;

/** Those that are taken, the oldest first. */
const taken = new Set();

/** How many sockets count for a network. */
const perSource = new Map();

/**
 * Counts a socket that nobody has proven for its network, until it leaves; `undefined` where that has too many.
 *
 * @param {string} source The network that the socket comes from; empty where that is not known.
 * @returns {Share | undefined}
 */
export function takeShare(source) {
  const isFull = source !== '' && (perSource.get(source) ?? 0) >= PER_SOURCE_MAX;
  return isFull ? undefined : new Share(source);
}

/**
 * A place for a socket, if there is one or somebody makes it.
 *
 * @param {string} source As for {@link takeShare}.
 * @returns {Place | undefined}
 */
export function takePlace(source) {
  const share = takeShare(source);
  if (share && taken.size >= PLACES_MAX && !makePlace(source)) {
    share.leave();
    return undefined;
  }
  return share && new Place(share);
}

/**
 * Has somebody leave: the oldest of the network that has most places, if those are a crowd, so that it keeps nobody else out;
 * else the oldest of all. Returns whether somebody does.
 */
function makePlace(source) {
  const counts = new Map();
  for (const place of taken) counts.set(place.source, (counts.get(place.source) ?? 0) + 1);
  const most = Math.max(...counts.values());
  const isCrowd = most >= CROWD && most > (counts.get(source) ?? 0) + 1;
  const oldest = [...taken].find((place) => !isCrowd || counts.get(place.source) === most);
  if (!isCrowd && Date.now() - oldest.since < YOUNG_MS) return false;
  oldest.lose();
  return true;
}

class Share {
  source;
  #isCounted = false;

  constructor(source) {
    this.source = source;
    this.count();
  }

  /** The socket counts, from now on or as before. */
  count() {
    if (this.#isCounted) return;
    this.#isCounted = true;
    perSource.set(this.source, (perSource.get(this.source) ?? 0) + 1);
  }

  leave() {
    if (!this.#isCounted) return;
    this.#isCounted = false;
    const others = perSource.get(this.source) - 1;
    if (others > 0) perSource.set(this.source, others);
    else perSource.delete(this.source);
  }
}

class Place {
  since = Date.now();
  #share;
  #lost = Promise.withResolvers();

  constructor(share) {
    this.#share = share;
    taken.add(this);
  }

  get source() {
    return this.#share.source;
  }

  /** Settled when another one needs the place. A promise: a socket is only touched by the request that accepted it. */
  get lost() {
    return this.#lost.promise;
  }

  lose() {
    this.free();
    this.#lost.resolve();
  }

  /** Frees the place. The socket still counts for its network. */
  free() {
    taken.delete(this);
  }

  /** The socket has proven itself, or is gone. */
  leave() {
    this.free();
    this.#share.leave();
  }

  /** The socket was closed, and is not gone: it counts for its network, as those do that proved nothing. */
  linger() {
    this.#share.count();
  }
}
