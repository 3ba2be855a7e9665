/**
 * What of a message's text is a link.
 *
 * Owns which addresses are linked: those of the web, and mail. Finding them is linkify's, which each page hands in as it has it.
 * Must not know elements.
 */

/** Attributes of a link that a stranger wrote: it gets nothing from us, neither the window nor a good word. */
export const LINK_ATTRIBUTES = { target: '_blank', rel: 'noopener noreferrer nofollow' };

const SAFE = /^(?:https?:\/\/|mailto:)/i;

/** Most links of one text; what comes after is text. */
const LINKS_MAX = 40;

/**
 * @param {string} text
 * @param {(text: string, options: object) => { href: string, start: number, end: number }[]} find That of linkifyjs.
 * @returns {{ text: string, href?: string }[]} The whole text, in parts.
 */
export function partsOf(text, find) {
  const parts = [];
  let shown = 0;
  let links = 0;
  for (const { href, start, end } of find(text, { defaultProtocol: 'https' })) {
    if (links >= LINKS_MAX) break;
    if (!SAFE.test(href)) continue;
    links += 1;
    if (start > shown) parts.push({ text: text.slice(shown, start) });
    parts.push({ text: text.slice(start, end), href });
    shown = end;
  }
  if (shown < text.length || parts.length === 0) parts.push({ text: text.slice(shown) });
  return parts;
}
