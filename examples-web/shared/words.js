/**
 * What the pages say: states, errors, names and times as text.
 *
 * Owns every sentence that the examples share. Pure: no DOM.
 */

const CONNECTION = {
  idle: 'Not connected',
  connecting: 'Connecting',
  connected: 'Connected',
  reconnecting: 'Reconnecting',
  offline: 'Offline',
  failed: 'Not connected',
};

/**
 * What the header says of the connection.
 *
 * @param {string} state The client's word for what the connection is doing.
 * @param {number} [leftMs] How long until the next attempt, while one is waited for.
 */
export function connectionWords(state, leftMs) {
  const words = CONNECTION[state] ?? state;
  if (state !== 'connecting' && state !== 'reconnecting') return words;
  return leftMs === undefined ? `${words}…` : `${words} in ${Math.ceil(leftMs / 1_000)} s…`;
}

export const OFFLINE_WORDS = 'You are offline. What you send waits here and goes out when you are back.';

/**
 * What a screen reader says of the connection: undefined where what is said stays true, or is said elsewhere.
 *
 * @param {string} state
 */
export function connectionSpeech(state) {
  if (state === 'connected') return 'Connected';
  if (state === 'reconnecting') return 'Connection lost. Reconnecting…';
  return state === 'offline' ? OFFLINE_WORDS : undefined;
}

/**
 * What a message says of itself instead of its time while it is on its way.
 *
 * @param {{ isStored: boolean, isDeleted: boolean, isOffline: boolean }} message Stored messages are on their way
 *   to be changed.
 */
export function progressWords({ isStored, isDeleted, isOffline }) {
  if (isOffline) return 'Waiting…';
  if (!isStored) return 'Sending…';
  return isDeleted ? 'Deleting…' : 'Saving…';
}

const PERSISTENCE = {
  tab: 'Unsent messages wait in this tab only.',
  memory: 'Unsent messages wait in this tab only: keep it open until they are sent.',
};

/** @param {string} persistence How far unsent messages reach, in the client's word; nothing where it is far. */
export function persistenceWords(persistence) {
  return PERSISTENCE[persistence] ?? '';
}

const ERRORS = {
  network: 'The server can not be reached.',
  connectionLost: 'The connection was lost.',
  closed: 'You have left the conversation.',
  tokenExpired: 'Your visit has timed out. Join again to go on.',
  tokenInvalid: 'The server does not accept this visit. Join again.',
  tokenUnavailable: 'The server that lets visitors in can not be reached.',
  tooManyConnections: 'You have this conversation open in too many windows. Close one of them.',
  spaceFull: 'This space is full. Try again later.',
  rateLimited: 'That was a lot in a short time. Wait a moment.',
  senderMismatch: 'The server knows you under another name.',
  capRequired: 'Only who wrote a message may change it.',
  notFound: 'The message is not there any more.',
  outboxExpired: 'It has waited for more than a week.',
  epochChanged: 'The conversation began anew meanwhile.',
  alreadySent: 'It is on its way already.',
  tooLarge: 'That is too long. Send it in parts.',
  storageFull: 'The space can not store any more.',
  quotaExceeded: 'The space can not store any more.',
  outboxFull: 'Too many messages are waiting to be sent.',
  webSocketUnavailable: 'This browser has no WebSocket.',
};

/**
 * A sentence for an error of the client.
 *
 * @param {{ code?: string, field?: string, message?: string } | undefined} error
 */
export function errorWords(error) {
  if (error?.field === 'text') return 'The message is too long: at most 16 KB. Send it in parts.';
  return ERRORS[error?.code] ?? error?.message ?? 'Something went wrong.';
}

/** Why a message is not sent. */
export function notSentWords(error) {
  return `Not sent. ${errorWords(error)}`;
}

/** Why a message is not edited or deleted. */
export function notChangedWords(error) {
  return `Not changed. ${errorWords(error)}`;
}

/** Our server makes user ids of the name and twelve characters that tell namesakes apart. */
const USER_ID_PATTERN = /^(.+)-[0-9a-f]{12}$/su;

/** The name inside a user id, for people who are not here any more. */
export function nameInUserId(userId) {
  return USER_ID_PATTERN.exec(userId)?.[1] ?? userId;
}

/** People in a list; more than one reads, and as many as a page lays out at once. */
const PEOPLE_MAX = 100;
const byName = new Intl.Collator();

/**
 * Who stands in the list of those who are here, in which order, and what it says of the others.
 *
 * @param {{ userId: string, name: string }[]} people
 * @param {string} ownId
 */
export function peopleInList(people, ownId) {
  const isOwn = ({ userId }) => userId === ownId;
  const others = people.filter((person) => !isOwn(person));
  others.sort((a, b) => byName.compare(a.name, b.name));
  const own = people.filter(isOwn);
  const listed = [...own, ...others].slice(0, PEOPLE_MAX);
  const left = people.length - listed.length;
  return { listed, othersWords: left > 0 ? `and ${left} more` : '' };
}

const namesFormat = new Intl.ListFormat('en', { type: 'conjunction' });

/** @param {string[]} names Who is typing. */
export function typingWords(names) {
  if (names.length === 0) return '';
  if (names.length > 3) return 'Several people are typing…';
  return `${namesFormat.format(names.map(isolated))} ${names.length === 1 ? 'is' : 'are'} typing…`;
}

/** Scripts that are written from right to left, and signs that turn the direction. */
const RIGHT_TO_LEFT =
  /[\u0590-\u08ff\u200e\u200f\u202a-\u202e\u2066-\u2069\ufb1d-\ufdff\ufe70-\ufefc\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;

/** A name within a sentence, which it must not turn around: what `<bdi>` is where there are elements. */
function isolated(name) {
  return RIGHT_TO_LEFT.test(name) ? `\u2068${name}\u2069` : name;
}

/** The name of a file, without signs that turn the direction: `exe.gnp` must not pass for a picture. */
export function fileWords(filename) {
  return filename.replace(/[\u202a-\u202e\u2066-\u2069]/g, '');
}

/**
 * Whether a message is by the person with an id, who looks at it. Their token names them: what stands under their id without
 * proof is somebody else's.
 */
export function isBy({ senderId, verified }, ownId) {
  return senderId === ownId && verified !== false;
}

/** Whether two messages are by the same sender, as far as is proven. */
export function areBySame(one, other) {
  return one.senderId === other.senderId && (one.verified === false) === (other.verified === false);
}

/** What stands beside a sender whom no token has proven: anybody could have chosen that name. */
export const UNVERIFIED_WORDS = 'not verified';
export const UNVERIFIED_HINT = 'No token has proven who this is: anybody could have chosen the name.';

/** @param {number} count Messages below the visible ones. */
export function newMessagesWords(count) {
  return count === 1 ? '1 new message' : `${count} new messages`;
}

const timeFormat = new Intl.DateTimeFormat(undefined, { timeStyle: 'short' });
const momentFormat = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'short' });
const dayFormat = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' });
const dayAndYearFormat = new Intl.DateTimeFormat(undefined, { dateStyle: 'long' });

/** Beyond it there are no dates (ECMA-262 §21.4.1.1). */
const TIME_MAX = 8.64e15;

/** The date of a moment; a broken server may tell of one that is none. */
function dateOf(moment) {
  return new Date(Math.abs(moment) <= TIME_MAX ? moment : 0);
}

/** The time of day of a moment given in ms since 1970. */
export function timeWords(moment) {
  return timeFormat.format(dateOf(moment));
}

/** A moment in full. */
export function momentWords(moment) {
  return momentFormat.format(dateOf(moment));
}

/** A moment for `<time datetime>`. */
export function isoOf(moment) {
  return dateOf(moment).toISOString();
}

/** When a message was edited. */
export function editedWords(moment) {
  return `Edited ${momentWords(moment)}`;
}

/** The day of a moment as one speaks of it at `now`. */
export function dayWords(moment, now = Date.now()) {
  const then = dateOf(moment);
  const today = new Date(now);
  if (isSameDay(then, today)) return 'Today';
  today.setDate(today.getDate() - 1);
  if (isSameDay(then, today)) return 'Yesterday';
  const format = then.getFullYear() === new Date(now).getFullYear() ? dayFormat : dayAndYearFormat;
  return format.format(then);
}

/** Whether two moments are on one calendar day where the visitor is. */
export function isSameDay(one, other) {
  return dateOf(one).toDateString() === dateOf(other).toDateString();
}
