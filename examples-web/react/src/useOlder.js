/** Loads older messages while the reader is near the oldest one. */
import { useCallback, useEffect, useState } from 'react';

/** Closer to the start than this, and older messages are wanted. */
const START_PX = 600;
const PAGE_MESSAGES = 100;

/**
 * @param {object} list A ref to the virtual list.
 * @param {import('kuratchi-spaces/react').SpaceMessages} space
 * @returns {{ hasFailed: boolean, load: () => void, look: (offset: number) => void, lookWhole: () => void }} To be
 *   called: `look` as the reader scrolls, `lookWhole` as the list's size changes.
 */
export function useOlder(list, { isLoaded, hasOlder, isLoadingOlder, loadOlder }) {
  const [hasFailed, setFailed] = useState(false);
  const load = useCallback(() => {
    setFailed(false);
    loadOlder({ limit: PAGE_MESSAGES }).catch(() => setFailed(true));
  }, [loadOlder]);

  const isWanted = isLoaded && hasOlder && !isLoadingOlder && !hasFailed;
  const look = (offset) => {
    // Before it is measured, a list knows nothing of places.
    if (isWanted && list.current.viewportSize > 0 && offset < START_PX) load();
  };
  // A screen taller than the messages has nothing to scroll: no event would tell. Each page may be too short.
  const lookWhole = () => look(list.current.scrollSize - list.current.viewportSize);
  useEffect(lookWhole);

  return { hasFailed, load, look, lookWhole };
}
