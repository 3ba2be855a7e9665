/**
 * One message as an element.
 *
 * Owns a row's inside. Where it stands among others is the list's business.
 */
import { avatar } from './avatar.js';
import { momentWords, timeWords } from './words.js';

/**
 * @param {object} message A stored message.
 * @param {{ isOwn: boolean, name: string }} sender
 * @returns {HTMLLIElement & { showDay(words: string | undefined): void }}
 */
export function messageRow(message, { isOwn, name }) {
  const row = emptyRow(message.senderType === 'system' ? 'system' : isOwn ? 'own' : 'other');
  row.dataset.id = message.id;

  const time = element('time', 'time', timeWords(message.createdAt));
  time.dateTime = new Date(message.createdAt).toISOString();
  time.title = momentWords(message.createdAt);
  row.bubble.append(
    paragraph('sender', isOwn ? 'You' : name),
    paragraph('text', message.text),
    ...(message.attachments ?? []).map(attachmentLink),
    time,
  );
  if (!isOwn) row.line.prepend(avatar(message.senderId, name));

  let day;
  row.showDay = (words) => {
    day?.remove();
    day = words === undefined ? undefined : element('p', 'day', words);
    if (day) row.prepend(day);
  };
  return row;
}

/**
 * A message of one's own that is not stored yet.
 *
 * @param {string} text
 * @param {object} [failure] Present when it was refused.
 * @param {string} failure.problem
 * @param {() => void} failure.onRetry
 * @param {() => void} failure.onDiscard
 * @returns {HTMLLIElement}
 */
export function pendingRow(text, failure) {
  const row = emptyRow(failure ? 'own failed' : 'own pending');
  row.bubble.append(paragraph('sender', 'You'), paragraph('text', text));
  if (!failure) {
    row.bubble.append(element('span', 'time', 'Sending…'));
    return row;
  }
  const problem = element('p', 'not-sent', `Not sent. ${failure.problem}`);
  problem.append(button('Try again', failure.onRetry), button('Discard', failure.onDiscard));
  row.append(problem);
  return row;
}

function emptyRow(kinds) {
  const row = element('li', `message ${kinds}`);
  row.line = element('div', 'line');
  row.bubble = element('div', 'bubble');
  row.line.append(row.bubble);
  row.append(row.line);
  return row;
}

function attachmentLink({ url, filename }) {
  const link = element('a', 'attachment', filename);
  // The Worker stores no other schemes; a page that shows what strangers wrote looks again.
  link.href = url;
  if (link.protocol !== 'http:' && link.protocol !== 'https:') link.removeAttribute('href');
  link.target = '_blank';
  link.rel = 'noopener noreferrer nofollow';
  return link;
}

function button(label, onClick) {
  const made = element('button', 'link-button', label);
  made.type = 'button';
  made.addEventListener('click', onClick);
  return made;
}

/** What people wrote has its own direction. */
function paragraph(className, text) {
  const made = element('p', className, text);
  made.dir = 'auto';
  return made;
}

function element(tag, className, text = '') {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}
