/**
 * The client that a component makes of a config.
 *
 * Owns that each is closed in the end, and that the functions of the latest render are called. Must not know what else
 * looks at the client.
 */

import { useEffect, useInsertionEffect, useRef, useState } from 'react';
import { hold, leave } from '../holding.js';
import { heardBy, OwnClient } from '../own-client.js';
import { client as createClient } from '../space.js';

/**
 * The client of a config, which may be a new object in each render, connected while the component is there. Another
 * space, Worker, order or user makes another client and closes the one before; functions and a new token of the same user
 * never do.
 *
 * @param {object | undefined} config Undefined for a component that makes none.
 */
export function useOwnClient(config) {
  const [kept, keep] = useState(() => make(config));
  const made = kept.isOf(config) ? kept : make(config);
  if (made !== kept) {
    keep(made);
  }
  const { space } = made;
  const shown = useRef(made);
  useInsertionEffect(() => {
    if (shown.current !== made) shown.current.yieldTo(config);
    shown.current = made;
    made.take(config);
  });
  const heard = heardBy(config);
  // The names say what `heard` holds, and the client what `made` is.
  useEffect(() => (space ? made.listen(heard) : undefined), [space, heard.join()]);
  useEffect(() => {
    if (space) made.showToken();
  });
  useEffect(() => {
    const end = () => {
      // The Wasm keeps whatever is not closed.
      leave(space);
      // A view that was hidden may come back, as in <Activity>; for one that is gone this does nothing. Not where another client is
      // shown by now: an update that changes nothing stays in React's queue, and what a later render sets is lost by it.
      if (shown.current === made) keep((latest) => (latest === made ? make(made.config) : latest));
    };
    return space && hold(space, end);
  }, [space]);
  return space;
}

function make(config) {
  return new OwnClient(config, createClient);
}
