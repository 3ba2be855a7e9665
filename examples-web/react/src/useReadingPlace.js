/**
 * Where in the messages the reader is: at the end, where they follow what comes, or further up, where they stay.
 *
 * Owns when to scroll to the end. Which rows exist is the virtual list's business.
 */
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from 'react';
import { FIELD_HEIGHT } from '../../shared/field-height.js';
import { isBy } from '../../shared/words.js';
import { hasSent, isWaiting } from './messages.js';

/** Closer to the end than this, and the reader follows what comes. */
const END_PX = 64;

/**
 * @param {object} log A ref to the element that scrolls.
 * @param {readonly object[]} messages
 * @param {string} ownId
 * @returns {object} `isAtEnd`; `newCount`, messages by others since the reader left the end; `goToEnd()`; and for the
 *   list's event `onScroll(offset)`.
 */
export function useReadingPlace(log, messages, ownId) {
  // When the newest message was stored, as the reader left the end; while they are there, nothing.
  const [leftAt, setLeftAt] = useState();
  const follows = useRef(true);
  const offsetBefore = useRef(0);
  const shown = useRef(messages);

  const scrollToEnd = useCallback(() => {
    log.current.scrollTop = log.current.scrollHeight;
  }, [log]);
  const goToEnd = useCallback(() => {
    follows.current = true;
    setLeftAt(undefined);
    scrollToEnd();
  }, [scrollToEnd]);

  const onScroll = useCallback(
    (offset) => {
      const { scrollHeight, clientHeight } = log.current;
      const isNear = scrollHeight - clientHeight - offset < END_PX;
      // Rows that turn out higher than expected move the end away; only who scrolls up leaves it.
      const isUp = offset < offsetBefore.current;
      offsetBefore.current = offset;
      if (isNear === follows.current || (!isNear && !isUp)) return;
      follows.current = isNear;
      setLeftAt(isNear ? undefined : newestAt(shown.current));
    },
    [log],
  );
  // Undone before the next room's field is measured: the list is gone then.
  useLayoutEffect(() => {
    // Rows that turn out higher than expected, a keyboard that opens: whoever was at the end stays there.
    const stay = () => {
      if (follows.current) scrollToEnd();
    };
    const observer = new ResizeObserver(stay);
    for (const element of [log.current, ...log.current.children]) observer.observe(element);
    // A field that shrinks and grows again within one frame: nothing has another size, and yet the end was moved away.
    document.addEventListener(FIELD_HEIGHT, stay);
    return () => {
      observer.disconnect();
      document.removeEventListener(FIELD_HEIGHT, stay);
    };
  }, [log, scrollToEnd]);

  useLayoutEffect(() => {
    const isSent = hasSent(messages, shown.current);
    shown.current = messages;
    if (isSent) goToEnd();
    else if (follows.current) scrollToEnd();
  }, [messages, goToEnd, scrollToEnd]);

  return {
    isAtEnd: leftAt === undefined,
    newCount: leftAt === undefined ? 0 : countSince(messages, leftAt, ownId),
    goToEnd,
    onScroll,
  };
}

/** Tells when the last message is seen: the reader is at the end, and looks at the page. */
export function useReading(messages, isAtEnd, onRead) {
  const newest = newestAt(messages);
  useEffect(() => {
    if (!isAtEnd || newest === 0) return undefined;
    const look = () => {
      if (!document.hidden) onRead(newest);
    };
    look();
    document.addEventListener('visibilitychange', look);
    return () => document.removeEventListener('visibilitychange', look);
  }, [isAtEnd, newest, onRead]);
}

/** When the last stored message was stored. */
function newestAt(messages) {
  return messages.findLast((message) => !isWaiting(message))?.createdAt ?? 0;
}

function countSince(messages, moment, ownId) {
  let count = 0;
  for (let index = messages.length - 1; index >= 0; index -= 1) {
    // One's own that wait stand last, whenever they were written.
    if (isWaiting(messages[index])) continue;
    if (messages[index].createdAt <= moment) break;
    if (!isBy(messages[index], ownId)) count += 1;
  }
  return count;
}
