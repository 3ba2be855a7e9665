/**
 * Shows a scene by the query's `scene`, in StrictMode; `page` is what tests reach.
 */
import { flushSync } from 'react-dom';
import { createRoot, hydrateRoot } from 'react-dom/client';
import { App } from './app.jsx';

const query = Object.fromEntries(new URLSearchParams(location.search));
const element = document.querySelector('#root');
const isRendered = element.firstElementChild !== null;

let root = isRendered ? hydrateRoot(element, <App query={query} />) : createRoot(element);

globalThis.page = {
  /** What the hooks' clients told by callbacks, and how often components rendered. */
  told: [],
  /** Whose token functions were asked. */
  asked: [],
  renders: {},
  /** The clients that the hooks gave, in the order of their first appearance. */
  clients: new Set(),
  /** Shows the app with changes to the query. */
  show(changes = {}) {
    Object.assign(query, changes);
    root.render(<App query={{ ...query }} />);
  },
  /** The same in this task, as React does for a click. */
  showAtOnce(changes) {
    flushSync(() => page.show(changes));
  },
  /** Takes the whole app away and shows it anew in the same task. */
  remount() {
    root.unmount();
    root = createRoot(element);
    page.show();
  },
  unmount() {
    root.unmount();
  },
};

if (!isRendered) {
  page.show();
}
