'use client';

import { SpaceProvider, useConnection, useMessages, useSend } from 'kuratchi-spaces/react';
import { useState } from 'react';

export function Chat({ config }) {
  return (
    <SpaceProvider config={config}>
      <Connection />
      <Messages />
      <Composer />
    </SpaceProvider>
  );
}

function Connection() {
  return <output>{useConnection().state}</output>;
}

function Messages() {
  const { messages } = useMessages();
  return (
    <ol>
      {messages.map((message) => (
        <li key={message.id}>{message.text}</li>
      ))}
    </ol>
  );
}

function Composer() {
  const sendMessage = useSend();
  const [text, setText] = useState('');

  const send = async (event) => {
    event.preventDefault();
    setText('');
    await sendMessage({ senderId: 'ada', senderType: 'user', text });
  };

  return (
    <form onSubmit={send}>
      <label>
        Message <input value={text} onChange={(event) => setText(event.target.value)} autoComplete="off" />
      </label>
      <button type="submit">Send</button>
    </form>
  );
}
