/** The coloured initials that stand for a person. Decoration: the name stands beside them. */

/** Tones that the style sheet defines. */
const TONES = 8;

export function Avatar({ userId, name }) {
  return (
    <span className="avatar" data-tone={toneOf(userId)} aria-hidden="true">
      {initialsOf(name)}
    </span>
  );
}

/** FNV-1a: ids that differ little get colours that differ. */
function toneOf(text) {
  let hash = 0x811c9dc5;
  for (const character of text) hash = Math.imul(hash ^ character.codePointAt(0), 0x01000193);
  return (hash >>> 16) % TONES;
}

/** Of the first and the last word; by code point, because half an emoji is no letter. */
function initialsOf(name) {
  const words = name.split(/\s+/u).filter(Boolean);
  const chosen = words.length > 1 ? [words[0], words.at(-1)] : words;
  return chosen
    .map((word) => [...word][0])
    .join('')
    .toLocaleUpperCase();
}
