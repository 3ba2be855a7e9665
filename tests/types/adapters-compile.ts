/**
 * What must compile of the adapters: each hook and function as apps write it.
 *
 * Owns nothing but types; it is checked and never run.
 */

import type { ClientOptions, KuratchiSpaceClient, Message, PresentUser, ShownMessage } from 'kuratchi-spaces';
import { client as createClient } from 'kuratchi-spaces';
import type { SpaceConnection, SpaceMessages, SpaceProviderProps, SpaceTyping } from 'kuratchi-spaces/react';
import * as react from 'kuratchi-spaces/react';
import type { Reactive } from 'kuratchi-spaces/svelte';
import * as svelte from 'kuratchi-spaces/svelte';
import { createElement, memo, useEffect, useMemo } from 'react';
import { derived, get, type Readable } from 'svelte/store';

declare const config: ClientOptions;
declare const client: KuratchiSpaceClient;
declare const maybe: { config: ClientOptions | undefined; client: KuratchiSpaceClient | null };

/** A type and no other: neither wider nor narrower, and not `any`. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function isSame<A, B>(_: Same<A, B>) {}

/** A room in React. */
export function Room() {
  const space = react.useSpace();
  const { messages, isLoaded, hasOlder, isLoadingOlder, loadOlder }: SpaceMessages = react.useMessages();
  const send = react.useSend();
  const { typing, setTyping }: SpaceTyping = react.useTyping();
  const users: readonly PresentUser[] = react.usePresence();
  const { state, connected, error }: SpaceConnection = react.useConnection();
  isSame<typeof space, KuratchiSpaceClient>(true);
  isSame<typeof messages, readonly ShownMessage[]>(true);
  isSame<typeof send, KuratchiSpaceClient['sendMessage']>(true);
  // Both forms of sendMessage() come through.
  const submit = async () => {
    const stored: Message = await send({ text: 'hi' }, { until: 'stored' });
    const maybe = await send({ text: 'hi' });
    return [stored.id, maybe?.id];
  };
  useEffect(() => {
    void loadOlder();
    void loadOlder({ limit: 100 });
    void setTyping('ada', true);
  }, [loadOlder, setTyping]);
  const words = useMemo(() => messages.map(({ text }) => text.toUpperCase()), [messages]);
  const shown = [
    state,
    connected,
    error?.code,
    isLoaded,
    hasOlder,
    isLoadingOlder,
    typing.join(),
    users.length,
  ];
  return createElement('p', { onClick: submit }, words, shown.join());
}

export const Row = memo(({ message }: { message: ShownMessage }) => createElement('li', null, message.text));

/** Each way to hand a space over. */
export function App() {
  react.useSpace(config);
  react.useSpace(client);
  react.useSpace({
    spaceId: 'a',
    spaceToken: async ({ fresh }) => String(fresh),
    onError: ({ code }) => code,
  });
  react.useMessages(client);
  react.useSend(client);
  react.useTyping(client);
  react.usePresence(client);
  react.useConnection(client);
  const props: SpaceProviderProps = { config, children: createElement(Room) };
  return [
    createElement(react.SpaceProvider, props),
    createElement(react.SpaceProvider, { client: createClient(config), children: 'text' }),
    createElement(react.SpaceProvider, { config }, createElement(Room)),
  ];
}

/** A component in Svelte. */
export function component() {
  const space = svelte.setSpace(config);
  isSame<typeof space, KuratchiSpaceClient>(true);
  svelte.setSpace(client);
  svelte.useSpace(config);
  // A page may be in no room for a while.
  svelte.setSpace(() => maybe.config);
  svelte.useSpace(() => maybe.client);
  svelte.useSpace().isConnected();
  const messages = svelte.useMessages();
  const typing = svelte.useTyping(client);
  const presence: Reactive<readonly PresentUser[]> = svelte.usePresence();
  const connection = svelte.useConnection(space);
  const send = svelte.useSend();
  const store: Readable<readonly ShownMessage[]> = messages;
  const texts: Readable<string[]> = derived(messages, (all) => all.map(({ text }) => text));
  const last: string | undefined = messages.current.at(-1)?.text;
  isSame<typeof messages.current, readonly ShownMessage[]>(true);
  void messages.loadOlder({ limit: 100 });
  void typing.setTyping('ada', typing.current.includes('ada'));
  const stored: Promise<Message> = send({ text: 'hi', until: 'stored' });
  const state = get(connection).state satisfies string;
  const flags: boolean[] = [messages.isLoaded, messages.hasOlder, messages.isLoadingOlder];
  return { store, texts, last, stored, state, flags, users: presence.current.length };
}

/** The history of the client itself. */
export async function history() {
  await client.loadOlder();
  await client.loadOlder({ limit: 100 });
  const { hasOlder, isLoaded, isLoadingOlder } = client.getSnapshot();
  isSame<typeof hasOlder, boolean>(true);
  return [hasOlder, isLoaded, isLoadingOlder];
}
