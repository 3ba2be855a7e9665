/** Where the messages begin that came while the reader was away: a line stands there until they write themselves. */
import { useEffect, useRef, useState } from 'react';
import { isBy } from '../../shared/words.js';
import { isWaiting } from './messages.js';

/** @returns {{ isFirst: (message: object, previous: object | undefined) => boolean }} */
export function useNewAfter(messages, readUntil, ownId) {
  const [newAfter, setNewAfter] = useState(readUntil);
  const latest = useRef(readUntil);
  useEffect(() => {
    latest.current = readUntil;
  }, [readUntil]);
  useEffect(() => {
    // Whoever looks elsewhere is away, too.
    const look = () => {
      if (document.hidden) setNewAfter(latest.current);
    };
    document.addEventListener('visibilitychange', look);
    return () => document.removeEventListener('visibilitychange', look);
  }, []);
  const last = messages.at(-1);
  if (newAfter !== undefined && last && isWaiting(last)) setNewAfter(undefined);

  return {
    isFirst: (message, previous) =>
      newAfter !== undefined &&
      !isBy(message, ownId) &&
      message.createdAt > newAfter &&
      previous !== undefined &&
      previous.createdAt <= newAfter,
  };
}
