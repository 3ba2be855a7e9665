/**
 * The coloured initial that stands for a person.
 *
 * Decoration: the name stands beside it, so assistive technology does not see it.
 */

/** Tones that chat.css defines. */
const TONES = 8;

/**
 * @param {string} userId Decides the colour.
 * @param {string} name Gives the letter.
 * @returns {HTMLElement}
 */
export function avatar(userId, name) {
  const element = document.createElement('span');
  element.className = 'avatar';
  element.dataset.tone = String(toneOf(userId));
  element.ariaHidden = 'true';
  // By code point: half an emoji is no letter.
  element.textContent = ([...name][0] ?? '?').toLocaleUpperCase();
  return element;
}

/** FNV-1a: ids that differ little get colours that differ. */
function toneOf(text) {
  let hash = 0x811c9dc5;
  for (const character of text) hash = Math.imul(hash ^ character.codePointAt(0), 0x01000193);
  return (hash >>> 16) % TONES;
}
