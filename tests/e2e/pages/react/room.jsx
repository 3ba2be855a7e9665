import {
  SpaceProvider,
  useConnection,
  useMessages,
  usePresence,
  useSend,
  useSpace,
  useTyping,
} from 'kuratchi-spaces/react';
import { memo, useCallback, useState } from 'react';
import { countRender } from './counting.js';

/** Gives what a query has as its token: a text, a function that is new in each render, or one that is kept for its user. */
export function useToken({ spaceToken, who, tokenFunction }) {
  const ask = async () => {
    globalThis.page.asked.push(who);
    return spaceToken;
  };
  const kept = useCallback(ask, [spaceToken, who]);
  return tokenFunction === 'kept' ? kept : tokenFunction ? ask : spaceToken;
}

/** A room as an app would write it: the config is a new object in each render. */
export function Room({ query }) {
  const { spaceId, workerUrl, greeting = 'hello' } = query;
  const [clicks, setClicks] = useState(0);
  const config = {
    spaceId,
    spaceToken: useToken(query),
    workerUrl,
    onMessage: (message) => globalThis.page.told.push(`${greeting}: ${message.text}`),
    onTyping: query.hearsTyping
      ? (userId, isTyping) => globalThis.page.told.push(`${userId} ${isTyping}`)
      : undefined,
    tokenFor: query.looksAfter ? (spaceId) => void globalThis.page.asked.push(spaceId) : undefined,
  };
  return (
    <SpaceProvider config={config}>
      <h1>First words</h1>
      <button id="clicks" type="button" onClick={() => setClicks(clicks + 1)}>
        {clicks}
      </button>
      <Status />
      <Messages />
      <Composer userId={query.who} />
    </SpaceProvider>
  );
}

export function Status() {
  countRender('status');
  const space = useSpace();
  globalThis.page?.clients.add(space);
  const { state, error } = useConnection();
  const users = usePresence();
  const { typing } = useTyping();
  return (
    <p>
      <span id="state">{state}</span> <span id="error">{error?.code}</span>{' '}
      <span id="here">{users.map(({ userId }) => userId).join()}</span>{' '}
      <span id="typing">{typing.join()}</span>
    </p>
  );
}

export function Messages() {
  countRender('messages');
  const { messages, isLoaded, hasOlder, isLoadingOlder, loadOlder } = useMessages();
  return (
    <>
      <button id="older" type="button" disabled={!hasOlder || isLoadingOlder} onClick={() => loadOlder()}>
        earlier
      </button>
      <ol id="messages" data-loaded={isLoaded}>
        {messages.map((message) => (
          <Row key={message.key ?? message.id} message={message} />
        ))}
      </ol>
    </>
  );
}

const Row = memo(function Row({ message }) {
  countRender('row');
  return <li data-status={message.status}>{message.text}</li>;
});

export function Composer({ userId }) {
  countRender('composer');
  const send = useSend();
  const { setTyping } = useTyping();
  const [text, setText] = useState('');
  const submit = async (event) => {
    event.preventDefault();
    setText('');
    await send({ text });
  };
  return (
    <form onSubmit={submit}>
      <input
        aria-label="Message"
        value={text}
        onChange={(event) => {
          setText(event.target.value);
          void setTyping(userId, event.target.value !== '');
        }}
      />
    </form>
  );
}
