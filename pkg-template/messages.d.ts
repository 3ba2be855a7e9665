/** Messages: as they are stored, sent, changed and asked for. */

import type { ChatError } from './errors.js';

/**
 * On whose behalf a message speaks. `'system'` is the application itself; it takes the capability `system` or
 * the gateway key. `'support'` takes a token with the role `'agent'`, or the gateway key.
 *
 * @example
 * const senderType: SenderType = 'support';
 */
export type SenderType = 'user' | 'support' | 'system';

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
  /** Files it points to; absent or empty when there are none. @example message.attachments?.length ?? 0 */
  attachments?: Attachment[];
  /** When it was stored: milliseconds since 1970. Never decreases from message to message. @example new Date(message.createdAt) */
  createdAt: number;
  /** When it was last changed: milliseconds since 1970. Rises with each change. @example message.updatedAt > message.createdAt */
  updatedAt: number;
  /** When its text was last replaced: milliseconds since 1970; absent if never. @example if (message.editedAt) mark('edited') */
  editedAt?: number;
  /**
   * When it was deleted: milliseconds since 1970; absent if it was not. What is left has an empty text and no
   * attachments.
   *
   * @example if (message.deletedAt) show('This message was deleted')
   */
  deletedAt?: number;
  /**
   * Its place in the space's log, rising by the order of storing. Absent on servers other than ours.
   *
   * @example messages.sort((a, b) => (a.seq ?? 0) - (b.seq ?? 0))
   */
  seq?: number;
  /** Whether a token proved `senderId`, or the gateway key that the house speaks. Absent on servers other than ours. @example if (!message.verified) warn() */
  verified?: boolean;
}

/**
 * How far a message, an edit or a deletion of one's own is: `'pending'` while it waits or is on its way, `'sent'`
 * when it is stored, `'failed'` when it was refused for good or has waited for too long.
 *
 * @example
 * const word: Record<MessageStatus, string> = { pending: 'sending', sent: 'sent', failed: 'not sent' };
 */
export type MessageStatus = 'pending' | 'sent' | 'failed';

/**
 * A message as a view shows it: a stored one, or one of one's own that is on its way.
 *
 * @example
 * const isMine = ({ senderId }: ShownMessage) => senderId === me || senderId === ''; // '': not known yet, and one's own
 */
export interface ShownMessage extends Message {
  /**
   * How far it is; absent for stored messages that did not leave from here. A stored message whose edit or deletion is
   * on its way is `'pending'` with its new text, and `'failed'` with its old one when that was refused: whoever sent
   * it.
   *
   * @example if (message.status === 'failed') offer('Try again')
   */
  status?: MessageStatus;
  /**
   * The sender's own id of what is on its way, for `retry()` and `discard()`: of the message, and then of the latest
   * edit or deletion of it.
   *
   * @example if (message.clientMessageId) client.retry(message.clientMessageId).catch(show)
   */
  clientMessageId?: string;
  /**
   * The key of its row in a list, where that is not `id`: a message of one's own gets another id when it is stored, and
   * keeps its row.
   *
   * @example const key = message.key ?? message.id
   */
  key?: string;
  /** Why it failed. @example message.error?.message */
  error?: ChatError;
}

/**
 * What became of a message: one's own on its way to the space, or anybody's that was edited or deleted.
 *
 * Until a message of one's own is stored its `id` is its `clientMessageId`, and its times are those of writing it.
 *
 * @example
 * const apply = (update: MessageUpdate) => messages.map((message) => (message.id === update.id ? update : message));
 */
export interface MessageUpdate extends Message {
  /** How far it is. @example update.status === 'failed' */
  status: MessageStatus;
  /** The sender's own id of what was on its way; absent for changes by others. @example if (update.clientMessageId) client.retry(update.clientMessageId).catch(show) */
  clientMessageId?: string;
  /** Why it failed. @example update.error?.code === 'senderMismatch' */
  error?: ChatError;
  /**
   * The message that was shown as on its way is no more: it was discarded, cleared, or sent by another tab, whose
   * message `onMessage` tells.
   *
   * @example if (update.dropped) remove(update.id)
   */
  dropped?: true;
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
  attachments?: readonly Attachment[] | null | undefined;
  /** `'stored'`: the promise waits for the server in every state of the connection. @example until: 'stored' */
  until?: 'stored' | undefined;
}

/**
 * What a call waits for.
 *
 * @example
 * await client.deleteMessage(message.id, { until: 'stored' });
 */
export interface WaitOptions {
  /** `'stored'`: the promise waits for the server in every state of the connection. @example until: 'stored' */
  until?: 'stored' | undefined;
}

/**
 * A stored message's new text.
 *
 * @example
 * const options: EditMessageOptions = { text: 'Hello, all' };
 */
export interface EditMessageOptions {
  /**
   * What it says from now on: 1 byte to 16 KiB in UTF-8; may be empty where the message has attachments, which stay.
   *
   * @example 'Hello, all'
   */
  text: string;
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
  /**
   * How many messages: 1 to 1,000. A page is longer where its first message shares its millisecond with others: by 199 at most,
   * and mostly by none. The newest page is longer where messages were told while it was on its way, so that the two join: by
   * much, while the client catches up after a time without a connection.
   *
   * @defaultValue 50
   * @example limit: 20
   */
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
 * How much of the history to load into the store.
 *
 * @example
 * const more: LoadOlderOptions = { limit: 100 };
 */
export interface LoadOlderOptions {
  /**
   * How many messages: 1 to 1,000. One or a few more or less come, where others share a millisecond or are there
   * already.
   *
   * @defaultValue 50
   * @example limit: 100
   */
  limit?: number | undefined;
}
