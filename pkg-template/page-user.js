/**
 * Who uses the page, as far as the clients of a Worker know: for a client that can have no token, because there is no network.
 *
 * People go from room to room, open a panel and close it, and stay who they are. So it is the user who was known last, until they
 * sign out (`disconnect()`, `clearLocal()`) or somebody else is known. Where clients of two users are open, nobody can tell. It is
 * a guess, and kept as one: what is written by it is sent by nobody but that user. Must not know how anybody is known.
 */

import { isPage } from './outbox-memory.js';

/** By Worker: who uses the clients that are open, by client, and who was the last to leave one since the newest of those came. */
const pages = /* @__PURE__ */ new Map();

/**
 * It is known who uses a client.
 *
 * @param {string} workerUrl As {@link placeOf} spells it.
 * @param {object} client
 * @param {string} owner `'user:<id>'`, or `'bearer'` where the token names nobody.
 */
export function enterAs(workerUrl, client, owner) {
  // Those of a server are of many people.
  if (!isPage()) return;
  const page = pages.get(workerUrl) ?? { open: new Map() };
  pages.set(workerUrl, page);
  page.open.set(client, owner);
  page.last = undefined;
}

/** A client is gone, and who used it stays who they are. */
export function leaveAs(workerUrl, client) {
  const page = pages.get(workerUrl);
  const owner = page?.open.get(client);
  if (owner === undefined) return;
  page.open.delete(client);
  page.last = owner;
}

/** Who uses a client, or is taken to, has signed out: of all clients. */
export function signOut(workerUrl, client) {
  const page = pages.get(workerUrl);
  if (!page) return;
  const owner = page.open.get(client) ?? ownerIn(page);
  for (const [other, its] of page.open) {
    if (its === owner || other === client) page.open.delete(other);
  }
  page.last = undefined;
}

/** The id of the user who is taken to use a client of which nothing is known; undefined where nobody can tell. */
export function pageUser(workerUrl) {
  const owner = ownerIn(pages.get(workerUrl));
  return owner?.startsWith('user:') ? owner.slice('user:'.length) : undefined;
}

function ownerIn(page) {
  const owners = new Set([...(page?.open.values() ?? []), page?.last]);
  owners.delete(undefined);
  const [owner] = owners;
  return owners.size === 1 ? owner : undefined;
}
