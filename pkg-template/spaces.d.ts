/**
 * Realtime chat rooms ("spaces") on Cloudflare: the client, and what a server needs to let people in.
 *
 * Importing does nothing. The WebAssembly part is loaded by the first call of a client that needs it.
 *
 * @packageDocumentation
 */

/**
 * On whose behalf a message speaks. `'system'` is the application itself; it takes the capability `system` or
 * the gateway key.
 *
 * @example
 * const senderType: SenderType = 'support';
 */
export type SenderType = 'user' | 'support' | 'system';

/**
 * What somebody is in a space: `'agent'` answers on the owner's behalf, everybody else is `'customer'`.
 *
 * @example
 * const role: Role = 'agent';
 */
export type Role = 'customer' | 'agent';

/**
 * A file that a message points to. The space stores the pointer, never the file. At most 20 a message.
 *
 * @example
 * const attachment: Attachment = {
 *   id: 'f1', url: '/files/f1', filename: 'plan.pdf', contentType: 'application/pdf', size: 48_213,
 * };
 */
export interface Attachment {
  /** The app's own id of the file: 1 to 128 bytes in UTF-8. @example 'f1' */
  id: string;
  /** Where it is: http, https or relative, at most 2 KiB. @example '/files/f1' */
  url: string;
  /** Name to show: 1 to 255 bytes in UTF-8. @example 'plan.pdf' */
  filename: string;
  /** Media type, at most 255 bytes. @example 'application/pdf' */
  contentType: string;
  /** Size of the file in bytes: a whole number, 0 or more. @example 48_213 */
  size: number;
}

/**
 * A stored message.
 *
 * @example
 * const show = (message: Message) => `${message.senderId}: ${message.text}`;
 */
export interface Message {
  /** The server's id of it; opaque. @example messages.find((message) => message.id === id) */
  id: string;
  /** Who sent it. @example message.senderId === me */
  senderId: string;
  /** On whose behalf. @example message.senderType === 'support' */
  senderType: SenderType;
  /** What it says: at most 16 KiB in UTF-8; empty only beside attachments. @example item.textContent = message.text */
  text: string;
  /** Files it points to; absent when there are none. @example message.attachments?.length ?? 0 */
  attachments?: Attachment[];
  /** When it was stored: milliseconds since 1970. Never decreases from message to message. @example new Date(message.createdAt) */
  createdAt: number;
  /** When it was last changed: milliseconds since 1970. @example message.updatedAt > message.createdAt */
  updatedAt: number;
  /**
   * Its place in the space's log, rising by the order of storing. Absent on servers other than ours.
   *
   * @example messages.sort((a, b) => (a.seq ?? 0) - (b.seq ?? 0))
   */
  seq?: number;
  /** Whether a token proved `senderId`. Absent on servers other than ours. @example if (!message.verified) warn() */
  verified?: boolean;
}

/**
 * Somebody who has been in the space.
 *
 * @example
 * const agents = (await client.getParticipants()).filter((participant) => participant.role === 'agent');
 */
export interface Participant {
  /** Their id. @example participant.userId === me */
  userId: string;
  /** What they are here. @example participant.role === 'agent' */
  role: Role;
  /** When they were first known: milliseconds since 1970. @example new Date(participant.joinedAt) */
  joinedAt: number;
  /** Whether a token ever proved the id. Absent on servers other than ours. @example participant.verified === true */
  verified?: boolean;
}

/**
 * Somebody who is connected right now. Only people whom their token names are counted.
 *
 * @example
 * client.on('presence', (users) => console.log(users.map((user) => user.name ?? user.userId)));
 */
export interface PresentUser {
  /** Their id. @example user.userId === me */
  userId: string;
  /** Their name, if the token gives one. @example user.name ?? user.userId */
  name?: string;
  /** What they are here. @example user.role === 'agent' */
  role: Role;
}

/**
 * When somebody was last seen typing; for apps that keep such a list themselves.
 *
 * @example
 * const status: TypingStatus = { userId: 'ada', lastTypedAt: Date.now() };
 */
export interface TypingStatus {
  /** Who. @example 'ada' */
  userId: string;
  /** When: milliseconds since 1970. @example Date.now() */
  lastTypedAt: number;
}

/**
 * What is known of a space as a whole: at most 64 keys of 1 to 128 bytes, each value at most 4 KiB in UTF-8.
 *
 * @example
 * const { topic } = await client.getMetadata();
 */
export interface SpaceMetadata {
  [key: string]: string;
}

/**
 * Changes of metadata: new values, and `null` for keys to remove.
 *
 * @example
 * await client.setMetadata({ topic: 'Invoices', oldKey: null });
 */
export interface SpaceMetadataChanges {
  [key: string]: string | null;
}

/**
 * What `connection` a client has: `idle` before `connect()` and after `disconnect()`; `connecting` until the
 * space accepts; `connected`; `reconnecting` after a loss, without end; `failed` when the space refused for good.
 *
 * @example
 * client.on('stateChange', ({ state }) => badge.className = state satisfies ConnectionState);
 */
export type ConnectionState = 'idle' | 'connecting' | 'connected' | 'reconnecting' | 'failed';

/**
 * A change of the connection's state.
 *
 * @example
 * client.on('stateChange', ({ state, retryInMs }) => console.log(state, retryInMs));
 */
export interface StateChange {
  /** The state from now on. @example if (change.state === 'failed') askToSignIn() */
  state: ConnectionState;
  /** Milliseconds until the next attempt, while one is waited for. @example `again in ${change.retryInMs} ms` */
  retryInMs?: number;
  /** Why it is not connected. @example change.reason?.code === 'tokenExpired' */
  reason?: ChatError;
}

/**
 * Why messages may be missing: `gap` (too many to tell one by one), `reset` (the space's log began anew),
 * `unreadable` (what came could not be read).
 *
 * @example
 * client.on('discontinuity', async () => { messages = await client.getMessages(); });
 */
export type DiscontinuityReason = 'gap' | 'reset' | 'unreadable';

/**
 * What can be listened to, with the arguments that listeners get.
 *
 * @example
 * const hear: (...values: SpaceEvents['typing']) => void = (userId, isTyping) => console.log(userId, isTyping);
 */
export interface SpaceEvents {
  /** A message was stored: once for each, one's own included, in the order of the log. @example client.on('message', (message) => add(message)) */
  message: [message: Message];
  /** Somebody types, or stopped. @example client.on('typing', (userId, isTyping) => mark(userId, isTyping)) */
  typing: [userId: string, isTyping: boolean];
  /** Whether the client is connected. @example client.on('connectionChange', (connected) => toggle(connected)) */
  connectionChange: [connected: boolean];
  /** Something went wrong. @example client.on('error', (error) => console.warn(error.code)) */
  error: [error: ChatError];
  /** What the connection is doing. @example client.on('stateChange', ({ state }) => show(state)) */
  stateChange: [change: StateChange];
  /** Who is here, whole, whenever that changes. @example client.on('presence', (users) => list(users)) */
  presence: [users: PresentUser[]];
  /** Somebody is known for the first time. @example client.on('participant', ({ userId }) => greet(userId)) */
  participant: [participant: Participant];
  /** Metadata changed; `null` for removed keys. @example client.on('metadata', (changes) => apply(changes)) */
  metadata: [changes: SpaceMetadataChanges];
  /** Messages may be missing: load the history again. @example client.on('discontinuity', () => reload()) */
  discontinuity: [reason: DiscontinuityReason];
}

/**
 * The callbacks of a config. One that throws is reported as an uncaught exception would be, and harms nothing.
 *
 * @example
 * const handlers: SpaceEventHandlers = { onMessage: (message) => console.log(message.text) };
 */
export interface SpaceEventHandlers {
  /**
   * Called once for each stored message, one's own included, in the order of the log. Messages that a page of
   * `getMessages()` contained are not told again.
   *
   * @example onMessage: (message) => { messages = [...messages, message]; }
   */
  onMessage?: ((message: Message) => void) | undefined;
  /** Called when somebody else starts or stops typing; a stop comes 6 s after the last sign at the latest. @example onTyping: (userId, isTyping) => mark(userId, isTyping) */
  onTyping?: ((userId: string, isTyping: boolean) => void) | undefined;
  /** Called when the client becomes connected, and when it no longer is. @example onConnectionChange: (connected) => toggle(connected) */
  onConnectionChange?: ((connected: boolean) => void) | undefined;
  /** Called when something goes wrong that no call waits for, and when the space refuses for good. @example onError: (error) => console.warn(error.message) */
  onError?: ((error: ChatError) => void) | undefined;
  /** Called when the connection does something else than before. @example onStateChange: ({ state }) => show(state) */
  onStateChange?: ((change: StateChange) => void) | undefined;
  /** Called with everybody who is here, whenever that changes. @example onPresence: (users) => list(users) */
  onPresence?: ((users: PresentUser[]) => void) | undefined;
  /** Called when somebody is known for the first time. @example onParticipant: ({ userId }) => greet(userId) */
  onParticipant?: ((participant: Participant) => void) | undefined;
  /** Called with the changes of metadata. @example onMetadata: (changes) => apply(changes) */
  onMetadata?: ((changes: SpaceMetadataChanges) => void) | undefined;
  /** Called when messages may be missing that can not be told one by one: load the history again. @example onDiscontinuity: () => reload() */
  onDiscontinuity?: ((reason: DiscontinuityReason) => void) | undefined;
}

/**
 * Gives a token when one is needed. `fresh` says that the last one was refused or is about to expire, so that a
 * stored one will not do.
 *
 * @example
 * const spaceToken: TokenSource = async () => (await fetch('/api/chat/token')).text();
 */
export type TokenSource = (request: { fresh: boolean }) => string | Promise<string>;

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
   * token expires, and once when it is refused). Calls that need it are refused with `invalidArgument` without.
   *
   * @example spaceToken: async () => (await fetch('/api/chat/token')).text()
   */
  spaceToken?: string | TokenSource | undefined;
  /**
   * Accepted, so that apps of the TypeScript SDK run unchanged, and never sent. It is the key that signs tokens:
   * keep it on the server. In a browser a warning says so, once; on a server it is not used either.
   *
   * @example gatewayKey: undefined
   */
  gatewayKey?: string | undefined;
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
}

/**
 * The config of {@link client}.
 *
 * @example
 * const options: ClientOptions = { spaceId: 'support-7', spaceToken, onMessage: (message) => add(message) };
 */
export interface ClientOptions extends SpaceClientConfig, SpaceEventHandlers {}

/**
 * All that a page needs to enter a space: what a server's route answers.
 *
 * @example
 * const answer: SpaceInstanceConfig = await fetch('/api/chat/init').then((response) => response.json());
 */
export interface SpaceInstanceConfig {
  /** Name of the space. @example 'support-7' */
  spaceId: string;
  /** The token for it. @example await generateToken('support-7') */
  spaceToken: string;
  /** Not needed by our client, and not to be sent to browsers. @example undefined */
  gatewayKey?: string | undefined;
  /** Address of the Worker. @example 'https://chat.example.com' */
  workerUrl: string;
}

/**
 * What a server needs to open a space for somebody.
 *
 * @example
 * const options: CreateSpaceOptions = { spaceId: 'support-7', gatewayKey, metadata: { topic: 'Invoices' } };
 */
export interface CreateSpaceOptions {
  /** Name of the space. @example 'support-7' */
  spaceId: string;
  /** The key that signs tokens. @example process.env.KURATCHI_GATEWAY_KEY! */
  gatewayKey: string;
  /** Its first metadata. @example { topic: 'Invoices' } */
  metadata?: Record<string, string> | undefined;
}

/**
 * The Cloudflare account that a Worker lives in.
 *
 * @example
 * const config: SpaceConfig = { accountId, apiToken, scriptName: 'kuratchi-spaces' };
 */
export interface SpaceConfig {
  /** The account's workers.dev subdomain. @example 'example' */
  workersSubdomain?: string | undefined;
  /** The account. @example process.env.CLOUDFLARE_ACCOUNT_ID! */
  accountId: string;
  /** A token that may edit Workers there. @example process.env.CLOUDFLARE_API_TOKEN! */
  apiToken: string;
  /** Name of the Worker. @defaultValue 'kuratchi-spaces' @example 'kuratchi-spaces' */
  scriptName?: string | undefined;
}

/**
 * A message to send.
 *
 * @example
 * const options: SendMessageOptions = { senderId: 'ada', senderType: 'user', text: 'Hello' };
 */
export interface SendMessageOptions {
  /** Who sends it: 1 to 128 bytes in UTF-8. May be left out when the token names the user; must not differ then. @example 'ada' */
  senderId?: string | undefined;
  /** On whose behalf. May be left out when the token names the user. @example 'user' */
  senderType?: SenderType | undefined;
  /** What it says: 1 byte to 16 KiB in UTF-8; may be empty beside attachments. @example 'Hello' */
  text: string;
  /** At most 20 files that it points to. @example attachments: [attachment] */
  attachments?: Attachment[] | null | undefined;
  /** `'stored'`: the promise waits for the server in every state of the connection. @example until: 'stored' */
  until?: 'stored' | undefined;
}

/**
 * Which part of the history.
 *
 * @example
 * const older: GetMessagesOptions = { limit: 20, before: messages[0]?.createdAt };
 */
export interface GetMessagesOptions {
  /** How many messages: 1 to 1,000. @defaultValue 50 @example limit: 20 */
  limit?: number | undefined;
  /**
   * Only messages stored strictly before this time, in milliseconds since 1970. A page is made longer than
   * `limit` where it would cut through messages of the same millisecond.
   *
   * @example before: messages[0].createdAt
   */
  before?: number | undefined;
  /** `'asc'` is oldest first. @defaultValue the config's `order` @example order: 'desc' */
  order?: 'asc' | 'desc' | undefined;
}

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
  /** Milliseconds until the next attempt, counted from the change. @example snapshot.retryInMs */
  readonly retryInMs: number | undefined;
  /** Live messages and all pages loaded so far, oldest first, each once; the newest 10,000. @example snapshot.messages.length */
  readonly messages: readonly Message[];
  /** Ids of those who type. @example snapshot.typing.join(', ') */
  readonly typing: readonly string[];
  /** Who is here. @example snapshot.presence.length */
  readonly presence: readonly PresentUser[];
  /** The latest error; none once connected. @example snapshot.error?.message */
  readonly error: ChatError | undefined;
}

/**
 * Every `code` of a {@link ChatError}.
 *
 * The server's: what is wrong with a request, a token or the space. The client's: `closed` (`disconnect()` or
 * `close()` was called meanwhile), `invalidArgument`, `outboxFull`, `webSocketUnavailable`, `tokenUnavailable`
 * (the token function failed), `network`, `connectionLost`, `protocol` (the answer could not be understood),
 * `timeout` and `aborted` (of `connect(options)`), `wasmUnavailable` (the WebAssembly part could not be loaded),
 * `unsupported` (no WebCrypto), `internal` (an error of the server's or the client's own).
 *
 * @example
 * const isOver = (code: ChatErrorCode) => code === 'tokenExpired' || code === 'tokenInvalid';
 */
export type ChatErrorCode =
  | 'badFrame'
  | 'tooLarge'
  | 'unknownType'
  | 'missingField'
  | 'invalidField'
  | 'spaceIdRequired'
  | 'gatewayKeyInvalid'
  | 'tokenMissing'
  | 'tokenInvalid'
  | 'tokenExpired'
  | 'spaceMismatch'
  | 'notAuthenticated'
  | 'identityRequired'
  | 'originRefused'
  | 'senderMismatch'
  | 'capRequired'
  | 'notFound'
  | 'methodNotAllowed'
  | 'conflictingDuplicate'
  | 'rateLimited'
  | 'tooManyConnections'
  | 'spaceFull'
  | 'slowConsumer'
  | 'storageFull'
  | 'internal'
  | 'closed'
  | 'invalidArgument'
  | 'outboxFull'
  | 'webSocketUnavailable'
  | 'tokenUnavailable'
  | 'network'
  | 'connectionLost'
  | 'protocol'
  | 'timeout'
  | 'aborted'
  | 'wasmUnavailable'
  | 'unsupported';

/**
 * Every error of the package.
 *
 * @example
 * try {
 *   await client.connect();
 * } catch (error) {
 *   if (error instanceof ChatError && error.code === 'tokenExpired') location.reload();
 * }
 */
export class ChatError extends Error {
  /**
   * @param message What happened, what was expected, what to do.
   * @param details The other fields.
   * @example
   * throw new ChatError('no such room', { code: 'notFound' });
   */
  constructor(
    message: string,
    details?: {
      code?: ChatErrorCode | undefined;
      retryable?: boolean | undefined;
      field?: string | undefined;
      cause?: unknown;
    },
  );
  /** Always `'ChatError'`. @example error.name === 'ChatError' */
  name: 'ChatError';
  /** What to branch on; the message is for people. @example error.code === 'rateLimited' */
  code: ChatErrorCode;
  /** Whether the same call may succeed later. @example if (error.retryable) offerRetry() */
  retryable: boolean;
  /** The argument or field that is absent or wrong. @example form.elements[error.field ?? ''] */
  field: string | undefined;
  /** The HTTP status, if an answer came. @example error.status === 401 */
  status?: number;
  /** The error underneath. @example console.debug(error.cause) */
  cause?: unknown;
}

/**
 * A client of one space. Make one with {@link client}; it does nothing until it is asked to.
 *
 * All methods are legal at any time, out of callbacks too. In Vue hold it with `shallowRef` or `markRaw`.
 *
 * @example
 * const space = new KuratchiSpaceClient({ spaceId: 'support-7', spaceToken, workerUrl });
 */
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
   * first's promise. A `disconnect()` meanwhile rejects it without being an unhandled rejection in a page.
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
   * Disconnects at once, and stays so. Does nothing where there is nothing to end. `connect()` may follow.
   *
   * @example
   * useEffect(() => () => client.disconnect(), [client]);
   */
  disconnect(): void;

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
   * Connected: resolves with the stored message. Disconnected: one HTTP request, and the same. Connecting or
   * reconnecting: resolves without a value once the message is in the outbox; it is sent when the connection is
   * there, and `onMessage` tells it.
   *
   * @param options The message.
   * @param extra `{ until: 'stored' }` to wait for the server in every state.
   * @returns The stored message, or nothing when it waits in the outbox.
   * @throws {ChatError} `invalidArgument`, `outboxFull`, `network`, `senderMismatch`, `rateLimited` …; over HTTP the
   *   message starts with `Failed to send message: `.
   * @example
   * await client.sendMessage({ senderId: 'ada', senderType: 'user', text: 'Hello, I need help!' });
   */
  // biome-ignore lint/suspicious/noConfusingVoidType: the documented type, which apps have written down.
  sendMessage(options: SendMessageOptions, extra?: { until?: 'stored' | undefined }): Promise<Message | void>;

  /**
   * Loads a part of the history, in one or several requests.
   *
   * Without `before` while connected, the page ends exactly with the last message that `onMessage` has told or
   * would have told: append later messages to it, and everything is shown once and in order.
   *
   * @param options Which part. The newest 50 messages if absent.
   * @returns Oldest first, unless `order` says otherwise.
   * @throws {ChatError} `invalidArgument` with the `field`, `network`, `tokenExpired` …; the message of a refused
   *   request starts with `Failed to get messages: `.
   * @example
   * const older = await client.getMessages({ limit: 20, before: messages[0]?.createdAt });
   */
  getMessages(options?: GetMessagesOptions): Promise<Message[]>;

  /**
   * Tells the others that somebody types or stopped. Repeated by itself every 3 s while `true`.
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
   *   `Failed to get participants: `.
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
   * Disconnects and gives everything back. Later calls fail with `closed`; calling it twice does no harm.
   *
   * @example
   * client.close();
   */
  close(): void;
  /**
   * The same as {@link close}, for `using`.
   *
   * @example
   * using client = spaces.client({ spaceId: 'support-7', spaceToken, workerUrl });
   */
  [Symbol.dispose](): void;
}

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

/**
 * What a token says of its bearer.
 *
 * @example
 * const options: GenerateTokenOptions = { userId: 'ada', name: 'Ada', role: 'customer', expiryMs: 600_000 };
 */
export interface GenerateTokenOptions {
  /**
   * The key that the Worker knows too.
   *
   * @defaultValue the environment variable `KURATCHI_GATEWAY_KEY`, then `KURATCHI_SPACES_GATEWAY_KEY`
   * @example process.env.KURATCHI_GATEWAY_KEY
   */
  gatewayKey?: string | undefined;
  /** How long it is good: milliseconds from now, a whole number from 1 to 315,360,000,000 (10 years). @defaultValue 3_600_000 (1 hour) @example 600_000 */
  expiryMs?: number | undefined;
  /** Who the bearer is: 1 to 128 bytes in UTF-8 without control characters. Nobody in particular if absent. @example 'ada' */
  userId?: string | undefined;
  /** What the bearer is: `'user'` means `'customer'`, `'support'` means `'agent'`. @example 'agent' */
  role?: Role | 'user' | 'support' | undefined;
  /** Name to show to others: 1 to 128 bytes in UTF-8. @example 'Ada' */
  name?: string | undefined;
  /** At most 16 capabilities, each 1 to 32 characters out of `a-z 0-9 : _ -`. @example ['metadata'] */
  caps?: string[] | undefined;
}

/**
 * Makes a token that lets its bearer into one space. For servers.
 *
 * @param spaceId 1 to 200 bytes in UTF-8 without control characters.
 * @param options Who the bearer is, for how long, signed with which key.
 * @throws {ChatError} `invalidArgument`, with the `field`; without any key, the text
 *   `gatewayKey is required or set KURATCHI_SPACES_GATEWAY_KEY`. `unsupported` where there is no WebCrypto.
 * @example
 * const spaceToken = await generateToken('support-7', { userId: 'ada', name: 'Ada' });
 */
export function generateToken(spaceId: string, options?: GenerateTokenOptions): Promise<string>;

/**
 * Makes a token for nobody in particular. For servers.
 *
 * @param spaceId 1 to 200 bytes in UTF-8 without control characters.
 * @param gatewayKey The key that the Worker knows too.
 * @param expiryMs Milliseconds from now: a whole number from 1 to 315,360,000,000 (10 years); 1 hour if absent.
 * @throws {ChatError} `invalidArgument`, with the `field`; `unsupported` where there is no WebCrypto.
 * @example
 * const spaceToken = await generateSpaceToken('support-7', process.env.KURATCHI_GATEWAY_KEY!);
 */
export function generateSpaceToken(spaceId: string, gatewayKey: string, expiryMs?: number): Promise<string>;

/**
 * Whether a token lets its bearer into a space now. Never fails because of the token.
 *
 * @param token What somebody showed.
 * @param spaceId The space that they want to enter.
 * @param gatewayKey The key that the token should be signed with.
 * @throws {ChatError} `invalidArgument` when `spaceId` or `gatewayKey` is not a string; `unsupported` where there
 *   is no WebCrypto.
 * @example
 * if (!(await validateSpaceToken(token, 'support-7', gatewayKey))) return new Response(null, { status: 401 });
 */
export function validateSpaceToken(token: string, spaceId: string, gatewayKey: string): Promise<boolean>;

/**
 * The settings that clients and token minting read from the environment.
 *
 * @example
 * const { workerUrl }: SpacesEnvironmentConfig = getSpacesEnvironment();
 */
export interface SpacesEnvironmentConfig {
  /** `KURATCHI_SPACES_WORKER_URL`, or empty. @example 'https://chat.example.com' */
  workerUrl: string;
  /** `KURATCHI_GATEWAY_KEY`, else `KURATCHI_SPACES_GATEWAY_KEY`, or empty. @example 'a-long-random-text' */
  gatewayKey: string;
}

/**
 * The settings that deployment reads from the environment.
 *
 * @example
 * const { accountId }: EnvironmentConfig = getDoEnvironment();
 */
export interface EnvironmentConfig {
  /** `CLOUDFLARE_ACCOUNT_ID`, or empty. @example '0123456789abcdef' */
  accountId: string;
  /** `CLOUDFLARE_API_TOKEN`, or empty. @example 'a-token' */
  apiToken: string;
  /** `KURATCHI_GATEWAY_KEY`, else `KURATCHI_SPACES_GATEWAY_KEY`, or empty. @example 'a-long-random-text' */
  gatewayKey: string;
  /** `KURATCHI_SPACES_SCRIPT_NAME`. @defaultValue 'kuratchi-spaces' @example 'kuratchi-spaces' */
  scriptName: string;
}

/**
 * What the SDK's `deploy()` takes. Here for apps that name the type; the function itself is not there yet.
 *
 * @example
 * const options: DeployOptions = { scriptName: 'kuratchi-spaces' };
 */
export interface DeployOptions {
  /** Cloudflare's account. @defaultValue `CLOUDFLARE_ACCOUNT_ID` @example '0123456789abcdef' */
  accountId?: string;
  /** A token that may edit Workers. @defaultValue `CLOUDFLARE_API_TOKEN` @example 'a-token' */
  apiToken?: string;
  /** The key that will sign space tokens. @defaultValue `KURATCHI_GATEWAY_KEY` @example 'a-long-random-text' */
  gatewayKey?: string;
  /** Name of the Worker. @defaultValue 'kuratchi-spaces' @example 'team-chat' */
  scriptName?: string;
  /** Whether to say what is being done. @defaultValue false @example true */
  verbose?: boolean;
}

/**
 * What the SDK's `deploy()` gives. Here for apps that name the type; the function itself is not there yet.
 *
 * @example
 * const result: DeployResult = { success: false, error: 'no account' };
 */
export interface DeployResult {
  /** Whether the Worker runs. @example true */
  success: boolean;
  /** Its address. @example 'https://team-chat.acme.workers.dev' */
  workerUrl?: string;
  /** Its name. @example 'team-chat' */
  scriptName?: string;
  /** What went wrong, in words. @example 'no account' */
  error?: string;
}

/**
 * Reads the settings for clients and token minting. In a browser, where there are none, all are empty.
 *
 * @example
 * const { workerUrl } = getSpacesEnvironment();
 */
export function getSpacesEnvironment(): SpacesEnvironmentConfig;

/**
 * Reads the settings for deployment. In a browser, where there are none, all but `scriptName` are empty.
 *
 * @example
 * const { scriptName } = getDoEnvironment();
 */
export function getDoEnvironment(): EnvironmentConfig;

/**
 * Throws unless all settings for clients and token minting are there.
 *
 * @throws {ChatError} `invalidArgument`, naming every setting that is missing.
 * @example
 * validateSpacesEnvironment(getSpacesEnvironment());
 */
export function validateSpacesEnvironment(config: Partial<SpacesEnvironmentConfig>): void;

/**
 * Throws unless all settings for deployment are there.
 *
 * @throws {ChatError} `invalidArgument`, naming every setting that is missing.
 * @example
 * validateDoEnvironment(getDoEnvironment());
 */
export function validateDoEnvironment(config: Partial<EnvironmentConfig>): void;
