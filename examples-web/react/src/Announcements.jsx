/**
 * New messages for screen readers.
 *
 * The list itself is not live: a virtual list adds rows whenever one scrolls, and those are no news.
 */
import { useSpace } from 'kuratchi-spaces/react';
import { useEffect, useState } from 'react';
import { spoken } from '../../shared/texts.js';
import { isBy, nameInUserId, UNVERIFIED_WORDS } from '../../shared/words.js';

/** What is read out stays for a while; more than this is not kept. */
const KEPT = 5;

export function Announcements({ ownId }) {
  const space = useSpace();
  const [heard, setHeard] = useState([]);
  useEffect(
    () =>
      space.on('message', (message) => {
        if (isBy(message, ownId)) return;
        // A place of its own: an id is the server's to choose, twice the same one too.
        setHeard((before) =>
          [...before, { ...message, place: (before.at(-1)?.place ?? 0) + 1 }].slice(-KEPT),
        );
      }),
    [space, ownId],
  );
  return (
    <div className="visually-hidden" aria-live="polite" aria-relevant="additions">
      {heard.map(({ place, senderId, verified, text }) => (
        <p key={place}>
          <bdi>{nameInUserId(senderId)}</bdi>
          {verified === false && ` (${UNVERIFIED_WORDS})`}: {spoken(text)}
        </p>
      ))}
    </div>
  );
}
