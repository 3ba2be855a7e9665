/**
 * What the pages remember between visits.
 *
 * Owns the storage keys. Storage may be refused (private windows, settings); then nothing is remembered.
 */
const PREFIX = 'support.';

/** @param {'isOpen' | 'hasStarted' | string} key */
export function remembered(key) {
  try {
    return JSON.parse(localStorage.getItem(PREFIX + key)) ?? undefined;
  } catch {
    return undefined;
  }
}

export function remember(key, value) {
  try {
    localStorage.setItem(PREFIX + key, JSON.stringify(value));
  } catch {
    // Refused or full: the next visit starts from scratch, which is all there is to lose.
  }
}
