/**
 * Says, in development, that a component goes on with the room that it was given as a plain value when it was made, although its
 * page is another room's by now: routers keep components.
 *
 * Owns how that is noticed: the page's address named the room, and does not any more. Must not know components.
 */

const LOOK_EVERY_MS = 500;

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** What the page's address has after its host. */
function addressOf({ pathname, search = '', hash = '' }) {
  return pathname + search + hash;
}

/** The parts of an address that name the room, as it is or as the end of its id: `/rooms/7` for `support-7`, `?room=lobby`. */
function namesIn(address, spaceId) {
  const names = address.split(/[/?&#=]/).map(decoded);
  const isName = (part) =>
    part !== '' && spaceId.endsWith(part) && !/\w/.test(spaceId.at(-part.length - 1) ?? ' ');
  return names.filter((part) => isName(part) && part.length <= spaceId.length).join('/');
}

/**
 * Watches the page's address while a component is there.
 *
 * @param {{ spaceId?: unknown } | null | undefined} config What the component was given.
 * @returns {() => void} Ends it.
 */
export function watchAddress(config) {
  const { location } = globalThis;
  const spaceId = config?.spaceId;
  if (typeof spaceId !== 'string' || !location) return () => {};
  const from = addressOf(location);
  const name = namesIn(from, spaceId);
  if (name === '') return () => {};
  let timer;
  const look = () => {
    if (namesIn(addressOf(location), spaceId) === name) {
      timer = setTimeout(look, LOOK_EVERY_MS);
      return;
    }
    console.error(
      `kuratchi-spaces: a component still shows the room '${spaceId}', which it was given as a plain value when it was made, but ` +
        `the page went on from ${from} to ${addressOf(location)}. Messages written there go to '${spaceId}'. Give a function, which ` +
        'is followed: setSpace(() => data.config).',
    );
  };
  look();
  return () => clearTimeout(timer);
}
