/**
 * Making elements: the few shapes that the page's parts share.
 *
 * Every text goes in as text, never as markup.
 */

const SVG = 'http://www.w3.org/2000/svg';

const ICONS = {
  edit: 'M4 20h4L19 9l-4-4L4 16zM13 7l4 4',
  delete: 'M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13M10.5 11v5.5M13.5 11v5.5',
};

/**
 * @param {string} tag
 * @param {string} className
 * @param {string} [text]
 * @returns {HTMLElement}
 */
export function element(tag, className, text = '') {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

/** A paragraph of what people wrote, which has its own direction. */
export function paragraph(className, text) {
  const made = element('p', className, text);
  made.dir = 'auto';
  return made;
}

/**
 * @param {string} className
 * @param {string} label
 * @param {() => void} onClick
 * @returns {HTMLButtonElement}
 */
export function button(className, label, onClick) {
  const made = element('button', className, label);
  made.type = 'button';
  made.addEventListener('click', onClick);
  return made;
}

/**
 * A button that shows a picture; its label is for those who do not see it, and for whoever hovers.
 *
 * @param {keyof ICONS} icon
 */
export function iconButton(className, icon, label, onClick) {
  const made = button(className, '', onClick);
  made.ariaLabel = label;
  made.title = label;
  const picture = document.createElementNS(SVG, 'svg');
  picture.setAttribute('viewBox', '0 0 24 24');
  picture.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS(SVG, 'path');
  path.setAttribute('d', ICONS[icon]);
  picture.append(path);
  made.append(picture);
  return made;
}
