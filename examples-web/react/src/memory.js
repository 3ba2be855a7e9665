/**
 * What the page remembers between visits: the name, the team, whether this tab is inside, how far the reader has read,
 * and what they were writing.
 *
 * Owns the storage keys. Storage may be refused (private windows, settings); then nothing is remembered.
 */
const VISIT = 'team-room.visit';
const INSIDE = 'team-room.inside';
const READ = 'team-room.read';
const DRAFT = 'team-room.draft';

const STORES = { tab: 'sessionStorage', browser: 'localStorage' };

/** The last visit of this tab, or else of this browser; a team in the address counts before both. */
export function rememberedVisit() {
  const { name = '', team = 'Lighthouse' } = read('tab', VISIT) ?? read('browser', VISIT) ?? {};
  const invited = new URLSearchParams(location.search).get('team');
  return { name, team: invited ?? team, isInside: read('tab', INSIDE) === true };
}

/** Remembers a visit: for this tab, so that two tabs can be two people, and for the next tab. */
export function rememberVisit(visit) {
  write('tab', VISIT, visit);
  write('browser', VISIT, visit);
  write('tab', INSIDE, true);
}

/** This tab is left. */
export function forgetVisit() {
  write('tab', INSIDE, false);
}

/** How far this person has read, by room: when the last message that they saw was stored. */
export function rememberedMarks({ userId, team }) {
  return read('browser', `${READ} ${team} ${userId}`) ?? {};
}

export function rememberMarks({ userId, team }, marks) {
  write('browser', `${READ} ${team} ${userId}`, marks);
}

/** What this person was writing in this space. One's draft is not another's to see. */
export function rememberedDraft({ userId, spaceId }) {
  return read('tab', `${DRAFT} ${spaceId} ${userId}`) ?? '';
}

export function rememberDraft({ userId, spaceId }, text) {
  write('tab', `${DRAFT} ${spaceId} ${userId}`, text);
}

function read(store, key) {
  try {
    return JSON.parse(globalThis[STORES[store]].getItem(key)) ?? undefined;
  } catch {
    return undefined;
  }
}

function write(store, key, value) {
  try {
    globalThis[STORES[store]].setItem(key, JSON.stringify(value));
  } catch {
    // Refused or full: the next visit starts from scratch, which is all there is to lose.
  }
}
