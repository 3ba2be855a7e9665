/**
 * The team's rooms: all of them connected, one of them shown.
 *
 * Owns the clients, one for each room, so that a room that is not shown still counts what is new in it. Each client
 * connects while its link in the list is there.
 */
import { client } from 'kuratchi-spaces';
import { SpaceProvider } from 'kuratchi-spaces/react';
import { useCallback, useEffect, useRef, useState } from 'react';
import { Avatar } from './Avatar.jsx';
import { ErrorBoundary } from './ErrorBoundary.jsx';
import { Icon } from './Icon.jsx';
import { Room } from './Room.jsx';
import { RoomLink } from './RoomLink.jsx';
import { ROOMS } from './rooms.js';
import { openSession } from './session.js';
import { useReadMarks } from './useReadMarks.js';
import { useShownRoom } from './useShownRoom.js';

export function TeamRoom({ session, onSignOut }) {
  const [clients] = useState(() => makeClients(session));
  const room = useShownRoom();
  const [marks, markRead] = useReadMarks(session);
  const [isMenuOpen, setMenuOpen] = useState(false);
  const menuButton = useRef(null);

  useEffect(() => {
    document.title = `${room.name} · ${session.team}`;
  }, [room, session]);

  const closeMenu = useCallback(() => setMenuOpen(false), []);
  const closeByKey = (event) => {
    if (event.key !== 'Escape' || !isMenuOpen) return;
    setMenuOpen(false);
    menuButton.current.focus();
  };

  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: Escape closes what is open, wherever the focus is.
    <div className="team" onKeyDown={closeByKey}>
      <nav id="rooms" className="rooms" data-open={isMenuOpen} aria-label="Rooms">
        <p className="team-name" dir="auto">
          {session.team}
        </p>
        <ul>
          {ROOMS.map((each) => (
            <RoomLink
              key={each.id}
              room={each}
              space={clients.get(each.id)}
              ownId={session.userId}
              readUntil={marks[each.id]}
              isShown={each === room}
              onChoose={closeMenu}
            />
          ))}
        </ul>
        <div className="me">
          <Avatar userId={session.userId} name={session.name} />
          <span className="me-name" dir="auto">
            {session.name}
          </span>
          <button type="button" className="quiet" onClick={onSignOut}>
            Sign out
          </button>
        </div>
      </nav>
      {isMenuOpen && <div className="veil rooms-veil" onPointerDown={closeMenu} />}
      <SpaceProvider client={clients.get(room.id)}>
        <ErrorBoundary key={room.id} fallback={<Broken />}>
          <Room
            key={room.id}
            room={room}
            session={session}
            readUntil={marks[room.id]}
            onRead={markRead}
            onSignOut={onSignOut}
            menuButton={
              <button
                ref={menuButton}
                type="button"
                className="icon-button menu-button"
                aria-label="Rooms"
                aria-expanded={isMenuOpen}
                aria-controls="rooms"
                onClick={() => setMenuOpen(!isMenuOpen)}
              >
                <Icon name="menu" />
              </button>
            }
          />
        </ErrorBoundary>
      </SpaceProvider>
    </div>
  );
}

/** In place of a room that can not be shown: the others can. */
function Broken() {
  return (
    <main className="broken" role="alert">
      <p>This room can not be shown. Choose another one, or load the page again.</p>
      <button type="button" onClick={() => location.reload()}>
        Load again
      </button>
    </main>
  );
}

/** Clients do nothing until a component holds them, so that one too many does no harm. */
function makeClients({ name, team, userId, spaceId, spaceToken, workerUrl }) {
  return new Map(
    ROOMS.map((room) => {
      const config = { spaceId: `${team}/${room.id}`, userId, workerUrl };
      // The session's own token first, and a fresh one whenever it is asked for again.
      let unused = config.spaceId === spaceId ? spaceToken : undefined;
      config.spaceToken = async () => {
        const token = unused ?? (await openSession({ name, team, room: room.id })).spaceToken;
        unused = undefined;
        return token;
      };
      return [room.id, client(config)];
    }),
  );
}
