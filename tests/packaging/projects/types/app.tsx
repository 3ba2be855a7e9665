import { spaces as named } from 'kuratchi-sdk';
import type { Message as SdkMessage, SpaceClientConfig } from 'kuratchi-sdk/spaces';
import * as spaces from 'kuratchi-sdk/spaces';
import { ChatError, client, type Message, spaces as own } from 'kuratchi-spaces';
import { client as inline } from 'kuratchi-spaces/inline';
import { SpaceProvider, useMessages, useSend } from 'kuratchi-spaces/react';
import { deploy, generateToken } from 'kuratchi-spaces/server';
import { type ClientOptions, validateSpaceToken } from 'kuratchi-spaces/spaces';
import { client as standalone } from 'kuratchi-spaces/standalone';
import { useMessages as useSvelteMessages } from 'kuratchi-spaces/svelte';

const options: ClientOptions = {
  spaceId: 'support-7',
  spaceToken: 'token',
  onMessage: (message) => show(message),
};
const show = (message: Message): string => message.text;
const token: Promise<string> = generateToken('support-7', { userId: 'ada' });
const isValid: Promise<boolean> = validateSpaceToken('token', 'support-7', 'key');
const space = client(options);
const same: typeof space = own.client(options);
same.on('error', (error) => error instanceof ChatError && (error.code satisfies string));

// One class behind every entry: what one made, another takes.
const others: (typeof space)[] = [inline(options), standalone(options)];

const alias: ReturnType<typeof spaces.client> = named.client({
  spaceId: 'support-7',
} satisfies SpaceClientConfig);
alias.getMessages().then((messages: SdkMessage[]) => messages.map(show));

// Were the types not found, all of it would be `any` and none of these an error.
// @ts-expect-error: an id is a string.
client({ spaceId: 7 });
// @ts-expect-error: an id is a string.
spaces.client({ spaceId: 7 });
// @ts-expect-error: an id is a string.
named.client({ spaceId: 7 });
// @ts-expect-error: an id is a string.
inline({ spaceId: 7 });
// @ts-expect-error: an id is a string.
standalone({ spaceId: 7 });
// @ts-expect-error: a name is a string.
deploy({ scriptName: 7 });
// @ts-expect-error: there is no such list.
useSvelteMessages().currently;

export function Chat() {
  return (
    <SpaceProvider config={options}>
      <Messages />
      {/* @ts-expect-error: an id is a string. */}
      <SpaceProvider config={{ spaceId: 7 }} />
    </SpaceProvider>
  );
}

function Messages() {
  const { messages } = useMessages();
  const send = useSend();
  const say = () => send({ senderId: 'ada', senderType: 'user', text: 'Hi' });
  return (
    <button type="button" onClick={say}>
      {messages.length satisfies number}
    </button>
  );
}

export { isValid, others, token };
