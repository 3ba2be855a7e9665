/**
 * What must not compile, one line each.
 *
 * Owns nothing but types: an expectation that is not met is an error of the type check.
 */

import * as spaces from 'kuratchi-spaces';

declare const client: spaces.KuratchiSpaceClient;
declare const message: spaces.Message;
declare const snapshot: spaces.SpaceSnapshot;

export async function refused() {
  // @ts-expect-error a client has a space
  spaces.client({ workerUrl: 'https://a' });
  // @ts-expect-error there is a config
  spaces.client();
  // @ts-expect-error a number is no space id
  spaces.client({ spaceId: 7 });
  // @ts-expect-error a token is a text or a function
  spaces.client({ spaceId: 'a', spaceToken: 7 });
  // @ts-expect-error a token function gives a text
  spaces.client({ spaceId: 'a', spaceToken: () => 7 });
  // @ts-expect-error there are two orders
  spaces.client({ spaceId: 'a', order: 'newest' });
  // @ts-expect-error a callback is a function
  spaces.client({ spaceId: 'a', onMessage: 'log' });
  // @ts-expect-error there is no such callback
  spaces.client({ spaceId: 'a', onMesage: () => {} });
  // @ts-expect-error messages have no `body`
  spaces.client({ spaceId: 'a', onMessage: (told) => told.body });
  // @ts-expect-error a WebSocket is a class
  spaces.client({ spaceId: 'a', webSocket: new WebSocket('wss://a') });
  // @ts-expect-error milliseconds are a number
  await client.connect({ timeoutMs: '5s' });
  // @ts-expect-error a controller is no signal
  await client.connect({ signal: new AbortController() });
  // @ts-expect-error a message has a text
  await client.sendMessage({ senderId: 'ada', senderType: 'user' });
  // @ts-expect-error an object is no text
  await client.sendMessage({ senderId: 'ada', senderType: 'user', text: { bold: 'hi' } });
  // @ts-expect-error there is no such sender type
  await client.sendMessage({ senderId: 'ada', senderType: 'admin', text: 'hi' });
  // @ts-expect-error an attachment has more fields
  await client.sendMessage({ text: 'hi', attachments: [{ id: 'f' }] });
  // @ts-expect-error there is nothing else to wait for
  await client.sendMessage({ text: 'hi' }, { until: 'read' });
  // @ts-expect-error without `until` there may be no message
  (await client.sendMessage({ text: 'hi' })).id;
  // @ts-expect-error an edit has a text
  await client.editMessage(message.id, {});
  // @ts-expect-error a text is not an object with one
  await client.editMessage(message.id, 'new text');
  // @ts-expect-error without `until` there may be no message
  (await client.editMessage(message.id, { text: 'hi' })).editedAt;
  // @ts-expect-error a message is named by its id
  await client.deleteMessage(message);
  // @ts-expect-error it is said what to try again
  await client.retry();
  // @ts-expect-error how far rows reach is not for the app to say
  client.persistence = 'browser';
  // @ts-expect-error a stored message has no status of its own
  client.on('message', ({ status }) => status);
  // @ts-expect-error there is no such status
  client.on('messageUpdate', ({ status }) => status === 'lost');
  // @ts-expect-error a limit is a number
  await client.getMessages({ limit: '20' });
  // @ts-expect-error a time is a number
  await client.getMessages({ before: new Date() });
  // @ts-expect-error a page is awaited
  client.getMessages().length;
  // @ts-expect-error it is said whether they type
  await client.setTyping('ada');
  // @ts-expect-error values are texts
  await client.setMetadata({ count: 1 });
  // @ts-expect-error there is no such event
  client.on('messages', () => {});
  // @ts-expect-error the listener expects something else
  client.on('connectionChange', (connected: string) => connected);
  // @ts-expect-error a snapshot does not change
  snapshot.messages.push(message);
  // @ts-expect-error a snapshot does not change
  snapshot.connected = true;
  // @ts-expect-error the Wasm core is private
  client.core;
  // @ts-expect-error a key is a text
  await spaces.generateToken('a', { gatewayKey: 7 });
  // @ts-expect-error there is no such role
  await spaces.generateToken('a', { role: 'admin' });
  // @ts-expect-error the token is awaited
  spaces.client({ spaceId: 'a', spaceToken: spaces.generateToken('a') });
  // @ts-expect-error there is no such code
  new spaces.ChatError('no', { code: 'nope' }).code;
  // @ts-expect-error the code is not one of ours
  new spaces.ChatError('no', { code: 'closed' }).code === 'close';
  // @ts-expect-error types are no values
  console.log(spaces.Message);
}
