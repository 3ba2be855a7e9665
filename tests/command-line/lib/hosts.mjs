/**
 * Host names that lead to this machine, and no way to any other.
 *
 * Owns a `fetch` that looks a host up in a list first. Loaded with `--import` into processes under test, it takes the
 * list from the variable `TEST_HOSTS`; a test that deploys in its own process calls `routeHosts`.
 */

/** Sends requests for these hosts elsewhere, and refuses every other one that is not of this machine. */
export function routeHosts(hosts) {
  const { fetch } = globalThis;
  globalThis.fetch = async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input);
    const target = hosts[url.host];
    if (target !== undefined) return fetch(new URL(url.pathname + url.search, target), init);
    if (['127.0.0.1', 'localhost', '[::1]'].includes(url.hostname)) return fetch(input, init);
    const cause = Object.assign(new Error(`getaddrinfo ENOTFOUND ${url.hostname}`), { code: 'ENOTFOUND' });
    throw new TypeError('fetch failed', { cause });
  };
  return () => {
    globalThis.fetch = fetch;
  };
}

if (process.env.TEST_HOSTS) routeHosts(JSON.parse(process.env.TEST_HOSTS));
