/** One room in the list: holds its connection, and counts what is new in it. */
import { useMessages, useSpace } from 'kuratchi-spaces/react';
import { useMemo } from 'react';
import { isBy } from '../../shared/words.js';
import { isWaiting } from './messages.js';

/** More are not told apart. */
const COUNT_MAX = 99;

export function RoomLink({ room, space, ownId, readUntil = 0, isShown, onChoose }) {
  useSpace(space);
  const { messages } = useMessages(space);
  const count = useMemo(() => countNew(messages, readUntil, ownId), [messages, readUntil, ownId]);
  const isNew = count > 0 && !isShown;
  return (
    <li>
      <a
        href={`#${room.id}`}
        className="room-link"
        aria-current={isShown ? 'page' : undefined}
        onClick={onChoose}
      >
        <span aria-hidden="true" className="hash">
          #
        </span>
        <span className="room-name">{room.name}</span>
        {isNew && (
          <span className="badge">
            {count > COUNT_MAX ? `${COUNT_MAX}+` : count}
            <span className="visually-hidden"> new</span>
          </span>
        )}
      </a>
    </li>
  );
}

function countNew(messages, readUntil, ownId) {
  let count = 0;
  for (let index = messages.length - 1; index >= 0 && count <= COUNT_MAX; index -= 1) {
    const message = messages[index];
    // One's own that wait stand last, whenever they were written.
    if (isWaiting(message)) continue;
    if (message.createdAt <= readUntil) break;
    if (!isBy(message, ownId) && message.deletedAt === undefined) count += 1;
  }
  return count;
}
