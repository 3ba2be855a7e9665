/** One message, in whatever state it is: on its way, refused, stored, edited, deleted. */
import { memo, useEffect } from 'react';
import {
  editedWords,
  isBy,
  isoOf,
  momentWords,
  nameInUserId,
  notChangedWords,
  notSentWords,
  progressWords,
  timeWords,
  UNVERIFIED_HINT,
  UNVERIFIED_WORDS,
} from '../../shared/words.js';
import { Attachments } from './Attachments.jsx';
import { Avatar } from './Avatar.jsx';
import { ErrorBoundary } from './ErrorBoundary.jsx';
import { Linked } from './Linked.jsx';
import { MessageActions } from './MessageActions.jsx';
import { MessageEditor } from './MessageEditor.jsx';
import { isChangeable, isWaiting } from './messages.js';

/** A row renders again when something of it changed: its message is the same object until then. */
export const MessageRow = memo(function MessageRow(props) {
  const { message, ownId, day, isContinued, isBeginning, isFirstNew, isEditing, actions } = props;
  const isOwn = isBy(message, ownId);
  const mayChange = isChangeable(message, ownId);
  const name = nameInUserId(message.senderId);

  // It is saved, or gone.
  const isOver = isEditing && !mayChange;
  useEffect(() => {
    if (isOver) actions.endEdit();
  }, [isOver, actions]);

  return (
    <div
      className="message"
      data-own={isOwn}
      data-continued={isContinued}
      data-status={message.status}
      data-stored={!isWaiting(message)}
      data-deleted={message.deletedAt !== undefined}
    >
      {isBeginning && <p className="beginning">This is the beginning of the conversation.</p>}
      {day !== undefined && <p className="day">{day}</p>}
      {isFirstNew && <p className="first-new">New messages</p>}
      <div className="line">
        {!isOwn && <Avatar userId={message.senderId} name={name} />}
        <div className="body">
          <p className="sender" dir="auto">
            {isOwn ? 'You' : <bdi>{name}</bdi>}{' '}
            {message.verified === false && (
              <span className="unverified" title={UNVERIFIED_HINT}>
                {UNVERIFIED_WORDS}
              </span>
            )}
          </p>
          {isEditing && mayChange ? (
            <MessageEditor
              before={message.text}
              onSave={(text) => actions.save(message, text)}
              onEnd={actions.endEdit}
            />
          ) : (
            <Bubble {...props} mayChange={mayChange} />
          )}
          {message.status === 'failed' && <Failure message={message} actions={actions} />}
        </div>
      </div>
    </div>
  );
});

function Bubble({ message, isOffline, mayChange, isTabStop, focusOn, onChooseStop, onMoveStop, actions }) {
  const isDeleted = message.deletedAt !== undefined;
  return (
    <div className="bubble">
      <p className="text" dir="auto">
        {isDeleted ? 'Message deleted' : <Linked text={message.text} />}
      </p>
      <ErrorBoundary fallback={<p className="meta">The attachments can not be shown.</p>}>
        <Attachments files={message.attachments} />
      </ErrorBoundary>
      <Meta message={message} isDeleted={isDeleted} isOffline={isOffline} />
      {mayChange && (
        <MessageActions
          isTabStop={isTabStop}
          focusOn={focusOn}
          onChooseStop={() => onChooseStop(message.id)}
          onMoveStop={(step, button) => onMoveStop(message.id, step, button)}
          onEdit={() => actions.edit(message)}
          onRemove={() => actions.remove(message)}
        />
      )}
    </div>
  );
}

function Meta({ message, isDeleted, isOffline }) {
  const { status, createdAt, editedAt } = message;
  const isStored = !isWaiting(message);
  if (status === 'pending') {
    return <p className="meta progress">{progressWords({ isStored, isDeleted, isOffline })}</p>;
  }
  return (
    <p className="meta">
      {editedAt !== undefined && !isDeleted && <span title={editedWords(editedAt)}>edited</span>}
      {isStored && (
        <time dateTime={isoOf(createdAt)} title={momentWords(createdAt)}>
          {timeWords(createdAt)}
        </time>
      )}
    </p>
  );
}

/** Why it was refused, and the two ways on. */
function Failure({ message, actions }) {
  const say = isWaiting(message) ? notSentWords : notChangedWords;
  return (
    <div className="failure">
      <p>{say(message.error)}</p>
      <button type="button" className="link-button" onClick={() => actions.retry(message)}>
        Try again
      </button>
      <button type="button" className="link-button" onClick={() => actions.discard(message)}>
        Discard
      </button>
    </div>
  );
}
