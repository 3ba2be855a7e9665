/**
 * React hooks over the client's store.
 *
 * Owns which client a component looks at, and which part of its snapshot makes it render. Must not know what any of
 * it means.
 */

import {
  createContext,
  createElement,
  useCallback,
  useContext,
  useEffect,
  useMemo,
  useSyncExternalStore,
} from 'react';
import { given, hold, isClient, loadNewest } from '../holding.js';
import { useOwnClient } from './own-client.js';

const CONNECTION = ['state', 'connected', 'retryInMs', 'retryAt', 'transport', 'persistence', 'error'];

const SpaceContext = /* @__PURE__ */ createContext(undefined);

export function SpaceProvider({ client, config, children }) {
  return createElement(SpaceContext.Provider, { value: useSpace(client ?? config ?? null) }, children);
}

export function useSpace(source) {
  const above = useContext(SpaceContext);
  const own = useOwnClient(source === undefined || isClient(source) ? undefined : source);
  const handed = own ? undefined : source;
  useEffect(() => handed && hold(handed), [handed]);
  return given(own ?? handed ?? above);
}

export function useMessages(client) {
  const space = useGiven(client);
  const [messages, isLoaded, hasOlder, isLoadingOlder] = useSlices(space, [
    ...['messages', 'isLoaded', 'hasOlder', 'isLoadingOlder'],
  ]);
  useEffect(() => loadNewest(space), [space]);
  const loadOlder = useCallback((options) => space.loadOlder(options), [space]);
  return { messages, isLoaded, hasOlder, isLoadingOlder, loadOlder };
}

export function useSend(client) {
  const space = useGiven(client);
  return useCallback((...values) => space.sendMessage(...values), [space]);
}

export function useTyping(client) {
  const space = useGiven(client);
  const [typing] = useSlices(space, ['typing']);
  const setTyping = useCallback((...values) => space.setTyping(...values), [space]);
  return { typing, setTyping };
}

export function usePresence(client) {
  return useSlices(useGiven(client), ['presence'])[0];
}

export function useConnection(client) {
  const values = useSlices(useGiven(client), CONNECTION);
  return useMemo(() => Object.fromEntries(CONNECTION.map((name, index) => [name, values[index]])), values);
}

function useGiven(client) {
  const above = useContext(SpaceContext);
  return given(client ?? above);
}

/**
 * Parts of the snapshot: a component renders when one of these changed, and for nothing else. Each caller has one
 * constant list of names, and so always as many hooks.
 */
function useSlices(space, names) {
  return names.map((name) =>
    useSyncExternalStore(
      space.subscribe,
      () => space.getSnapshot()[name],
      () => space.getServerSnapshot()[name],
    ),
  );
}
