/**
 * Message texts that carry a number, and the number read back from a text.
 *
 * Runs in Node and in the test page. A key is one integer, so that a reader of a hundred thousand messages keeps
 * numbers and not texts.
 */

/** Keys of one sender are `sender * KEYS_PER_SENDER` and above. */
export const KEYS_PER_SENDER = 1_000_000;

/**
 * The text with this key, filled up to a length.
 *
 * @param {number} sender Number of the sender, 1 to 9,999.
 * @param {number} index Number of the message, 0 to 999,999.
 * @param {number} [bytes] Length of the text. Default: as short as possible.
 */
export function textOf(sender, index, bytes = 0) {
  return `${sender}/${index}/`.padEnd(bytes, 'x');
}

/**
 * The key of a text that `textOf` made, or `undefined` for any other text.
 *
 * @param {string} text
 * @returns {number | undefined}
 */
export function keyOf(text) {
  const parts = /^(\d{1,4})\/(\d{1,6})\//.exec(text);
  return parts ? keyFor(Number(parts[1]), Number(parts[2])) : undefined;
}

/** The key of a sender's message. */
export function keyFor(sender, index) {
  return sender * KEYS_PER_SENDER + index;
}

/** The last message of a room: whoever received it has nothing more to expect. */
export const END_TEXT = textOf(9_999, 0);
export const END = keyFor(9_999, 0);

/** The sender of a key. */
export function senderOf(key) {
  return Math.floor(key / KEYS_PER_SENDER);
}

/** The keys of a sender's first `count` messages. */
export function keysOf(sender, count) {
  return Array.from({ length: count }, (_, index) => keyFor(sender, index));
}
