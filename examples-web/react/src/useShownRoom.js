/** The room that the address names: a reload, a link and the back button lead to it. */
import { useSyncExternalStore } from 'react';
import { ROOMS } from './rooms.js';

export function useShownRoom() {
  const id = useSyncExternalStore(subscribe, () => location.hash.slice(1));
  return ROOMS.find((room) => room.id === id) ?? ROOMS[0];
}

function subscribe(listener) {
  addEventListener('hashchange', listener);
  return () => removeEventListener('hashchange', listener);
}
