/**
 * Shows a scene by the query's `scene`; `page` is what tests reach.
 */
import { flushSync, hydrate, mount, unmount } from 'svelte';
import App from './App.svelte';
import { query } from './query.svelte.js';

Object.assign(query, Object.fromEntries(new URLSearchParams(location.search)));
const target = document.querySelector('#root');
const isRendered = target.firstElementChild !== null;

globalThis.page = {
  /** What the client told by callbacks, and how often parts rendered. */
  told: [],
  /** Whose token functions were asked. */
  asked: [],
  renders: {},
  /** Changes the query, and with it the app. */
  show(changes) {
    flushSync(() => Object.assign(query, changes));
  },
  /** Takes the whole app away and shows it anew in the same task. */
  remount() {
    unmount(app);
    app = mount(App, { target });
  },
  unmount() {
    unmount(app);
  },
};

let app = isRendered ? hydrate(App, { target }) : mount(App, { target });
