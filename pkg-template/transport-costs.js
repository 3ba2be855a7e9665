/**
 * What it costs when no WebSocket carries the messages, said once a page for each transport.
 *
 * Must not know why a transport was chosen. Holds no key, token or address.
 */

const COSTS =
  '360 requests an hour for each open client in a quiet space and up to 3,600 in a busy one, and messages come up ' +
  'to 10 s late';

const TEXTS = {
  polling:
    `WebSockets do not get through to the Worker, so it is asked for news over HTTP: ${COSTS}; who types and who is ` +
    'here is not told. Look for what keeps them out: a proxy or firewall that refuses the upgrade, a browser ' +
    "extension, or a Content-Security-Policy whose connect-src lacks the Worker's wss: address. A WebSocket is " +
    'tried again each minute.',
  legacy:
    `this worker is one of the TypeScript SDK, so it is asked for news over HTTP: ${COSTS}; messages can not be ` +
    'edited or deleted, one whose answer is lost may be there twice (such a worker has no ids to tell by), and the gateway key ' +
    'has to be in the page. Deploy the Worker of this package in its place ' +
    '(npx kuratchi-spaces deploy): open clients notice at their next look.',
};

const told = new Set();

/** Says what the transport costs, if that is something and was not said before. */
export function warnOfTransport(transport) {
  if (Object.hasOwn(TEXTS, transport) && !told.has(transport)) {
    told.add(transport);
    console.warn(`kuratchi-spaces: ${TEXTS[transport]}`);
  }
}
