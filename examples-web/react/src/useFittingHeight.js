/** A text field as high as its text; the style sheet says how high that may be. */
import { useLayoutEffect, useRef } from 'react';

/** Gives the ref for a `textarea`. */
export function useFittingHeight(text) {
  const field = useRef(null);
  // The height follows from the text.
  useLayoutEffect(() => {
    const { style } = field.current;
    style.height = 'auto';
    // What the box has beyond its contents: the border.
    const border = field.current.offsetHeight - field.current.clientHeight;
    style.height = `${field.current.scrollHeight + border}px`;
  }, [text]);
  return field;
}
