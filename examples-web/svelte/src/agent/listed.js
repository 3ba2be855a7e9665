/** What the desk's own space says of conversations. Pure. */

const ENTRY_PATTERN = /^(support-[0-9a-f]{16}) (\d+)$/;

/**
 * The conversations, that of the customer who wrote last first.
 *
 * @param {readonly { text: string }[]} entries
 * @returns {string[]}
 */
export function conversationsOf(entries) {
  const writtenAt = new Map();
  for (const { text } of entries) {
    const [, spaceId, at] = ENTRY_PATTERN.exec(text) ?? [];
    if (spaceId !== undefined) writtenAt.set(spaceId, Math.max(Number(at), writtenAt.get(spaceId) ?? 0));
  }
  return [...writtenAt].sort(([, one], [, other]) => other - one).map(([spaceId]) => spaceId);
}
