/**
 * What must not compile of the adapters, one line each.
 *
 * Owns nothing but types: an expectation that is not met is an error of the type check.
 */

import type { KuratchiSpaceClient } from 'kuratchi-spaces';
import * as react from 'kuratchi-spaces/react';
import * as svelte from 'kuratchi-spaces/svelte';
import { createElement } from 'react';

declare const client: KuratchiSpaceClient;
declare const config: { spaceId: string };

export function inReact() {
  // @ts-expect-error a config names a space
  react.useSpace({ workerUrl: 'https://a' });
  // @ts-expect-error a token function gives a text
  react.useSpace({ spaceId: 'a', spaceToken: () => 7 });
  // @ts-expect-error there is no such callback
  react.useSpace({ spaceId: 'a', onMesage: () => {} });
  // @ts-expect-error a space's name is no space
  react.useSpace('a');
  // @ts-expect-error nothing is left out, not null
  react.useSpace(null);
  // @ts-expect-error the other hooks take clients
  react.useMessages(config);
  // @ts-expect-error there is no such option: loadOlder() takes it
  react.useMessages({ limit: 50 });
  // @ts-expect-error a provider has a space
  createElement(react.SpaceProvider, {});
  // @ts-expect-error and one of it
  createElement(react.SpaceProvider, { config, client });
  // @ts-expect-error a list that is shown is not to be changed
  react.useMessages().messages.push(react.useMessages().messages[0]);
  // @ts-expect-error a message has a text
  void react.useSend()({ body: 'hi' });
  // @ts-expect-error a page has a number of messages
  void react.useMessages().loadOlder({ limit: 'all' });
  // @ts-expect-error there is no time in it: the oldest message decides
  void react.useMessages().loadOlder({ before: 7 });
  // @ts-expect-error it is said who types
  void react.useTyping().setTyping(true);
  // @ts-expect-error presence tells no e-mail addresses
  react.usePresence().map(({ email }) => email);
  // @ts-expect-error there is no such state
  return react.useConnection().state === 'online';
}

export function inSvelte() {
  // @ts-expect-error there is something to set
  svelte.setSpace();
  // @ts-expect-error a config names a space
  svelte.setSpace({ workerUrl: 'https://a' });
  // @ts-expect-error what a function gives is one, or nothing
  svelte.setSpace(() => 'a');
  // @ts-expect-error the other functions take clients
  svelte.useMessages(config);
  // @ts-expect-error what it holds is its current
  svelte.useMessages(client).map(({ text }) => text);
  // @ts-expect-error it is for reading
  svelte.useMessages(client).current = [];
  // @ts-expect-error and no writable store
  svelte.usePresence(client).set([]);
  // @ts-expect-error a subscriber is a function
  svelte.useTyping(client).subscribe('log');
  // @ts-expect-error there is no provider in Svelte
  return svelte.SpaceProvider;
}

export async function history() {
  // @ts-expect-error a page has a number of messages
  await client.loadOlder(50);
  // @ts-expect-error the snapshot is for reading
  client.getSnapshot().hasOlder = false;
}
