/**
 * What `onMessageUpdate` is told of the outbox.
 *
 * Owns the shape of a `MessageUpdate`. Must not know who hears it, nor what the list does with the same news.
 */

import { optimistic } from './message-list.js';

/**
 * What news of the outbox say of one message.
 *
 * @param {{ row: object, status: string, message?: object, error?: Error }} news
 * @param {object | undefined} shown What the list shows of the message that is edited or deleted, with the news in.
 * @returns {object | undefined} Undefined for a change of a message that nobody has seen, unless it failed: whoever
 *   made it has to hear that.
 */
export function updateOf({ row, status, message, error }, shown) {
  const clientMessageId = row.id;
  if (row.operation !== 'message' && status === 'sent' && shown?.status === 'pending') {
    // A later change of it is on its way, and was told: nobody falls back to this one.
    return undefined;
  }
  if (status === 'sent' && message) {
    return { ...message, status, clientMessageId };
  }
  if (row.operation !== 'message') {
    if (status === 'dropped' && shown && shown.status !== 'sent' && shown.status !== undefined) {
      // A later one has taken its place, and was told.
      return undefined;
    }
    // A change that was dropped leaves the message as it is stored.
    const told = status === 'dropped' ? 'sent' : status;
    const known = shown ?? (status === 'failed' ? unseen(row) : undefined);
    return known && { ...known, status: told, clientMessageId, ...(error && { error }) };
  }
  if (status === 'pending' || status === 'failed') {
    return optimistic(row, status, error);
  }
  // It is stored and shown elsewhere, or it is no more: the optimistic one goes either way.
  const last = status === 'sent' ? 'sent' : row.failure ? 'failed' : 'pending';
  return { ...optimistic(row, last, error), dropped: true };
}

/** What a change says of a message that is not there. */
function unseen(row) {
  const { messageId: id, text = '' } = row.body;
  return { ...optimistic(row), id, text };
}
