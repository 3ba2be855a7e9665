/** Tells the others that one types, and that one has stopped: by `sign(false)`, or by itself after a while. */
import { useTyping } from 'kuratchi-spaces/react';
import { useCallback, useEffect, useRef } from 'react';

/** No key for this long, and one has stopped typing. */
const IDLE_MS = 4_000;

export function useTypingSign(userId) {
  const { setTyping } = useTyping();
  const timer = useRef(undefined);
  const sign = useCallback(
    (isTyping) => {
      const wasTyping = timer.current !== undefined;
      clearTimeout(timer.current);
      timer.current = isTyping ? setTimeout(() => sign(false), IDLE_MS) : undefined;
      // A courtesy: nobody misses it, and the connection's state is shown anyway.
      if (isTyping !== wasTyping) setTyping(userId, isTyping).catch(() => {});
    },
    [setTyping, userId],
  );
  useEffect(() => () => sign(false), [sign]);
  return sign;
}
