import { client } from 'kuratchi-spaces';
import { createSignal, For, from, onCleanup, onMount } from 'solid-js';

export function Chat(props) {
  const space = client(props.config);
  const snapshot = from((set) => space.subscribe(() => set(space.getSnapshot())), space.getSnapshot());
  const [text, setText] = createSignal('');

  onMount(async () => {
    await space.connect();
    await space.getMessages();
  });
  onCleanup(() => space.close());

  const send = async (event) => {
    event.preventDefault();
    const said = text();
    setText('');
    await space.sendMessage({ senderId: 'ada', senderType: 'user', text: said });
  };

  return (
    <>
      <ol>
        <For each={snapshot().messages}>{(message) => <li>{message.text}</li>}</For>
      </ol>
      <form onSubmit={send}>
        <label>
          Message <input value={text()} onInput={(event) => setText(event.target.value)} autocomplete="off" />
        </label>
        <button type="submit">Send</button>
      </form>
    </>
  );
}
