/**
 * What a gateway key should look like.
 *
 * Owns the rules that deployment and the command line share. Must not know where a key comes from.
 */

/** Shorter ones can be guessed. */
export const KEY_CHARS_MIN = 32;

/** Whether blanks, line breaks or quotes stand around a key: they came along by mistake, and would be part of it. */
export function isWrapped(key) {
  return key !== key.trim() || /^(["'`]).*\1$/s.test(key);
}
