/** A text in which addresses are links. */
import { find } from 'linkifyjs';
import { useMemo } from 'react';
import { LINK_ATTRIBUTES, partsOf } from '../../shared/links.js';

export function Linked({ text }) {
  const parts = useMemo(() => partsOf(text, find), [text]);
  return parts.map(({ text, href }, index) =>
    href === undefined ? (
      text
    ) : (
      // The parts of a text do not change places.
      <a key={index} href={href} {...LINK_ATTRIBUTES}>
        {text}
      </a>
    ),
  );
}
