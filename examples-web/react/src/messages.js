/** What the views ask of a message. Pure. */
import { isWaiting } from '../../shared/rows.js';
import { areBySame, isBy, isSameDay } from '../../shared/words.js';

export { hasSent, isWaiting, keyOf } from '../../shared/rows.js';

/** Messages of one sender within this time stand together. */
const TOGETHER_MS = 5 * 60_000;

/** Whether its reader may edit and delete it now. */
export function isChangeable(message, ownId) {
  const isDone = message.status === undefined || message.status === 'sent';
  return isBy(message, ownId) && !isWaiting(message) && isDone && message.deletedAt === undefined;
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
