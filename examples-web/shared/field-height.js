/**
 * A text field as high as its text; the style sheet says how high that may be.
 *
 * Owns how that is measured, and the event that tells of it. The field is in a form.
 */

/** Bubbles from a field whose height was set. */
export const FIELD_HEIGHT = 'fieldheight';

/** Makes a `textarea` as high as its text. */
export function fitHeight(field) {
  const form = field.form.style;
  // A form that is lower for a moment makes the list above it higher: browsers move what that shows, and do not move it back.
  form.minHeight = `${field.form.offsetHeight}px`;
  field.style.height = 'auto';
  // The box counts its border, which the content's height does not.
  field.style.height = `${field.scrollHeight + field.offsetHeight - field.clientHeight}px`;
  form.minHeight = '';
  field.dispatchEvent(new Event(FIELD_HEIGHT, { bubbles: true }));
}
