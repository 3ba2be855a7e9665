import { client } from 'kuratchi-spaces';
import { useEffect, useState, useSyncExternalStore } from 'react';

export function Chat({ config }) {
  const [space] = useState(() => client(config));
  const [text, setText] = useState('');
  const { messages } = useSyncExternalStore(
    (listener) => space.subscribe(listener),
    () => space.getSnapshot(),
    () => space.getServerSnapshot(),
  );

  useEffect(() => {
    space.connect().then(
      () => space.getMessages(),
      () => {},
    );
    return () => space.disconnect();
  }, [space]);

  const send = async (event) => {
    event.preventDefault();
    setText('');
    await space.sendMessage({ senderId: 'ada', senderType: 'user', text });
  };

  return (
    <>
      <ol>
        {messages.map((message) => (
          <li key={message.id}>{message.text}</li>
        ))}
      </ol>
      <form onSubmit={send}>
        <label>
          Message <input value={text} onChange={(event) => setText(event.target.value)} autoComplete="off" />
        </label>
        <button type="submit">Send</button>
      </form>
    </>
  );
}
