/** What a client tells: the connection's state, and all that can be listened to. */

import type { ChatError } from './errors.js';
import type { Message, MessageUpdate } from './messages.js';
import type { Participant, PresentUser, SpaceMetadataChanges } from './participants.js';

/**
 * What `connection` a client has: `idle` before `connect()` and after `disconnect()`; `connecting` until the
 * space accepts; `connected`; `reconnecting` after a loss, without end; `offline` instead of these two while the
 * browser says that there is no network; `failed` when the space refused for good.
 *
 * @example
 * client.on('stateChange', ({ state }) => badge.className = state satisfies ConnectionState);
 */
export type ConnectionState = 'idle' | 'connecting' | 'connected' | 'reconnecting' | 'offline' | 'failed';

/**
 * What carries messages while a client is connected.
 *
 * - `'websocket'`: a WebSocket, as it should be. A quiet one costs nothing.
 * - `'polling'`: HTTP requests to our Worker, because no WebSocket gets through to it (a proxy, a firewall, an
 *   extension). 360 requests an hour for each open client in a quiet space, up to 3,600 in a busy one; messages come
 *   up to 10 s late. Who types and who is here is not told. A WebSocket is tried again each minute.
 * - `'legacy'`: HTTP requests to a worker of the TypeScript SDK, which costs the same. Editing, deleting and
 *   `setMetadata()` are refused with `unsupported`, and the gateway key is sent to that worker. A message whose request
 *   got no answer is looked for before it is sent again. `npx kuratchi-spaces deploy` puts our Worker in its place; a
 *   client that is connected notices by its next answer.
 *
 * @example
 * const isCostly = (transport: Transport | undefined) => transport === 'polling' || transport === 'legacy';
 */
export type Transport = 'websocket' | 'polling' | 'legacy';

/**
 * A change of the connection's state.
 *
 * @example
 * client.on('stateChange', ({ state, retryInMs }) => console.log(state, retryInMs));
 */
export interface StateChange {
  /** The state from now on. @example if (change.state === 'failed') askToSignIn() */
  state: ConnectionState;
  /** What carries messages from now on; absent while not connected. @example if (change.transport === 'polling') warn() */
  transport?: Transport;
  /** Milliseconds until the next attempt, while one is waited for. @example `again in ${change.retryInMs} ms` */
  retryInMs?: number;
  /** When that is, in milliseconds since 1970, for a countdown. @example Math.ceil(((change.retryAt ?? 0) - Date.now()) / 1_000) */
  retryAt?: number;
  /** Why it is not connected. @example change.reason?.code === 'tokenExpired' */
  reason?: ChatError;
}

/**
 * Why messages may be missing: `gap` (the space no longer keeps the events that were missed), `reset` (the space's log
 * began anew), `unreadable` (what came could not be read).
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
  /** Something became of a message: of one's own on its way, or of anybody's that was edited or deleted. @example client.on('messageUpdate', (update) => apply(update)) */
  messageUpdate: [update: MessageUpdate];
  /** Somebody types, or stopped. @example client.on('typing', (userId, isTyping) => mark(userId, isTyping)) */
  typing: [userId: string, isTyping: boolean];
  /** Whether the client is connected. @example client.on('connectionChange', (connected) => toggle(connected)) */
  connectionChange: [connected: boolean];
  /** Something went wrong. @example client.on('error', (error) => console.warn(error.code)) */
  error: [error: ChatError];
  /** What the connection is doing, or what carries it, changed. @example client.on('stateChange', ({ state }) => show(state)) */
  stateChange: [change: StateChange];
  /** Who is here, whole, whenever that changes. @example client.on('presence', (users) => list(users)) */
  presence: [users: PresentUser[]];
  /** Somebody is known for the first time, or in another role than before. @example client.on('participant', ({ userId }) => greet(userId)) */
  participant: [participant: Participant];
  /** Metadata changed; `null` for removed keys. @example client.on('metadata', (changes) => apply(changes)) */
  metadata: [changes: SpaceMetadataChanges];
  /** Messages may be missing: load the history again. @example client.on('discontinuity', () => reload()) */
  discontinuity: [reason: DiscontinuityReason];
}

/**
 * The callbacks of a config. One that throws is reported as an uncaught exception, and nothing else is harmed. Node ends a process
 * with one, unless it listens to `uncaughtException`: catch what a bot may throw.
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
  /**
   * Called when something becomes of a message: one's own is on its way (`'pending'`), stored (`'sent'`, with the
   * stored message) or refused (`'failed'`); anybody's was edited or deleted (`'sent'`). It may come again for a
   * state that was told before. Messages on their way never reach `onMessage`.
   *
   * An edit or a deletion on its way is told once the message is known here; one that failed always is. Of a message
   * that is not known here, such as after a reload, it tells what the change says: its `id`, `senderId` of who made
   * the change (empty if the token names nobody), `senderType` `'user'`, the new `text` (empty for a deletion), and
   * the time of writing it as both times.
   *
   * @example onMessageUpdate: (update) => { messages = apply(messages, update); }
   */
  onMessageUpdate?: ((update: MessageUpdate) => void) | undefined;
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
  /** Called when somebody is known for the first time, or in another role than before. @example onParticipant: ({ userId }) => greet(userId) */
  onParticipant?: ((participant: Participant) => void) | undefined;
  /** Called with the changes of metadata. @example onMetadata: (changes) => apply(changes) */
  onMetadata?: ((changes: SpaceMetadataChanges) => void) | undefined;
  /**
   * Called when messages may be missing that can not be told one by one: load the history again. The store does so
   * by itself. Where nobody listens, `onError` gets a `discontinuity` instead.
   *
   * @example onDiscontinuity: () => reload()
   */
  onDiscontinuity?: ((reason: DiscontinuityReason) => void) | undefined;
}
