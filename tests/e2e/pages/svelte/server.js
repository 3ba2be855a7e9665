import { render as renderSvelte } from 'svelte/server';
import App from './App.svelte';
import { query } from './query.svelte.js';

/** What a server sends before any script has run. */
export function render(given) {
  Object.assign(query, given);
  return renderSvelte(App).body;
}
