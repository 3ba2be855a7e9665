/**
 * What a list asks of the rows of the store: which is which, and what was sent from here.
 *
 * Owns nothing; pure. Must not know how a list is shown.
 */

/** The same for a message before and after it is stored, though not while it is changed: for rows, not for state. */
export function keyOf({ id, key }) {
  return key ?? id;
}

/** Whether it is one's own and not stored yet. */
export function isWaiting({ id, clientMessageId }) {
  return id === clientMessageId;
}

/** Whether the last one was written, or is tried again: one that has failed may come to stand last without that. */
export function hasSent(messages, before) {
  const last = messages.at(-1);
  if (!last || !isWaiting(last)) return false;
  const known = before.find((message) => keyOf(message) === keyOf(last));
  return !known || (known.status === 'failed' && last.status !== 'failed');
}
