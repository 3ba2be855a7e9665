/** The pictures on buttons. Decoration: the button has a label. */
const PATHS = {
  menu: 'M4 7h16M4 12h16M4 17h16',
  people:
    'M9 11.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7ZM2.5 19.5c.6-3.6 3.1-5.5 6.5-5.5s5.9 1.9 6.5 5.5M15.5 5a3.2 3.2 0 0 1 0 6.2M17.8 14.5c2.1.7 3.4 2.4 3.8 5',
  send: 'M12 20V5M5.5 11.5 12 5l6.5 6.5',
  edit: 'M4 20h4L19 9l-4-4L4 16v4ZM13 7l4 4',
  remove: 'M5 7h14M10 11v6M14 11v6M7 7l1 13h8l1-13M9.5 7l.5-3h4l.5 3',
  file: 'M7 3h7l4 4v14H7V3ZM14 3v4h4',
  down: 'M12 5v14M6 13l6 6 6-6',
};

export function Icon({ name }) {
  return (
    <svg viewBox="0 0 24 24" width="20" height="20" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}
