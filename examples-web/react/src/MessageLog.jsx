/**
 * The messages of a room, oldest first, in a virtual list: only the rows in sight exist.
 *
 * Owns what is between messages (days, the place where new ones begin, the oldest) and what is done about failures of
 * their buttons. What a row shows is the row's business.
 */
import { useConnection, useMessages, useSpace } from 'kuratchi-spaces/react';
import { useEffect, useImperativeHandle, useMemo, useRef, useState } from 'react';
import { Virtualizer } from 'virtua';
import { dayWords, errorWords } from '../../shared/words.js';
import { HistoryState } from './HistoryState.jsx';
import { MessageRow } from './MessageRow.jsx';
import { isContinued, isNewDay, isWaiting, keyOf } from './messages.js';
import { NewPill } from './NewPill.jsx';
import { useNewAfter } from './useNewAfter.js';
import { useOlder } from './useOlder.js';
import { useReading, useReadingPlace } from './useReadingPlace.js';
import { useTabStop } from './useTabStop.js';

export function MessageLog({ ref, ownId, readUntil, onRead, editing, onEdit, onDone }) {
  const history = useMessages();
  const { messages, isLoaded, hasOlder } = history;
  const { state } = useConnection();
  const log = useRef(null);
  const list = useRef(null);
  const [problem, setProblem] = useState('');
  const older = useOlder(list, history);
  const place = useReadingPlace(log, messages, ownId);
  const newAfter = useNewAfter(messages, readUntil, ownId);
  const { stop, chooseStop, moveStop } = useTabStop(list, messages, ownId);
  const isPrepended = useIsPrepended(messages);
  const rowActions = useRowActions({ setProblem, onEdit, onDone });
  const editedIndex = editing === undefined ? -1 : messages.findLastIndex(({ id }) => id === editing);
  useReading(messages, place.isAtEnd, onRead);
  useImperativeHandle(ref, () => log.current, []);
  useEffect(() => {
    if (editedIndex !== -1) list.current.scrollToIndex(editedIndex, { align: 'nearest' });
  }, [editedIndex]);

  return (
    <div className="log-frame">
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard. */}
      <div ref={log} className="log" role="log" aria-label="Messages" aria-live="off" tabIndex={0}>
        {/* A short conversation stands at the bottom. */}
        <div className="log-space" />
        <Virtualizer
          ref={list}
          as="ol"
          item="li"
          data={messages}
          shift={isPrepended}
          // What has the focus stays where it is, also out of sight.
          keepMounted={[editedIndex, stop.index].filter((index) => index !== -1)}
          onScroll={(offset) => {
            place.onScroll(offset);
            older.look(offset);
          }}
          onResize={older.lookWhole}
        >
          {(message, index) => {
            const previous = messages[index - 1];
            return (
              <MessageRow
                key={keyOf(message)}
                message={message}
                ownId={ownId}
                day={isNewDay(message, previous) ? dayWords(message.createdAt) : undefined}
                isContinued={isContinued(message, previous)}
                isBeginning={index === 0 && isLoaded && !hasOlder}
                isFirstNew={newAfter.isFirst(message, previous)}
                isOffline={state === 'offline' && isWaiting(message)}
                isEditing={index === editedIndex}
                isTabStop={index === stop.index}
                focusOn={index === stop.index ? stop.focusOn : undefined}
                onChooseStop={chooseStop}
                onMoveStop={moveStop}
                actions={rowActions}
              />
            );
          }}
        </Virtualizer>
      </div>
      <HistoryState history={history} older={older} />
      <NewPill
        isAtEnd={place.isAtEnd}
        count={place.newCount}
        onPress={() => {
          place.goToEnd();
          // The pill goes away; the focus must not go with it.
          log.current.focus({ preventScroll: true });
        }}
      />
      <p className="problem log-problem" role="alert">
        {problem}
      </p>
    </div>
  );
}
/** Whether this change put messages before the first one: then the reader's place is counted from the end. */
function useIsPrepended(messages) {
  const before = useRef({ length: 0 });
  const first = messages[0] && keyOf(messages[0]);
  const isPrepended =
    before.current.length > 0 && messages.length > before.current.length && first !== before.current.first;
  useEffect(() => {
    before.current = { length: messages.length, first };
  });
  return isPrepended;
}

/** What one may do with one's own messages. The same functions in each render, so that rows stay as they are. */
function useRowActions({ setProblem, onEdit, onDone }) {
  const space = useSpace();
  return useMemo(() => {
    const attempt = async (act) => {
      setProblem('');
      onDone();
      try {
        await act();
      } catch (error) {
        // What the outbox took over is told by its row.
        const isTold = space.getSnapshot().messages.some(({ status }) => status === 'failed');
        if (error.code !== 'closed' && !isTold) setProblem(errorWords(error));
      }
    };
    return {
      edit: (message) => onEdit(message.id),
      endEdit() {
        onEdit(undefined);
        onDone();
      },
      save: (message, text) => space.editMessage(message.id, { text }),
      remove: (message) => attempt(() => space.deleteMessage(message.id)),
      retry: (message) => attempt(() => space.retry(message.clientMessageId)),
      discard: (message) => attempt(() => space.discard(message.clientMessageId)),
    };
  }, [space, setProblem, onEdit, onDone]);
}
