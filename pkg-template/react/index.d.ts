/**
 * React hooks: `import { SpaceProvider, useMessages } from 'kuratchi-spaces/react'`. React 18 and newer.
 *
 * `SpaceProvider` and `useSpace` with a config or a client connect while they are mounted. The other hooks look at
 * the client of the provider above, or at the one that they are given, and make a component render when their own
 * part of its state changed, and for nothing else.
 *
 * @packageDocumentation
 */

import type { ReactElement, ReactNode } from 'react';
import type { ChatError } from '../errors.js';
import type { ConnectionState, Transport } from '../listening.js';
import type { LoadOlderOptions, ShownMessage } from '../messages.js';
import type { PresentUser } from '../participants.js';
import type { ClientOptions, KuratchiSpaceClient, Persistence } from '../spaces.js';

/**
 * What {@link SpaceProvider} takes: a `config`, of which it makes a client, or a `client` of the app's.
 *
 * @example
 * const props: SpaceProviderProps = { config: { spaceId: 'team', spaceToken, workerUrl }, children: <Room /> };
 */
export type SpaceProviderProps = { children?: ReactNode } & (
  | { config: ClientOptions; client?: undefined }
  | { client: KuratchiSpaceClient; config?: undefined }
);

/**
 * Gives a space to all hooks below it, and connects it: see {@link useSpace}, which it calls.
 *
 * @example
 * <SpaceProvider config={{ spaceId: 'team', spaceToken, workerUrl }}>
 *   <Room />
 * </SpaceProvider>
 */
export function SpaceProvider(props: SpaceProviderProps): ReactElement;

/**
 * The client of a space.
 *
 * With a config it makes a client, connects it while the component is mounted, keeps it through every render, and
 * closes it when the component is gone: the config may be a new object each time. Another `spaceId`, `workerUrl`, `order` or
 * user (`userId`; without it as a token's text names one, or the last that a function gave) makes another client and closes the one
 * before; another token of the same user, also a function in the place of a text, is shown on the connection that is there. Callbacks, `tokenFor` and a token
 * function make none: those of the latest render are called, callbacks only while the component is mounted, `tokenFor` afterwards as well
 * (see {@link ClientOptions}), until a config of this component has none. A token function that is kept between renders (`useCallback`) and
 * replaced is asked at once, or when the first has given its token; one in the place of a function that was there for less than 30 s
 * is asked with the next config that still has it, and one that is made in each render when a token is needed, once more by the
 * first render that brings another one, and by a render after 30 s in which there was none. Give `userId` in the config, or the
 * component a `key`, where the signed-in user can change, and call `clearLocal()` when they sign out. On a server nothing is connected,
 * and what is rendered is an empty space.
 *
 * With a client it connects that while any component uses it so, and disconnects it after the last one; one that the app has
 * connected itself is left alone. With neither it gives the client of the provider above.
 *
 * @param source A config, a client, or nothing.
 * @returns The client: the same object until the config names another space.
 * @throws {ChatError} `invalidArgument` for a config that is not as expected.
 * @throws {Error} When there is neither `source` nor a provider.
 * @example
 * const space = useSpace({ spaceId: 'team', spaceToken: fetchToken, workerUrl, onError: (error) => show(error) });
 */
export function useSpace(source?: ClientOptions | KuratchiSpaceClient): KuratchiSpaceClient;

/**
 * What {@link useMessages} gives.
 *
 * @example
 * const { messages, hasOlder, loadOlder }: SpaceMessages = useMessages();
 */
export interface SpaceMessages {
  /** As in the client's snapshot: oldest first, each once, one's own on their way last. @example messages.map(row) */
  readonly messages: readonly ShownMessage[];
  /** Whether the newest messages are there; before that, an empty list means nothing, and one that is not has what waits to be sent. @example if (!isLoaded && messages.length === 0) return <Spinner /> */
  readonly isLoaded: boolean;
  /** Whether there may be older ones than the first in the list. @example isLoaded && hasOlder && <button onClick={() => loadOlder().catch(show)} /> */
  readonly hasOlder: boolean;
  /** Whether older ones are on their way. @example <button disabled={isLoadingOlder} /> */
  readonly isLoadingOlder: boolean;
  /** As {@link KuratchiSpaceClient.loadOlder}; the same function in each render. @example await loadOlder({ limit: 100 }) */
  readonly loadOlder: (options?: LoadOlderOptions) => Promise<void>;
}

/**
 * The messages of a space. Loads the newest by itself once the component is mounted, and again after a failure.
 *
 * A message that nothing happens to stays the same object: rows in `memo()` render once, and one new message renders
 * one row. The key of a row is `message.key ?? message.id`.
 *
 * @param client Default: the provider's.
 * @throws {Error} When there is neither.
 * @example
 * const { messages, hasOlder, loadOlder } = useMessages();
 */
export function useMessages(client?: KuratchiSpaceClient): SpaceMessages;

/**
 * Sends messages: {@link KuratchiSpaceClient.sendMessage}, the same function in each render.
 *
 * @param client Default: the provider's.
 * @throws {Error} When there is neither.
 * @example
 * const send = useSend();
 * send({ text: 'Hello' }).catch(show);
 */
export function useSend(client?: KuratchiSpaceClient): KuratchiSpaceClient['sendMessage'];

/**
 * What {@link useTyping} gives.
 *
 * @example
 * const { typing, setTyping }: SpaceTyping = useTyping();
 */
export interface SpaceTyping {
  /** Ids of those who type. @example typing.join(', ') */
  readonly typing: readonly string[];
  /** As {@link KuratchiSpaceClient.setTyping}; the same function in each render. @example setTyping('ada', true) */
  readonly setTyping: KuratchiSpaceClient['setTyping'];
}

/**
 * Who types, and the function that tells the others that one does.
 *
 * @param client Default: the provider's.
 * @throws {Error} When there is neither.
 * @example
 * const { typing, setTyping } = useTyping();
 */
export function useTyping(client?: KuratchiSpaceClient): SpaceTyping;

/**
 * Who is here.
 *
 * @param client Default: the provider's.
 * @throws {Error} When there is neither.
 * @example
 * const users = usePresence();
 */
export function usePresence(client?: KuratchiSpaceClient): readonly PresentUser[];

/**
 * What {@link useConnection} gives: the same object until something of it changes.
 *
 * @example
 * const { state, error }: SpaceConnection = useConnection();
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
 * @param client Default: the provider's.
 * @throws {Error} When there is neither.
 * @example
 * const { connected } = useConnection();
 */
export function useConnection(client?: KuratchiSpaceClient): SpaceConnection;
