/**
 * A client while views hold it, in whichever framework.
 *
 * Owns when views connect a client and let it go, and that the newest messages come without being asked for. Must
 * not know what a component is, nor what a client does when it connects.
 */

/** How long to wait after the newest messages could not be loaded, in milliseconds. */
const RETRY_MS = 5_000;
/** For each client that views have connected, how many hold it. */
const held = /* @__PURE__ */ new WeakMap();

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
 * Connects a client until the last view has let go of it. One that the app has connected itself is left alone.
 *
 * @param {object} space
 * @param {() => void} [end] What is done in the end.
 * @returns {() => void} Lets go.
 */
export function hold(space, end = () => space.disconnect()) {
  const { state } = space.getSnapshot();
  if (!held.has(space) && state !== 'idle' && state !== 'failed') {
    return () => {};
  }
  held.set(space, (held.get(space) ?? 0) + 1);
  // What goes wrong stands in the snapshot, and onError tells it.
  space.connect().catch(() => {});
  return () => {
    held.set(space, held.get(space) - 1);
    // Views that go and come again in one task, as React's StrictMode makes them, keep the one connection.
    setTimeout(() => {
      if (held.get(space) === 0) {
        held.delete(space);
        end();
      }
    });
  };
}

/**
 * Loads the newest messages if nobody has: now, after a failure that may pass, and with a new connection.
 *
 * @returns {() => void} Ends it.
 */
export function loadNewest(space) {
  let timer;
  let isOver = false;
  const load = () => {
    clearTimeout(timer);
    if (!space.getSnapshot().isLoaded) {
      space.loadOlder().catch(({ retryable }) => {
        if (retryable && !isOver) {
          timer = setTimeout(load, RETRY_MS);
        }
      });
    }
  };
  let { connected } = space.getSnapshot();
  const stop = space.subscribe(() => {
    const was = connected;
    ({ connected } = space.getSnapshot());
    if (connected && !was) {
      load();
    }
  });
  load();
  return () => {
    isOver = true;
    stop();
    clearTimeout(timer);
  };
}
