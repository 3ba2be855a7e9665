import { spaces } from 'kuratchi-spaces';

delete globalThis.WebSocket;
const space = spaces.client(JSON.parse(process.env.SPACE));
const refusal = await space.connect().then(
  () => undefined,
  (error) => error.message,
);
const { text } = await space.sendMessage({ senderId: 'ada', senderType: 'user', text: 'By request' });
await space.setMetadata({ topic: 'Invoices' });
const told = {
  refusal,
  text,
  history: (await space.getMessages()).map((message) => message.text),
  participants: (await space.getParticipants()).map((participant) => participant.userId),
  metadata: await space.getMetadata(),
};
space.close();
console.log(JSON.stringify(told));
