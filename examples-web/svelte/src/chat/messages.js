/** What the views ask of a message. Pure. */
import { isWaiting } from '../../../shared/rows.js';
import { areBySame, isSameDay, nameInUserId } from '../../../shared/words.js';

export { hasSent, isWaiting, keyOf } from '../../../shared/rows.js';

/** Messages of one sender within this time stand together. */
const TOGETHER_MS = 5 * 60_000;

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
