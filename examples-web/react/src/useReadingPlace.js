/**
 * Where in the messages the reader is: at the end, where they follow what comes, or further up, where they stay.
 *
 * Owns when to scroll to the end. How the list scrolls is the virtual list's business.
 */
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from 'react';
import { isWaiting, keyOf } from './messages.js';

/** Closer to the end than this, and the reader follows what comes. */
const END_PX = 64;

/**
 * @param {object} list A ref to the virtual list.
 * @param {readonly object[]} messages
 * @param {string} ownId
 * @returns {object} `isAtEnd`; `newCount`, messages by others since the reader left the end; `goToEnd()`; and for the
 *   list's events `onScroll(offset)` and `onResize()`.
 */
export function useReadingPlace(list, messages, ownId) {
  // The key of the last message when the reader left the end; while they are there, nothing.
  const [leftAt, setLeftAt] = useState();
  const follows = useRef(true);
  const offsetBefore = useRef(0);
  const shown = useRef(messages);

  const scrollToEnd = useCallback(() => {
    const { length } = shown.current;
    if (length > 0) list.current?.scrollToIndex(length - 1, { align: 'end' });
  }, [list]);
  const goToEnd = useCallback(() => {
    follows.current = true;
    setLeftAt(undefined);
    scrollToEnd();
  }, [scrollToEnd]);

  const onScroll = useCallback(
    (offset) => {
      const { scrollSize, viewportSize } = list.current;
      const isNear = scrollSize - viewportSize - offset < END_PX;
      // Rows that turn out higher than expected move the end away; only who scrolls up leaves it.
      const isUp = offset < offsetBefore.current;
      offsetBefore.current = offset;
      if (isNear === follows.current || (!isNear && !isUp)) return;
      follows.current = isNear;
      setLeftAt(isNear ? undefined : keyOf(shown.current.at(-1)));
    },
    [list],
  );
  const onResize = useCallback(() => {
    if (follows.current) scrollToEnd();
  }, [scrollToEnd]);

  useLayoutEffect(() => {
    const last = messages.at(-1);
    const lastBefore = shown.current.at(-1);
    shown.current = messages;
    const isSent = last && isWaiting(last) && keyOf(last) !== (lastBefore && keyOf(lastBefore));
    if (isSent) goToEnd();
    else if (follows.current) scrollToEnd();
  }, [messages, goToEnd, scrollToEnd]);

  return {
    isAtEnd: leftAt === undefined,
    newCount: leftAt === undefined ? 0 : countSince(messages, leftAt, ownId),
    goToEnd,
    onScroll,
    onResize,
  };
}

/** Tells when the last message is seen: the reader is at the end, and looks at the page. */
export function useReading(messages, isAtEnd, onRead) {
  const newest = messages.findLast((message) => !isWaiting(message))?.createdAt;
  useEffect(() => {
    if (!isAtEnd || newest === undefined) return undefined;
    const look = () => {
      if (!document.hidden) onRead(newest);
    };
    look();
    document.addEventListener('visibilitychange', look);
    return () => document.removeEventListener('visibilitychange', look);
  }, [isAtEnd, newest, onRead]);
}

function countSince(messages, key, ownId) {
  let count = 0;
  for (let index = messages.length - 1; index >= 0 && keyOf(messages[index]) !== key; index -= 1) {
    if (messages[index].senderId !== ownId) count += 1;
  }
  return count;
}
