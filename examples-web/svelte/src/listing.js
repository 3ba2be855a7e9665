/** Entries of the list of conversations, as the server writes them and the desk reads them. Pure. */

/** So many are kept up to date, and shown. */
export const LISTED_MAX = 1_000;

const ENTRY_PATTERN = /^(support-[0-9a-f]{16}) (\d+)$/;

/** The text of an entry: which conversation, and when its customer wrote last. */
export function entryText(spaceId, at) {
  return `${spaceId} ${at}`;
}

/**
 * What a message of the list says; nothing where it is no entry.
 *
 * @param {{ text: string }} message
 * @returns {{ spaceId: string, at: number } | undefined}
 */
export function readEntry({ text }) {
  const [, spaceId, at] = ENTRY_PATTERN.exec(text) ?? [];
  return spaceId === undefined ? undefined : { spaceId, at: Number(at) };
}

/**
 * The conversations, that of the customer who wrote last first.
 *
 * @param {readonly { text: string }[]} messages
 * @returns {string[]}
 */
export function conversationsOf(messages) {
  const writtenAt = new Map();
  for (const { spaceId, at } of messages.map(readEntry).filter(Boolean)) {
    writtenAt.set(spaceId, Math.max(at, writtenAt.get(spaceId) ?? 0));
  }
  return [...writtenAt].sort(([, one], [, other]) => other - one).map(([spaceId]) => spaceId);
}
