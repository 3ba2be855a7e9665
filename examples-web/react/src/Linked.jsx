/** A text in which addresses are links. Of a long one the beginning is shown, until somebody wants the rest. */
import { find } from 'linkifyjs';
import { useMemo, useState } from 'react';
import { LINK_ATTRIBUTES, partsOf } from '../../shared/links.js';
import { beginning, focusText, readable } from '../../shared/texts.js';

export function Linked({ text }) {
  const [isWhole, setWhole] = useState(false);
  const whole = useMemo(() => readable(text), [text]);
  const shown = isWhole ? whole : beginning(whole);
  const showAll = (event) => {
    focusText(event.currentTarget);
    setWhole(true);
  };
  const parts = useMemo(() => partsOf(shown, find), [shown]);
  return (
    <>
      {parts.map(({ text, href }, index) =>
        href === undefined ? (
          text
        ) : (
          // The parts of a text do not change places.
          <a key={index} href={href} {...LINK_ATTRIBUTES}>
            {text}
          </a>
        ),
      )}
      {shown.length < whole.length && (
        <>
          {'… '}
          <button type="button" className="link-button" onClick={showAll}>
            Show all
          </button>
        </>
      )}
    </>
  );
}
