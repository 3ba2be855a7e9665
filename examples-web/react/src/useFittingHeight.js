/** A text field as high as its text; the style sheet says how high that may be. */
import { useLayoutEffect, useRef } from 'react';
import { fitHeight } from '../../shared/field-height.js';

/** Gives the ref for a `textarea`. */
export function useFittingHeight(text) {
  const field = useRef(null);
  // The height follows from the text.
  useLayoutEffect(() => fitHeight(field.current), [text]);
  return field;
}
