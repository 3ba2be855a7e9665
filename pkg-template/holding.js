/**
 * A client while views hold it, in whichever framework.
 *
 * Owns when views connect a client and let it go, and that the newest messages come without being asked for. Must
 * not know what a component is, nor what a client does when it connects.
 */

import { CLOSE_WHEN_SAFE } from './waiting.js';

/** How long to wait after a failure that may pass, in milliseconds: twice as long after each, up to the second. */
const RETRY_MS_MIN = 5_000;
const RETRY_MS_MAX = 30_000;
/** For each client that views have connected: how many hold it, what connects it, and what ends it. */
const held = /* @__PURE__ */ new WeakMap();

/** Ends a client whose view is gone. */
export function leave(space) {
  (space[CLOSE_WHEN_SAFE] ?? space.close).call(space);
}

/** Whether it is a client, of whichever copy of the package. */
export function isClient(value) {
  return typeof value?.getSnapshot === 'function';
}

/** The client that a hook is to look at. */
export function given(space) {
  if (!isClient(space)) {
    const how = 'provide one further up (SpaceProvider in React, setSpace() in Svelte), or pass a client';
    throw new Error(`kuratchi-spaces: there is no space here: ${how}`);
  }
  return space;
}

/**
 * Connects a client until the last view has let go of it, and tries again after what may pass. One that the app has
 * connected itself is left alone, and so is one in the place of several: whoever made that holds what it looks at.
 *
 * @param {object} space
 * @param {() => void} [end] How whoever made the client ends it: views below come first, and may connect it and hold it as well.
 * @returns {() => void} Lets go.
 */
export function hold(space, end) {
  const { state } = space.getSnapshot();
  const isOfTheApp = !end && !held.has(space) && state !== 'idle' && state !== 'failed';
  if (isOfTheApp || space.current) {
    return () => {};
  }
  const holding = held.get(space) ?? {
    views: 0,
    connecting: patient(() => space.connect()),
    end: () => space.disconnect(),
  };
  held.set(space, holding);
  holding.end = end ?? holding.end;
  holding.views += 1;
  holding.connecting.act();
  return () => {
    holding.views -= 1;
    // Views that go and come again in one task, as React's StrictMode makes them, keep the one connection.
    setTimeout(() => {
      if (holding.views === 0 && held.delete(space)) {
        holding.connecting.end();
        holding.end();
      }
    }, 0);
  };
}

/**
 * Does what may fail, and does it again for as long as the failure is one that may pass. What goes wrong stands in the
 * snapshot, and onError tells it.
 *
 * @param {() => Promise<unknown> | undefined} attempt Gives nothing if there is nothing to do.
 */
function patient(attempt) {
  let timer;
  let waitMs = RETRY_MS_MIN;
  let isOver = false;
  const act = () => {
    clearTimeout(timer);
    timer = undefined;
    attempt()?.then(
      () => {
        waitMs = RETRY_MS_MIN;
      },
      ({ retryable }) => {
        // Of several that await the same attempt, the first sees to the next.
        if (retryable && !isOver && timer === undefined) {
          timer = setTimeout(act, waitMs);
          waitMs = Math.min(waitMs * 2, RETRY_MS_MAX);
        }
      },
    );
  };
  return {
    act,
    end() {
      isOver = true;
      clearTimeout(timer);
    },
  };
}

/**
 * Loads the newest messages if nobody has: now, after a failure that may pass, with a new connection, with another client in the
 * place of this one, and where the browser says that the network is back.
 *
 * @returns {() => void} Ends it.
 */
export function loadNewest(space) {
  const loading = patient(() => (space.getSnapshot().isLoaded ? undefined : space.loadOlder()));
  // A link of its own for each client that one follows.
  const linkOf = () => space.getSnapshot().connected && (space.current ?? space);
  let link = linkOf();
  let client = space.current;
  const stop = space.subscribe(() => {
    const before = link;
    link = linkOf();
    if ((link && link !== before) || client !== space.current) {
      client = space.current;
      loading.act();
    }
  });
  globalThis.addEventListener?.('online', loading.act);
  loading.act();
  return () => {
    stop();
    globalThis.removeEventListener?.('online', loading.act);
    loading.end();
  };
}
