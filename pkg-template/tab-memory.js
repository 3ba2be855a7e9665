/**
 * What a tab remembers over a reload, and ids that nobody guesses.
 *
 * Owns the names in `sessionStorage`, which is the tab's own: a reload keeps it, another tab has another. Storage
 * may be absent or refuse by throwing; then nothing is remembered. Must not know what the ids are for.
 */

const PREFIX = 'kuratchi-spaces';
/** 128 random bits. */
const ID_BYTES = 16;

/** A random id: 32 characters of 0-9 and a-f. */
export function randomId() {
  // Not `crypto.randomUUID()`: pages that are no secure context lack it.
  const bytes = globalThis.crypto.getRandomValues(new Uint8Array(ID_BYTES));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Whether the tab has a memory at all. */
export function canRemember() {
  try {
    return Boolean(globalThis.sessionStorage);
  } catch {
    return false;
  }
}

/**
 * What the tab remembers under a name for one space on one Worker; `undefined` when there is nothing.
 *
 * @param {string} name
 * @param {{ workerUrl: string, spaceId: string }} place
 */
export function recall(name, place) {
  try {
    return globalThis.sessionStorage?.getItem(keyOf(name, place)) ?? undefined;
  } catch {
    return undefined;
  }
}

/** Remembers a value. Gives whether a reload will find it. */
export function remember(name, place, value) {
  try {
    globalThis.sessionStorage.setItem(keyOf(name, place), value);
    return true;
  } catch {
    return false;
  }
}

/**
 * The tab's id under a name: made by the first call, the same ever after. `undefined` where storage is refused.
 */
export function tabId(name, place) {
  const known = recall(name, place);
  if (known) {
    return known;
  }
  const made = randomId();
  return remember(name, place, made) ? made : undefined;
}

function keyOf(name, { workerUrl, spaceId }) {
  return `${PREFIX}:${name}:${JSON.stringify([workerUrl, spaceId])}`;
}
