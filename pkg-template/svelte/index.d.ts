/**
 * The client in Svelte 5: `import { useMessages, useSpace } from 'kuratchi-spaces/svelte'`. Svelte 5.7 and newer.
 *
 * What the functions give is reactive by its `current`, and a classic store as well: `$messages` is
 * `messages.current`. Call them while a component is made, as `getContext()`.
 *
 * @packageDocumentation
 */

import type { Readable } from 'svelte/store';
import type { ChatError } from '../errors.js';
import type { ConnectionState, Transport } from '../listening.js';
import type { LoadOlderOptions, ShownMessage } from '../messages.js';
import type { PresentUser } from '../participants.js';
import type { ClientOptions, KuratchiSpaceClient, Persistence } from '../spaces.js';

/**
 * A part of a space's state that changes.
 *
 * @example
 * const users: Reactive<readonly PresentUser[]> = usePresence();
 */
export interface Reactive<Value> extends Readable<Value> {
  /** What it is right now: the same object until it changes. Reactive in templates, `$derived` and `$effect`. @example users.current.length */
  readonly current: Value;
}

/**
 * What a component makes its space of.
 *
 * @example
 * const source: SpaceSource = () => data.config;
 */
export type SpaceSource =
  | ClientOptions
  | KuratchiSpaceClient
  | (() => ClientOptions | KuratchiSpaceClient | null | undefined);

/**
 * Gives a space to all components below this one, and connects it: see {@link useSpace}, which it calls.
 *
 * @param source A function that gives a config or a client, or one of these that never changes.
 * @returns The client.
 * @throws {ChatError} `invalidArgument` for a config that is not as expected.
 * @example
 * setSpace(() => ({ spaceId: data.spaceId, spaceToken: data.spaceToken, workerUrl: data.workerUrl }));
 */
export function setSpace(source: SpaceSource): KuratchiSpaceClient;

/**
 * The client of a space.
 *
 * With a config it makes a client, connects it once the component is mounted, and closes it with the component. With a client it
 * connects that while any component uses it so, and disconnects it after the last one; one that the app has connected itself is
 * left alone. With neither it gives the client that a component above has set. On a server nothing is connected, and what is rendered is an empty space.
 *
 * Give a **function** where the config may change, as SvelteKit's `data` does when only the parameter of a route changes: the
 * component stays, and so would a plain value. Another space, Worker, order or user (`userId`, or whom the token names) is another client then; a new token of the
 * same user, also a function in the place of a text, is shown on the connection that is there. Another token function is asked at once. What this gives stands for whichever client it is.
 * The function's first value has to be a config or a client. Where it gives nothing later, or a config that is not as expected (the console
 * tells), the room is left, and the next one is followed; meanwhile this is an empty room, whose calls fail with `closed`.
 *
 * @param source A function that gives a config or a client, one of these that never changes, or nothing.
 * @throws {ChatError} `invalidArgument` for a config that is not as expected.
 * @throws {Error} When there is neither `source` nor a space that was set.
 * @example
 * const space = useSpace({ spaceId: 'support-7', spaceToken: fetchToken, workerUrl });
 */
export function useSpace(source?: SpaceSource): KuratchiSpaceClient;

/**
 * What {@link useMessages} gives.
 *
 * @example
 * const messages: SpaceMessages = useMessages();
 */
export interface SpaceMessages extends Reactive<readonly ShownMessage[]> {
  /** Whether the newest messages are there; before that, an empty list means nothing, and one that is not has what waits to be sent. Reactive. @example messages.isLoaded || messages.current.length > 0 */
  readonly isLoaded: boolean;
  /** Whether there may be older ones than the first in the list. Reactive. @example messages.hasOlder */
  readonly hasOlder: boolean;
  /** Whether older ones are on their way. Reactive. @example messages.isLoadingOlder */
  readonly isLoadingOlder: boolean;
  /** As {@link KuratchiSpaceClient.loadOlder}; bound. @example await messages.loadOlder({ limit: 100 }) */
  readonly loadOlder: (options?: LoadOlderOptions) => Promise<void>;
}

/**
 * The messages of a space, oldest first, each once, one's own on their way last. Loads the newest by itself once the
 * component is mounted, and again after a failure.
 *
 * A message that nothing happens to stays the same object. The key of a row is
 * `message.key ?? message.id`.
 *
 * @param client Default: the one that was set above.
 * @throws {Error} When there is neither.
 * @example
 * const messages = useMessages();
 */
export function useMessages(client?: KuratchiSpaceClient): SpaceMessages;

/**
 * Sends messages: {@link KuratchiSpaceClient.sendMessage}, as a function of its own.
 *
 * @param client Default: the one that was set above.
 * @throws {Error} When there is neither.
 * @example
 * const send = useSend();
 * send({ text: 'Hello' }).catch(show);
 */
export function useSend(client?: KuratchiSpaceClient): KuratchiSpaceClient['sendMessage'];

/**
 * What {@link useTyping} gives: ids of those who type.
 *
 * @example
 * const typing: SpaceTyping = useTyping();
 */
export interface SpaceTyping extends Reactive<readonly string[]> {
  /** As {@link KuratchiSpaceClient.setTyping}; bound. @example typing.setTyping('ada', true) */
  readonly setTyping: KuratchiSpaceClient['setTyping'];
}

/**
 * Who types, and the function that tells the others that one does.
 *
 * @param client Default: the one that was set above.
 * @throws {Error} When there is neither.
 * @example
 * const typing = useTyping();
 */
export function useTyping(client?: KuratchiSpaceClient): SpaceTyping;

/**
 * Who is here.
 *
 * @param client Default: the one that was set above.
 * @throws {Error} When there is neither.
 * @example
 * const users = usePresence();
 */
export function usePresence(client?: KuratchiSpaceClient): Reactive<readonly PresentUser[]>;

/**
 * What the connection does: the same object until something of it changes.
 *
 * @example
 * const { state, error }: SpaceConnection = useConnection().current;
 */
export interface SpaceConnection {
  /** What the connection is doing. @example state === 'reconnecting' */
  readonly state: ConnectionState;
  /** Whether `state` is `'connected'`. @example connected ? 'online' : 'offline' */
  readonly connected: boolean;
  /** Milliseconds until the next attempt, counted from the change. @example retryInMs */
  readonly retryInMs: number | undefined;
  /** When that is: milliseconds since 1970. @example retryAt */
  readonly retryAt: number | undefined;
  /** What carries messages; `undefined` while not connected. @example transport === 'polling' */
  readonly transport: Transport | undefined;
  /** How far what waits in the outbox reaches. @example persistence === 'memory' */
  readonly persistence: Persistence;
  /** The latest error; none once connected. @example error?.message */
  readonly error: ChatError | undefined;
}

/**
 * What the connection does.
 *
 * @param client Default: the one that was set above.
 * @throws {Error} When there is neither.
 * @example
 * const connection = useConnection();
 */
export function useConnection(client?: KuratchiSpaceClient): Reactive<SpaceConnection>;
