/** How far the reader has read each room, and the function that says that it is further. */
import { useCallback, useEffect, useState } from 'react';
import { rememberedMarks, rememberMarks } from './memory.js';

export function useReadMarks(session) {
  const [marks, setMarks] = useState(() => rememberedMarks(session));
  const mark = useCallback((room, createdAt) => {
    // Back as well: what was told of a time to come, by whatever server there was, must not count as read for good.
    setMarks((before) => (before[room] === createdAt ? before : { ...before, [room]: createdAt }));
  }, []);
  useEffect(() => rememberMarks(session, marks), [session, marks]);
  return [marks, mark];
}
