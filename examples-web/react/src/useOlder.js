/** Loads older messages while the reader is near the oldest one. */
import { useCallback, useEffect, useState } from 'react';

/** Closer to the start than this, and older messages are wanted. */
const START_PX = 600;
const PAGE_MESSAGES = 100;

/**
 * @param {object} list A ref to the virtual list.
 * @param {import('kuratchi-spaces/react').SpaceMessages} space
 * @returns {{ hasFailed: boolean, load: () => void, look: (offset: number) => void }}
 */
export function useOlder(list, { messages, isLoaded, hasOlder, isLoadingOlder, loadOlder }) {
  const [hasFailed, setFailed] = useState(false);
  const load = useCallback(() => {
    setFailed(false);
    loadOlder({ limit: PAGE_MESSAGES }).catch(() => setFailed(true));
  }, [loadOlder]);

  const isWanted = isLoaded && hasOlder && !isLoadingOlder && !hasFailed;
  const look = (offset) => {
    if (isWanted && offset < START_PX) load();
  };
  // A screen taller than the messages has nothing to scroll: no event would tell. Each page may be too short.
  useEffect(() => {
    const { scrollSize, viewportSize } = list.current;
    if (isWanted && scrollSize - viewportSize < START_PX) load();
  }, [list, isWanted, messages.length, load]);

  return { hasFailed, load, look };
}
