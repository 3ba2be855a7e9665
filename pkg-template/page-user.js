/**
 * Who uses the page, as far as the clients of a Worker know: for a client that can have no token, because there is no network.
 *
 * People go from room to room, open a panel and close it, and stay who they are. So it is whoever was known last, until they sign
 * out (`disconnect()`, `clearLocal()`) or somebody else is known. Where clients of two users are open at a time, nobody can tell.
 * Must not know how anybody is known.
 */

import { isPage } from './outbox-memory.js';

/** By Worker: who uses the clients that are open, by client, and who was the last to leave one. */
const pages = /* @__PURE__ */ new Map();

function pageOf(workerUrl) {
  const page = pages.get(workerUrl) ?? { open: new Map(), last: undefined };
  pages.set(workerUrl, page);
  return page;
}

/**
 * It is known who uses a client.
 *
 * @param {string} workerUrl As {@link placeOf} spells it.
 * @param {object} client
 * @param {string} owner `'user:<id>'`, or `'bearer'` where the token names nobody.
 */
export function enterAs(workerUrl, client, owner) {
  // Those of a server are of many people.
  if (isPage()) pageOf(workerUrl).open.set(client, owner);
}

/** A client is gone, and who used it stays who they are. */
export function leaveAs(workerUrl, client) {
  const page = pages.get(workerUrl);
  const owner = page?.open.get(client);
  if (owner === undefined) return;
  page.open.delete(client);
  page.last = owner;
}

/** Who used a client has signed out. */
export function signOut(workerUrl, client) {
  const page = pages.get(workerUrl);
  if (!page) return;
  page.open.delete(client);
  page.last = undefined;
}

/** Who is taken to use a client of which nothing is known; undefined where nobody can tell. */
export function pageUser(workerUrl) {
  const { open, last } = pages.get(workerUrl) ?? { open: new Map() };
  const owners = new Set(open.values());
  const [owner = last] = owners;
  return owners.size > 1 ? undefined : owner;
}
