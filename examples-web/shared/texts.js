/**
 * What is shown of a message's text: a stranger wrote it, and what takes a page long to lay out holds up everything in it.
 *
 * Owns the bounds, and where the focus goes. Must not know how a page is made.
 */

const CHARACTERS_MAX = 3_000;
const LINES_MAX = 40;
const SPOKEN_MAX = 500;
const LINE_MAX = 120;

/** Marks over a letter, beyond what any language writes: each of thousands is laid out over the one before. */
const PILED_UP = /(\p{M}{8})\p{M}+/gu;

/** What one sees of a text: neither blanks, nor characters that have no shape. */
const VISIBLE = /[^\s\u2800\p{Default_Ignorable_Code_Point}]/u;

/** Whether nobody would see anything of the text. */
export function isBlank(text) {
  return !VISIBLE.test(text);
}

/** The text without marks that are piled up. */
export function readable(text) {
  return text.replace(PILED_UP, '$1');
}

/** How a long text begins; the whole of a short one. */
export function beginning(text) {
  const lines = text.split('\n', LINES_MAX + 1);
  const few = lines.length > LINES_MAX ? lines.slice(0, LINES_MAX).join('\n') : text;
  return few.length > CHARACTERS_MAX ? cut(few, CHARACTERS_MAX) : few;
}

/** The button that showed the rest is gone: the focus stays in the text. */
export function focusText(button) {
  const text = button.parentElement;
  text.tabIndex = -1;
  text.focus({ preventScroll: true });
}

/** What is read out of a text that has just come. */
export function spoken(text) {
  return excerpt(text, SPOKEN_MAX);
}

/** What a list of conversations says of a text: one line. */
export function preview(text) {
  return excerpt(text, LINE_MAX).replace(/\s+/g, ' ');
}

function excerpt(text, length) {
  const clean = readable(cut(text, 2 * length));
  return clean.length > length ? `${cut(clean, length)}…` : clean;
}

/** The first characters; one of two halves stays whole, or goes. */
function cut(text, length) {
  const end = /[\ud800-\udbff]$/.test(text.slice(0, length)) ? length - 1 : length;
  return text.slice(0, end);
}
