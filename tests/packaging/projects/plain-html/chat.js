import { client } from 'kuratchi-spaces';

const config = JSON.parse(decodeURIComponent(location.hash.slice(1)));
const list = document.querySelector('ol');
const form = document.querySelector('form');

const space = client(config);

function show() {
  const { messages } = space.getSnapshot();
  list.replaceChildren(
    ...messages.map(({ text }) => {
      const item = document.createElement('li');
      item.textContent = text;
      return item;
    }),
  );
}

space.subscribe(show);
form.addEventListener('submit', async (event) => {
  event.preventDefault();
  const text = form.elements.text.value;
  form.reset();
  await space.sendMessage({ senderId: 'ada', senderType: 'user', text });
});

await space.connect();
await space.getMessages();
