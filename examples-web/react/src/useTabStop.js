/**
 * The one row of one's own whose buttons the Tab key stops at, so that the way to the field is short. The arrows lead
 * from one to the next.
 */
import { useCallback, useMemo, useState } from 'react';
import { isChangeable } from './messages.js';

/**
 * @param {object} list A ref to the virtual list.
 * @param {readonly object[]} messages
 * @param {string} ownId
 * @returns {{ stop: { index: number, focusOn?: string }, chooseStop: (id: string) => void, moveStop: (id: string, step: number, button: string) => void }}
 */
export function useTabStop(list, messages, ownId) {
  const [chosen, setChosen] = useState({});
  const stop = useMemo(() => {
    const isStop = (message) => isChangeable(message, ownId) && message.id === chosen.id;
    const index = chosen.id === undefined ? -1 : messages.findLastIndex(isStop);
    if (index !== -1) return { index, focusOn: chosen.focusOn };
    return { index: messages.findLastIndex((message) => isChangeable(message, ownId)) };
  }, [messages, ownId, chosen]);

  const chooseStop = useCallback((id) => setChosen({ id }), []);
  const moveStop = useCallback(
    (id, step, button) => {
      let index = messages.findLastIndex((message) => message.id === id) + step;
      while (messages[index] && !isChangeable(messages[index], ownId)) index += step;
      if (!messages[index]) return;
      setChosen({ id: messages[index].id, focusOn: button });
      list.current.scrollToIndex(index, { align: 'nearest' });
    },
    [list, messages, ownId],
  );
  return { stop, chooseStop, moveStop };
}
