import { client } from 'kuratchi-spaces';
import { SpaceProvider, useMessages, useSpace } from 'kuratchi-spaces/react';
import { Activity, lazy, Suspense, use, useEffect } from 'react';
import { Composer, Messages, Room, Status, useToken } from './room.jsx';

let shared;

/** A client that the app made itself; `connects` says who connects it. */
export function Given({ query }) {
  if (!shared) {
    const { spaceId, spaceToken, workerUrl } = query;
    shared = client({ spaceId, spaceToken, workerUrl });
    globalThis.page.client = shared;
    if (query.connects === 'app') {
      shared.connect();
    }
  }
  // Another key is another component: the old one goes and the new one comes in one commit.
  return query.isAway ? null : (
    <SpaceProvider key={query.key} client={shared}>
      <Status />
      <Messages />
    </SpaceProvider>
  );
}

let wake;
const awaited = {};

/** Waits in the first render and, by `page.show({ waits: … })`, in later ones. */
function Waiting({ query }) {
  const { spaceId, spaceToken, workerUrl, waits = 'first' } = query;
  const space = useSpace({ spaceId, spaceToken, workerUrl });
  awaited[waits] ??= new Promise((resolve) => {
    wake = resolve;
  });
  globalThis.page.wake = () => wake();
  const word = use(awaited[waits]);
  const { messages } = useMessages(space);
  return (
    <>
      <p id="word">{word ?? waits}</p>
      <ol id="messages">
        {messages.map(({ id, text }) => (
          <li key={id}>{text}</li>
        ))}
      </ol>
    </>
  );
}

/** Its code comes late, too. */
const Late = lazy(async () => ({ default: Waiting }));

export function Suspended({ query }) {
  return (
    <Suspense fallback={<p id="waiting">wait</p>}>
      <Late query={query} />
    </Suspense>
  );
}

function Part({ config, id }) {
  const space = useSpace(config);
  const { messages } = useMessages(space);
  return <p id={id}>{messages.map(({ text }) => text).join()}</p>;
}

/** Listens to a client by itself, as apps do. */
function Listener({ query }) {
  const { spaceId, spaceToken, workerUrl } = query;
  const space = useSpace({ spaceId, spaceToken, workerUrl });
  useEffect(() => space.on('message', ({ text }) => globalThis.page.told.push(`heard ${text}`)), [space]);
  return null;
}

/** A room that is hidden and comes back, as tabs of an app do. */
export function Hidden({ query }) {
  return (
    <Activity mode={query.isHidden ? 'hidden' : 'visible'}>
      <Room query={query} />
      <Listener query={query} />
    </Activity>
  );
}

/** Makes the client in the component that renders with each message. */
export function Talk({ query }) {
  const { spaceId, workerUrl } = query;
  const space = useSpace({ spaceId, workerUrl, spaceToken: useToken(query) });
  const { messages } = useMessages(space);
  return (
    <SpaceProvider client={space}>
      <p id="count">{messages.length}</p>
      <Status />
      <Messages />
      <Composer userId={query.who} />
    </SpaceProvider>
  );
}

/** Two spaces beside each other. */
export function TwoRooms({ query }) {
  const { workerUrl, spaceId, spaceToken, otherId, otherToken } = query;
  return (
    <>
      <Part id="one" config={{ spaceId, spaceToken, workerUrl }} />
      <Part id="other" config={{ spaceId: otherId, spaceToken: otherToken, workerUrl }} />
    </>
  );
}
