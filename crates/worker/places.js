/**
 * The places of sockets that have not proven who they are: so many in the isolate, and fewer of one network.
 *
 * Owns who has one, and who makes place for the next. Must not know sockets.
 */

/** Most places of the isolate: `UNPROVEN_SOCKETS_MAX` of limits.rs. */
const PLACES_MAX = 500;

/** Most sockets of one network that have a place, or had one and do not leave. */
const PER_SOURCE_MAX = 100;

/** Who is younger than this, in milliseconds, makes no place: whoever means to log in takes a round trip. */
const YOUNG_MS = 250;

/** Those that are taken, the oldest first. */
const taken = new Set();

/** How many sockets count for a network. */
const perSource = new Map();

/**
 * A place for a socket, if there is one or somebody makes it.
 *
 * @param {string} source The network that the socket comes from; empty where that is not known.
 * @returns {Place | undefined}
 */
export function takePlace(source) {
  if (source !== '' && (perSource.get(source) ?? 0) >= PER_SOURCE_MAX) return undefined;
  if (taken.size >= PLACES_MAX && !makePlace(source)) return undefined;
  return new Place(source);
}

/** Has the oldest of the network leave that has most places: that one keeps nobody else out. Returns whether it does. */
function makePlace(source) {
  const counts = new Map();
  for (const place of taken) counts.set(place.source, (counts.get(place.source) ?? 0) + 1);
  const most = Math.max(...counts.values());
  const oldest = [...taken].find((place) => counts.get(place.source) === most);
  const isOneOfMany = most > (counts.get(source) ?? 0) + 1;
  if (!isOneOfMany && Date.now() - oldest.since < YOUNG_MS) return false;
  oldest.lose();
  return true;
}

class Place {
  source;
  since = Date.now();
  #lost = Promise.withResolvers();
  #isGone = false;

  constructor(source) {
    this.source = source;
    taken.add(this);
    perSource.set(source, (perSource.get(source) ?? 0) + 1);
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
    if (this.#isGone) return;
    this.#isGone = true;
    const others = perSource.get(this.source) - 1;
    if (others > 0) perSource.set(this.source, others);
    else perSource.delete(this.source);
  }
}
