/** One room: its head, what is going on with the connection, the messages, and where one writes. */
import { usePresence, useSpace } from 'kuratchi-spaces/react';
import { useCallback, useRef, useState } from 'react';
import { Announcements } from './Announcements.jsx';
import { Composer } from './Composer.jsx';
import { ConnectionBanner } from './ConnectionBanner.jsx';
import { ConnectionLine } from './ConnectionLine.jsx';
import { Icon } from './Icon.jsx';
import { MessageLog } from './MessageLog.jsx';
import { isChangeable } from './messages.js';
import { Notices } from './Notices.jsx';
import { People } from './People.jsx';
import { TypingLine } from './TypingLine.jsx';

export function Room({ room, session, readUntil, onRead, onSignOut, menuButton }) {
  const space = useSpace();
  const people = usePresence();
  const [isPeopleOpen, setPeopleOpen] = useState(false);
  const [editing, setEditing] = useState();
  const peopleButton = useRef(null);
  const composer = useRef(null);
  const log = useRef(null);
  const { userId } = session;

  /** What had the focus goes away. Where the field would bring up a keyboard of glass, the messages have it. */
  const goOn = useCallback(() => {
    const place = matchMedia('(any-hover: hover)').matches ? composer : log;
    place.current?.focus({ preventScroll: true });
  }, []);
  const editLast = useCallback(() => {
    const last = space.getSnapshot().messages.findLast((message) => isChangeable(message, userId));
    if (last) setEditing(last.id);
    return last !== undefined;
  }, [space, userId]);
  const markRead = useCallback((createdAt) => onRead(room.id, createdAt), [onRead, room]);

  const closeByKey = (event) => {
    if (event.key !== 'Escape' || !isPeopleOpen) return;
    setPeopleOpen(false);
    peopleButton.current.focus();
  };

  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: Escape closes what is open, wherever the focus is.
    <div className="room" onKeyDown={closeByKey}>
      <header className="room-header">
        {menuButton}
        <div className="room-title">
          <h1>
            <span aria-hidden="true" className="hash">
              #
            </span>
            {room.name}
          </h1>
          <p className="topic">{room.topic}</p>
        </div>
        <ConnectionLine />
        <button
          ref={peopleButton}
          type="button"
          className="icon-button people-button"
          aria-expanded={isPeopleOpen}
          aria-controls="people"
          onClick={() => setPeopleOpen(!isPeopleOpen)}
        >
          <Icon name="people" />
          {people.length}
          <span className="visually-hidden"> here now</span>
        </button>
      </header>
      <main className="conversation">
        <ConnectionBanner onSignOut={onSignOut} onDone={goOn} />
        <Notices />
        <MessageLog
          ref={log}
          ownId={userId}
          readUntil={readUntil}
          onRead={markRead}
          editing={editing}
          onEdit={setEditing}
          onDone={goOn}
        />
        <TypingLine ownId={userId} />
        <Composer
          ref={composer}
          session={session}
          spaceId={`${session.team}/${room.id}`}
          roomName={room.name}
          onEditLast={editLast}
        />
        <Announcements ownId={userId} />
      </main>
      {isPeopleOpen && <div className="veil" onPointerDown={() => setPeopleOpen(false)} />}
      <People people={people} ownId={userId} isOpen={isPeopleOpen} />
    </div>
  );
}
