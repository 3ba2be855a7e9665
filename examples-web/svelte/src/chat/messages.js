/** What the views ask of a message. Pure. */
import { areBySame, isSameDay, nameInUserId } from '../../../shared/words.js';

/** Messages of one sender within this time stand together. */
const TOGETHER_MS = 5 * 60_000;

/** The same for a message before and after it is stored. */
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

/** Whether a day begins with a message. */
export function isNewDay(message, previous) {
  return !previous || !isSameDay(previous.createdAt, message.createdAt);
}

/** Whether a message continues what its sender just said. */
export function isContinued(message, previous) {
  return (
    previous !== undefined &&
    areBySame(previous, message) &&
    message.createdAt - previous.createdAt < TOGETHER_MS &&
    !isNewDay(message, previous)
  );
}

const VISITOR_PATTERN = /^(?:visitor|support)-([0-9a-f]{4})/;

/** What to call somebody, by an id of theirs or of their conversation. */
export function nameOf(id) {
  const visitor = VISITOR_PATTERN.exec(id);
  return visitor ? `Visitor ${visitor[1]}` : nameInUserId(id);
}

/** How many messages of the others came after a moment. */
export function countNew(messages, readUntil, ownType) {
  return messages.filter(({ senderType, createdAt }) => senderType !== ownType && createdAt > readUntil)
    .length;
}

/** When the last stored message was stored. */
export function newestAt(messages) {
  return messages.findLast((message) => !isWaiting(message))?.createdAt ?? 0;
}
