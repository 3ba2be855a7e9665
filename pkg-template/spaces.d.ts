/**
 * Realtime chat rooms ("spaces") on Cloudflare: the client, and what a server needs to let people in.
 *
 * Importing does nothing. The WebAssembly part is loaded by the first call of a client that needs it.
 *
 * @packageDocumentation
 */

import type { ChatError } from './errors.js';
import type { ConnectionState, SpaceEventHandlers, SpaceEvents, Transport } from './listening.js';
import type {
  EditMessageOptions,
  GetMessagesOptions,
  LoadOlderOptions,
  Message,
  SendMessageOptions,
  ShownMessage,
  WaitOptions,
} from './messages.js';
import type { Participant, PresentUser, SpaceMetadata, SpaceMetadataChanges } from './participants.js';

export * from './environment.js';
export * from './errors.js';
export * from './listening.js';
export * from './messages.js';
export * from './participants.js';
export * from './server/deploy.js';
export * from './tokens.js';

/**
 * Gives a token when one is needed. `fresh` says that the last one was refused or is about to expire, so that a
 * stored one will not do.
 *
 * @example
 * const spaceToken: TokenSource = async () => (await fetch('/api/chat/token')).text();
 */
export type TokenSource = (request: { fresh: boolean }) => string | Promise<string>;

/** A room in which something waits to be sent. @example const waiting: PendingSpace = { spaceId: 'support-7', count: 2 }; */
export interface PendingSpace {
  /** Which. @example pending.spaceId */
  spaceId: string;
  /** How many messages, edits and deletions wait, of whoever wrote them in this browser; those that failed do not. @example pending.count */
  count: number;
}

/**
 * The rooms of a Worker in which something waits in this browser to be sent, of every user of it. Where nothing outlives the page,
 * none.
 *
 * @param workerUrl Default: the environment's, as for {@link client}.
 * @throws {ChatError} `invalidArgument` with the `field`; `persistenceLost` when the browser's storage failed, or does not answer.
 * @example
 * for (const { spaceId, count } of await pendingSpaces()) console.log(`${count} wait in ${spaceId}`);
 */
export function pendingSpaces(workerUrl?: string): Promise<PendingSpace[]>;

/**
 * Which space, with which token, on which Worker.
 *
 * @example
 * const config: SpaceClientConfig = { spaceId: 'support-7', spaceToken, workerUrl: 'https://chat.example.com' };
 */
export interface SpaceClientConfig {
  /** Name of the space: 1 to 200 bytes in UTF-8 without control characters. @example 'support-7' */
  spaceId: string;
  /**
   * The token that your server made with {@link generateToken}, or a function that fetches one (asked before the
   * token expires, and for up to 30 s when it is refused). Calls that need it are refused with `invalidArgument` without.
   *
   * @example spaceToken: async () => (await fetch('/api/chat/token')).text()
   */
  spaceToken?: string | TokenSource | undefined;
  /**
   * Who uses the client, by the id that its tokens name: for as long as a token function can not be reached. What is written then is
   * this user's from the first moment, is sent as nobody else, and what they left is shown at once, also after a reload without a
   * network. A client is that of a place and a user: for another user make another one, as the hooks do. A token that names another user
   * is not used: a function is asked again, a text given to `setToken()` changes nothing while there is a connection, and where there is
   * none, calls fail with `invalidArgument`, field `userId`. Where tokens name nobody it keeps people apart who share a browser, and is the
   * sender of what says none. Without it, what is written before a token came is of whoever is known first, and asks
   * before it is sent once the view is gone (`ownerUnknown`).
   *
   * @example userId: user.id
   */
  userId?: string | undefined;
  /**
   * Gives a token for any room of this Worker, as `spaceToken` does for this one; nothing for a room that is not to be
   * looked after, of which the console tells once where something waits there. With it, messages that wait in rooms which
   * were left are sent while the page is online: over HTTP, so that nobody sees somebody come and go. The newest is asked,
   * that of the last client also after it was closed, until no room of the Worker is open and nothing waits that it gives a
   * token for: after a sign-out it is to give nothing. Without it they wait until their room is opened again.
   * {@link pendingSpaces} lists them.
   *
   * @example tokenFor: async (spaceId) => (await fetch(`/api/chat/token?space=${encodeURIComponent(spaceId)}`)).text()
   */
  tokenFor?:
    | ((spaceId: string) => string | null | undefined | Promise<string | null | undefined>)
    | undefined;
  /**
   * The key that signs tokens. It is sent to nobody, unless {@link SpaceClientConfig.legacyWorker} says that the worker is
   * one of the TypeScript SDK, which asks for it; it is never read from the environment. Keep it on the server: in a browser
   * a warning says so, once.
   *
   * @example gatewayKey: undefined
   */
  gatewayKey?: string | undefined;
  /**
   * Whether the worker at `workerUrl` was deployed from the TypeScript SDK. It is spoken to by its own HTTP endpoints, with
   * `gatewayKey`, which has to be given then; see {@link KuratchiSpaceClient.transport}. A worker of this package that takes
   * its place is noticed by its answer, and from then on the key goes nowhere.
   *
   * @defaultValue false
   * @example legacyWorker: true
   */
  legacyWorker?: boolean | undefined;
  /**
   * Address of the Worker: absolute, http(s) or ws(s); path and query are kept.
   *
   * @defaultValue the environment variable `KURATCHI_SPACES_WORKER_URL`
   * @example 'https://chat.example.com'
   */
  workerUrl?: string | undefined;
  /**
   * The order of {@link KuratchiSpaceClient.getMessages} where a call does not name one: `'asc'` is oldest first.
   *
   * @defaultValue 'asc'
   * @example order: 'desc'
   */
  order?: 'asc' | 'desc' | undefined;
  /**
   * The WebSocket class to use where there is none built in (Node before 22).
   *
   * @defaultValue the environment's own
   * @example webSocket: (await import('ws')).WebSocket
   */
  webSocket?: (new (url: string, protocols?: string | string[]) => object) | undefined;
  /**
   * The WebAssembly file `kuratchi-spaces/client.wasm`, where the package can not find it by itself: its URL, its
   * bytes, or the compiled module. One instance serves all clients of a page; the first one says where it is from.
   *
   * @defaultValue beside the package's JavaScript
   * @example
   * import wasm from 'kuratchi-spaces/client.wasm?url'; // with Vite
   * client({ spaceId, spaceToken, wasm });
   */
  wasm?: string | URL | WebAssembly.Module | ArrayBuffer | ArrayBufferView | undefined;
}

/**
 * The config of {@link client}.
 *
 * @example
 * const options: ClientOptions = { spaceId: 'support-7', spaceToken, onMessage: (message) => add(message) };
 */
export interface ClientOptions extends SpaceClientConfig, SpaceEventHandlers {}

/**
 * How long to wait for a connection. The client goes on trying when the waiting ends.
 *
 * @example
 * await client.connect({ timeoutMs: 5_000 });
 */
export interface ConnectOptions {
  /** Milliseconds, above 0 and up to 2,147,483,647. @defaultValue no limit @example timeoutMs: 5_000 */
  timeoutMs?: number | undefined;
  /** Ends the waiting when it is aborted. @example signal: AbortSignal.any([leaving, closing]) */
  signal?: AbortSignal | undefined;
}

/**
 * How far what waits in the outbox reaches: `'browser'`, it outlives the tab, and another tab sends it; `'tab'`, it
 * outlives a reload (pages over plain http have no Web Locks; a tab that was duplicated may send the same entries, and
 * the server stores each once); `'memory'`, it is lost with the page (there is no
 * IndexedDB, or it failed).
 *
 * @example
 * const warns = (persistence: Persistence) => persistence === 'memory';
 */
export type Persistence = 'browser' | 'tab' | 'memory';

/**
 * What a chat view shows. Frozen; the same object, and the same arrays in it, until something changes.
 *
 * @example
 * const { messages, typing } = client.getSnapshot();
 */
export interface SpaceSnapshot {
  /** What the connection is doing. @example snapshot.state === 'reconnecting' */
  readonly state: ConnectionState;
  /** Whether `state` is `'connected'`. @example snapshot.connected */
  readonly connected: boolean;
  /** What carries messages; `undefined` while not connected. @example snapshot.transport === 'polling' */
  readonly transport: Transport | undefined;
  /** Milliseconds until the next attempt, counted from the change. @example snapshot.retryInMs */
  readonly retryInMs: number | undefined;
  /** When that is: milliseconds since 1970. @example snapshot.retryAt */
  readonly retryAt: number | undefined;
  /** How far what waits in the outbox reaches. @example snapshot.persistence === 'memory' */
  readonly persistence: Persistence;
  /**
   * Live messages and all pages loaded so far, oldest first, each once, from the first call of `subscribe`, `getSnapshot` or
   * `loadOlder` on; the newest 100,000, and of those the newest 64 MiB, with two bytes a character and 512 a message. Then
   * one's own that are on their way or failed, in the order of sending. A message that nothing happens to stays the same
   * object.
   *
   * @example snapshot.messages.length
   */
  readonly messages: readonly ShownMessage[];
  /**
   * Whether the newest messages were loaded by {@link KuratchiSpaceClient.loadOlder}: with no messages in the list,
   * the difference between "loading" and "nobody has written yet".
   *
   * @example snapshot.isLoaded && snapshot.messages.length === 0
   */
  readonly isLoaded: boolean;
  /**
   * Whether there may be messages before the oldest in `messages`: `true` until a page shows the beginning, and again
   * when the oldest were dropped.
   *
   * @example if (snapshot.hasOlder) offer('Show earlier messages')
   */
  readonly hasOlder: boolean;
  /** Whether {@link KuratchiSpaceClient.loadOlder} is at work. @example snapshot.isLoadingOlder */
  readonly isLoadingOlder: boolean;
  /** Ids of those who type. @example snapshot.typing.join(', ') */
  readonly typing: readonly string[];
  /** Who is here. @example snapshot.presence.length */
  readonly presence: readonly PresentUser[];
  /** Why there is no connection: the latest error; none while connected. @example snapshot.error?.message */
  readonly error: ChatError | undefined;
}

/**
 * A client of one space. Make one with {@link client}; it does nothing until it is asked to.
 *
 * All methods are legal at any time, out of callbacks too. In Vue hold it with `shallowRef` or `markRaw`.
 *
 * @example
 * const space = new KuratchiSpaceClient({ spaceId: 'support-7', spaceToken, workerUrl });
 */
// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: the one method that merging adds is there.
export class KuratchiSpaceClient {
  /**
   * @param config Which space, with which token, on which Worker, and who hears of what.
   * @throws {ChatError} `invalidArgument`, with the `field`.
   * @example
   * const space = new KuratchiSpaceClient({ spaceId: 'support-7', spaceToken, workerUrl });
   */
  constructor(config: ClientOptions);

  /**
   * Connects, and stays connected through every loss until {@link disconnect}.
   *
   * Resolves when the space has accepted the client; waits through transient failures. A second call returns the
   * first's promise, and makes the next attempt at once if that is waited for. A `disconnect()` meanwhile rejects it without being
   * an unhandled rejection in a page; a `connect()` after that begins once the attempt that was left has ended, 15 s at most:
   * browsers break where a socket is closed while it opens.
   *
   * @param options How long to wait. When the waiting ends, the client goes on trying.
   * @throws {ChatError} What the space refuses for good: `tokenExpired`, `tokenInvalid`, `spaceMismatch`,
   *   `identityRequired`, `originRefused` … ; `closed`, `timeout`, `aborted`, `tokenUnavailable`, `webSocketUnavailable`,
   *   `wasmUnavailable`, `invalidArgument`, `internal`.
   * @example
   * await client.connect({ timeoutMs: 10_000 });
   */
  connect(options?: ConnectOptions): Promise<void>;

  /**
   * Disconnects at once, and stays so. Does nothing where there is nothing to end. `connect()` may follow, and resumes:
   * for that the client keeps its memory, which {@link close} gives back.
   *
   * A page that goes needs neither: its connection ends with it, and what waits is kept. Do not call it on `beforeunload`:
   * a link to `mailto:`, a download or a dialog that is cancelled fires that as well, and leaves the page there.
   *
   * Without `userId`, who uses the client is not known from then on, where `spaceToken` is a function: that is asked by the next `connect()`, and
   * what is written meanwhile is of whoever it names. To a sign-out belongs {@link clearLocal}.
   *
   * @example
   * signOutButton.onclick = () => client.clearLocal().catch(console.error).finally(() => client.disconnect());
   */
  disconnect(): void;

  /**
   * Gives the client another token of the same user, or another function for one. The connection stays: the new token is shown
   * on it. A client that failed for its token tries again with this one. A token of another user is shown on a new connection,
   * and what waits in the outbox waits for its own sender.
   *
   * A function given as `spaceToken` makes this unnecessary: it is asked in time.
   *
   * @param spaceToken The token, or a function that fetches one.
   * @throws {ChatError} `invalidArgument`; `closed` after {@link close}.
   * @example
   * client.setToken(await (await fetch('/api/chat/token')).text());
   */
  setToken(spaceToken: string | TokenSource): void;

  /**
   * Whether the client is connected right now.
   *
   * @example
   * button.disabled = !client.isConnected();
   */
  isConnected(): boolean;

  /**
   * Sends a message and waits until it is stored, in every state of the connection.
   *
   * @param options The message.
   * @param extra `{ until: 'stored' }`; may stand in `options` as well.
   * @returns The stored message.
   * @throws {ChatError} As the other form; `closed` when `disconnect()` was called meanwhile.
   * @example
   * const { id } = await client.sendMessage({ senderId: 'ada', senderType: 'user', text: 'Hi' }, { until: 'stored' });
   */
  sendMessage(options: SendMessageOptions, extra: { until: 'stored' }): Promise<Message>;
  /**
   * Sends a message and waits until it is stored, in every state of the connection.
   *
   * @param options The message, with `until: 'stored'`.
   * @returns The stored message.
   * @throws {ChatError} As the other form.
   * @example
   * const { id } = await client.sendMessage({ senderId: 'ada', senderType: 'user', text: 'Hi', until: 'stored' });
   */
  sendMessage(options: SendMessageOptions & { until: 'stored' }): Promise<Message>;
  /**
   * Sends a message.
   *
   * Connected: resolves with the stored message. Disconnected: one HTTP request, and the same. Connecting,
   * reconnecting or offline: resolves without a value once the message is safe in the outbox; it is sent when the
   * connection is there, and `onMessage` tells it. A connection that does not answer for 5 s counts as none.
   * {@link persistence} says what safe means.
   *
   * @param options The message.
   * @param extra `{ until: 'stored' }` to wait for the server in every state.
   * @returns The stored message, or nothing when it waits in the outbox.
   * @throws {ChatError} `invalidArgument`, `outboxFull`, `network`, `senderMismatch`, `rateLimited` …; while
   *   disconnected the message starts with `Failed to send message: `, and the response follows, as in the TypeScript SDK.
   * @example
   * await client.sendMessage({ senderId: 'ada', senderType: 'user', text: 'Hello, I need help!' });
   */
  // biome-ignore lint/suspicious/noConfusingVoidType: the documented type, which apps have written down.
  sendMessage(options: SendMessageOptions, extra?: WaitOptions): Promise<Message | void>;

  /**
   * Replaces the text of a stored message and waits until that is stored, in every state of the connection.
   *
   * @param id The message's id.
   * @param options The new text.
   * @param extra `{ until: 'stored' }`; may stand in `options` as well.
   * @returns The message as it is now.
   * @throws {ChatError} As the other form; `closed` when `disconnect()` was called meanwhile.
   * @example
   * const { editedAt } = await client.editMessage(message.id, { text: 'Hello, all' }, { until: 'stored' });
   */
  editMessage(id: string, options: EditMessageOptions, extra: { until: 'stored' }): Promise<Message>;
  /**
   * Replaces the text of a stored message and waits until that is stored, in every state of the connection.
   *
   * @param id The message's id.
   * @param options The new text, with `until: 'stored'`.
   * @returns The message as it is now.
   * @throws {ChatError} As the other form.
   * @example
   * const { editedAt } = await client.editMessage(message.id, { text: 'Hello, all', until: 'stored' });
   */
  editMessage(id: string, options: EditMessageOptions & { until: 'stored' }): Promise<Message>;
  /**
   * Replaces the text of a message: of one's own, or of anybody's with the capability `moderate`. Waits, and resolves, as
   * {@link sendMessage} does; `onMessageUpdate` tells everybody. One's own may still be on its way: what nobody has carried
   * yet leaves with the new text, and an edit of what has no answer yet leaves behind it. Of several edits of one message that
   * wait, the newest leaves, and is what all of them resolve with.
   *
   * @param id The message's id, also that with which one's own is, or was, shown while it waits.
   * @param options The new text.
   * @param extra `{ until: 'stored' }` to wait for the server in every state.
   * @returns The message as it is now, or nothing when the edit waits in the outbox.
   * @throws {ChatError} `notFound` (at once where a deletion of the message is on its way), `senderMismatch`, `invalidArgument`,
   *   `outboxFull`, `network` …; `alreadySent` for a message
   *   that failed and may have been stored all the same: {@link retry} it first; and for one that another tab of the browser
   *   took over while this client had no link. An edit of one that failed waits, with
   *   `until: 'stored'`, until that is tried again or discarded.
   * @example
   * await client.editMessage(message.id, { text: 'Hello, all' });
   */
  // biome-ignore lint/suspicious/noConfusingVoidType: as sendMessage().
  editMessage(id: string, options: EditMessageOptions, extra?: WaitOptions): Promise<Message | void>;

  /**
   * Deletes a stored message and waits until that is stored, in every state of the connection.
   *
   * @param id The message's id.
   * @param extra `{ until: 'stored' }`.
   * @returns What is left of it; nothing where it was one's own that nobody had carried yet, and is no more.
   * @throws {ChatError} As the other form; `closed` when `disconnect()` was called meanwhile.
   * @example
   * const left = await client.deleteMessage(message.id, { until: 'stored' });
   * console.log(left ? `Deleted at ${left.deletedAt}` : 'It had not been sent');
   */
  // biome-ignore lint/suspicious/noConfusingVoidType: as sendMessage().
  deleteMessage(id: string, extra: { until: 'stored' }): Promise<Message | void>;
  /**
   * Deletes a message: one's own, or anybody's with the capability `moderate`. Its text and attachments are gone
   * everywhere; what is left has a `deletedAt`. Waits, and resolves, as {@link sendMessage} does. One's own that nobody has
   * carried yet is taken out of the outbox, as by {@link discard}; the deletion of one that has no answer yet leaves behind it.
   *
   * @param id The message's id, also that with which one's own is, or was, shown while it waits.
   * @param extra `{ until: 'stored' }` to wait for the server in every state.
   * @returns What is left of it, or nothing when the deletion waits in the outbox.
   * @throws {ChatError} As {@link editMessage}.
   * @example
   * await client.deleteMessage(message.id);
   */
  // biome-ignore lint/suspicious/noConfusingVoidType: as sendMessage().
  deleteMessage(id: string, extra?: WaitOptions): Promise<Message | void>;

  /**
   * Sends what failed again, behind all that waits. Waits, and resolves, as {@link sendMessage} does while there is
   * or will be a connection; while disconnected it only queues it for the next {@link connect}, and resolves without
   * a value once it is safe in the outbox.
   *
   * @param id The `clientMessageId` of the message, edit or deletion.
   * @returns The stored message, or nothing when it waits in the outbox.
   * @throws {ChatError} `notFound` when nothing with this id has failed; else what it fails with again.
   * @example
   * if (message.status === 'failed') await client.retry(message.clientMessageId!);
   */
  // biome-ignore lint/suspicious/noConfusingVoidType: as sendMessage().
  retry(id: string): Promise<Message | void>;

  /**
   * Takes what failed, or what has not been sent yet, out of the outbox. After a reload nobody knows whether what
   * waits left already: it is refused like what is on its way, until it failed.
   *
   * @param id The `clientMessageId` of the message, edit or deletion.
   * @throws {ChatError} `alreadySent` when it is on its way, or may be, also from another tab; `notFound` when nothing with
   *   this id waits.
   * @example
   * await client.discard(message.clientMessageId!);
   */
  discard(id: string): Promise<void>;

  /**
   * Deletes all that waits in this browser's outboxes for this space, of whatever user: for signing out. Takes no
   * token. Other tabs that are open still send what they hold: have them closed, or signed out as well.
   *
   * @throws {ChatError} `persistenceLost` when the browser's storage failed to.
   * @example
   * await client.clearLocal();
   */
  clearLocal(): Promise<void>;

  /**
   * How far what waits in the outbox reaches, as far as is known; `'memory'` from the moment on that the browser's
   * storage fails, which `onError` tells with `persistenceLost`.
   *
   * @example
   * hint.hidden = client.persistence !== 'memory'; // 'Keep this page open until everything is sent.'
   */
  readonly persistence: Persistence;

  /**
   * What carries messages; `undefined` while not connected. Anything but `'websocket'` costs requests and delay: see
   * {@link Transport}. The console says so, once a page for each.
   *
   * @example
   * if (client.transport === 'polling') console.info('WebSockets are blocked here');
   */
  readonly transport: Transport | undefined;

  /**
   * Loads a part of the history, in one or several requests.
   *
   * Without `before` while connected, the page ends exactly with the last message that `onMessage` has told: append later
   * messages to it, and everything is shown once and in order. What the page brings that was not told yet is told before it,
   * so that a list of an earlier page is whole as well.
   *
   * A request that is one too many is made again when the server says, for up to 30 s; so are those of all other calls but
   * `setTyping()`.
   *
   * @param options Which part. The newest 50 messages if absent.
   * @returns Oldest first, unless `order` says otherwise.
   * @throws {ChatError} `invalidArgument` with the `field`, `network`, `tokenExpired` …; the message of a refused
   *   request starts with `Failed to get messages: `. `protocol` where unfinished lists grow beyond 32 MiB together, as JSON:
   *   ask for fewer at once. One list that is longer by itself, of the longest texts, is given as far as that goes, more than a
   *   hundred messages: go on with `before`.
   * @example
   * const older = await client.getMessages({ limit: 20, before: messages[0]?.createdAt });
   */
  getMessages(options?: GetMessagesOptions): Promise<Message[]>;

  /**
   * Loads history into {@link SpaceSnapshot.messages}: the newest messages at the first call, which join live ones as
   * {@link getMessages} has it, and then the ones before those. One request is out at a time: a call meanwhile
   * gives the first one's promise. Does nothing once {@link SpaceSnapshot.hasOlder} is `false`, nor while the list
   * holds 100,000 messages or 64 MiB; what is older still can be read with {@link getMessages}.
   *
   * @param options How many.
   * @throws {ChatError} `invalidArgument` with the `field`, and what {@link getMessages} fails with.
   * @example
   * if (list.scrollTop < 200 && client.getSnapshot().hasOlder) await client.loadOlder({ limit: 100 });
   */
  loadOlder(options?: LoadOlderOptions): Promise<void>;

  /**
   * Tells the others that somebody types or stopped. `true` is repeated by itself every 3 s, for a minute after the last call
   * that says so: call it again on each key.
   *
   * @param userId Who: 1 to 128 bytes in UTF-8.
   * @param isTyping Whether they type.
   * @throws {ChatError} `invalidArgument` with the `field`; over HTTP the message starts with
   *   `Failed to update typing status: `.
   * @example
   * input.oninput = () => void client.setTyping('ada', input.value !== '');
   */
  setTyping(userId: string, isTyping: boolean): Promise<void>;

  /**
   * Everybody who has ever been in the space.
   *
   * @throws {ChatError} `network`, `tokenExpired` …; the message of a refused request starts with
   *   `Failed to get participants: `. `protocol` where unfinished lists grow beyond 32 MiB together, as JSON.
   * @example
   * const participants = await client.getParticipants();
   */
  getParticipants(): Promise<Participant[]>;

  /**
   * What is known of the space as a whole.
   *
   * @throws {ChatError} `network`, `tokenExpired` …; the message of a refused request starts with
   *   `Failed to get metadata: `.
   * @example
   * const { topic = 'No topic' } = await client.getMetadata();
   */
  getMetadata(): Promise<SpaceMetadata>;

  /**
   * Changes metadata: sets the keys given, removes those given as `null`, leaves the others.
   *
   * @param changes New values. At most 64 keys in all, each value at most 4 KiB in UTF-8.
   * @returns All of the metadata afterwards.
   * @throws {ChatError} `capRequired` when the token lacks the capability `metadata`; `invalidArgument`, `network` ….
   * @example
   * await client.setMetadata({ topic: 'Invoices' });
   */
  setMetadata(changes: SpaceMetadataChanges): Promise<SpaceMetadata>;

  /**
   * Listens to one kind of event, beside the callbacks of the config. Legal during an event too.
   *
   * @param event Which.
   * @param listener Called each time. What it throws is reported and harms nothing.
   * @returns Ends the listening; calling it twice does no harm.
   * @throws {ChatError} `invalidArgument` for an event that there is not; `closed` after {@link close}.
   * @example
   * const stop = client.on('presence', (users) => console.log(users.length));
   * stop();
   */
  on<Event extends keyof SpaceEvents>(
    event: Event,
    listener: (...values: SpaceEvents[Event]) => void,
  ): () => void;

  /**
   * Calls `listener` after the snapshot changed, once for all changes of a burst. Bound to the client.
   *
   * @returns Ends it; calling it twice does no harm.
   * @example
   * const snapshot = useSyncExternalStore(client.subscribe, client.getSnapshot, client.getServerSnapshot);
   */
  readonly subscribe: (listener: () => void) => () => void;
  /**
   * What a chat view shows right now. The same object until something changes. Bound to the client.
   *
   * @example
   * const { messages } = client.getSnapshot();
   */
  readonly getSnapshot: () => SpaceSnapshot;
  /**
   * What a server renders: the constant snapshot of a client that has done nothing. Bound to the client.
   *
   * @example
   * const snapshot = useSyncExternalStore(client.subscribe, client.getSnapshot, client.getServerSnapshot);
   */
  readonly getServerSnapshot: () => SpaceSnapshot;

  /**
   * Disconnects and gives everything back. Later calls fail with `closed`; calling it twice does no harm. `using` calls it.
   * What waits to be sent is left to the room's next client, as far as {@link persistence} reaches: calls that sent it resolve
   * without a value, as by `disconnect()`. In servers, and after `persistenceLost`, nobody has it: they fail with `closed`, and it
   * may have been stored all the same.
   *
   * @example
   * client.close();
   */
  close(): void;
}

declare global {
  // Merges with TypeScript's own declaration where the app's `lib` has it. Without that, `Symbol.dispose` is no known name, and
  // a method called so would be an error in every app that checks declaration files.
  interface Disposable {}

  // Likewise, for programs of servers, whose `lib` does without `dom`.
  namespace WebAssembly {
    interface Module {}
  }
}

/**
 * `using` closes a client as {@link KuratchiSpaceClient.close} does, in projects whose `lib` has `esnext.disposable`.
 *
 * @example
 * using client = spaces.client({ spaceId: 'support-7', spaceToken, workerUrl });
 */
export interface KuratchiSpaceClient extends Disposable {}

/**
 * Makes a client. Nothing is loaded, sent or connected yet.
 *
 * @param config Which space, with which token, on which Worker, and who hears of what.
 * @throws {ChatError} `invalidArgument`, with the `field`: a value is not as expected, or there is no `workerUrl`
 *   (`workerUrl is required or set KURATCHI_SPACES_WORKER_URL`).
 * @example
 * const space = client({ spaceId: 'support-7', spaceToken, workerUrl, onMessage: (message) => add(message) });
 * await space.connect();
 */
export function client(config: ClientOptions): KuratchiSpaceClient;
