import { renderToString } from 'react-dom/server';
import { App } from './app.jsx';

/** What a server sends before any script has run. */
export function render(query) {
  return renderToString(App({ query }));
}
