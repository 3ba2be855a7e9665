/**
 * The client that a component makes of a config.
 *
 * Owns when a changed config means another client, that each is closed in the end, and that the functions of the
 * latest render are called. Must not know what else looks at the client.
 */

import { useEffect, useInsertionEffect, useState } from 'react';
import { client as createClient } from '#spaces';
import { CALLBACK_OF } from '../events.js';
import { hold } from '../holding.js';

/**
 * The client of a config, which may be a new object in each render, connected while the component is there. Another
 * space, Worker, order or token makes another client and closes the one before; functions never do.
 *
 * @param {object | undefined} config Undefined for a component that makes none.
 */
export function useOwnClient(config) {
  const [kept, keep] = useState(() => make(config));
  const made = kept.key === keyOf(config) ? kept : make(config);
  if (made !== kept) {
    keep(made);
  }
  const { space } = made;
  useInsertionEffect(() => {
    made.config = config;
  });
  const heard = Object.keys(CALLBACK_OF).filter((event) => isFunction(config?.[CALLBACK_OF[event]]));
  useEffect(() => {
    const stops = heard.map((event) =>
      space.on(event, (...values) => made.config?.[CALLBACK_OF[event]]?.(...values)),
    );
    return () => {
      for (const stop of stops) {
        stop();
      }
    };
    // The names say what `heard` holds, and the client what `made` is.
  }, [space, heard.join()]);
  useEffect(() => {
    const end = () => {
      // The Wasm keeps whatever is not closed.
      space.close();
      // A view that was hidden may come back, as in <Activity>; for one that is gone this does nothing.
      keep((latest) => (latest === made ? make(made.config) : latest));
    };
    return space && hold(space, end);
  }, [space]);
  return space;
}

function make(config) {
  const made = { key: keyOf(config), config };
  if (config === undefined) {
    return made;
  }
  const own = { ...config };
  for (const name of Object.values(CALLBACK_OF)) {
    // The component listens while it is there. What is no function is for the client to refuse.
    own[name] = isFunction(own[name]) ? undefined : own[name];
  }
  if (isFunction(own.spaceToken)) {
    own.spaceToken = (request) => made.config.spaceToken(request);
  }
  made.space = createClient(config && own);
  return made;
}

/** What makes a client another one. */
function keyOf(config) {
  const { spaceId, workerUrl, order, spaceToken } = config ?? {};
  return config && JSON.stringify([spaceId, workerUrl, order, isFunction(spaceToken) || spaceToken]);
}

function isFunction(value) {
  return typeof value === 'function';
}
