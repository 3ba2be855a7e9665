/**
 * What the page remembers between visits: the name, the space, whether this tab is inside one, and what was being
 * written there.
 *
 * Owns the storage keys. Storage may be refused (private windows, settings); then nothing is remembered.
 */
const NAME = 'chat.name';
const SPACE = 'chat.space';
const JOINED = 'chat.joined';
const DRAFT = 'chat.draft';

/** The last visit of this tab, or else of this browser; the space in the address counts before both. */
export function rememberedVisit() {
  const fromAddress = new URLSearchParams(location.search).get('space');
  return {
    name: read('sessionStorage', NAME) ?? read('localStorage', NAME) ?? '',
    space: fromAddress ?? read('sessionStorage', SPACE) ?? read('localStorage', SPACE) ?? 'lobby',
  };
}

/** Remembers a visit: for this tab, so that two tabs can be two people, and for the next tab. */
export function rememberVisit({ name, space }) {
  for (const storage of ['sessionStorage', 'localStorage']) {
    write(storage, NAME, name);
    write(storage, SPACE, space);
  }
}

/** Whether this tab was inside a space when it was last loaded. */
export function isJoined() {
  return read('sessionStorage', JOINED) === 'yes';
}

/** Remembers whether this tab is inside a space. */
export function rememberJoined(joined) {
  write('sessionStorage', JOINED, joined ? 'yes' : 'no');
}

/** What this person was writing in this space when the page was left. */
export function rememberedDraft(session) {
  return read('sessionStorage', draftKey(session)) ?? '';
}

/** Remembers what somebody is writing, for this tab alone. */
export function rememberDraft(session, text) {
  write('sessionStorage', draftKey(session), text);
}

/** One's draft is not another's to see. */
function draftKey({ userId, spaceId }) {
  return `${DRAFT} ${userId} ${spaceId}`;
}

function read(storage, key) {
  try {
    return globalThis[storage].getItem(key) ?? undefined;
  } catch {
    return undefined;
  }
}

function write(storage, key, value) {
  try {
    globalThis[storage].setItem(key, value);
  } catch {
    // Refused or full: the next visit starts from scratch, which is all there is to lose.
  }
}
