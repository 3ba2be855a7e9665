/**
 * Whether pages of an origin may talk to the Worker: `doctor` asks as a browser does.
 *
 * Owns the rules of CORS that a browser goes by, as far as they matter here. What refuses may be the Worker, by its
 * list of origins, or a proxy in front of it that answers in its place; the cures differ.
 */

import { ask, endpoint, fail, ok } from './answers.js';

/** What our client sends from a page. */
const HEADERS = ['authorization', 'content-type', 'x-space-id', 'x-space-token'];
/** The one header that `*` does not stand for. */
const NEVER_ANY = 'authorization';

const PROXY_CURE =
  'That is not the Worker: have the proxy or host in front of it pass OPTIONS on, and leave the headers ' +
  'Access-Control-* as they are.';

/** @returns {Promise<object[]>} Findings. */
export async function checkCors(workerUrl, origin) {
  if (!isOrigin(origin)) {
    return [
      fail(
        `--origin ${origin} is no origin`,
        'Write it as the browser does: https://app.example.com, capacitor://localhost or null, without a path.',
      ),
    ];
  }
  const { response: preflight } = await ask(endpoint(workerUrl, 'messages'), {
    method: 'OPTIONS',
    headers: {
      Origin: origin,
      'Access-Control-Request-Method': 'POST',
      'Access-Control-Request-Headers': HEADERS.join(','),
    },
  });
  const refused = aboutPreflight(preflight, origin);
  if (refused) return [refused];
  const { response } = await ask(endpoint(workerUrl, 'health'), { headers: { Origin: origin } });
  return [aboutOrigin(response, origin, 'answer') ?? ok(`Pages of ${origin} may talk to it`)];
}

/** Whether a browser could send this as an origin. Of schemes that are not the web's own the parser knows none. */
function isOrigin(text) {
  if (text === 'null') return true;
  if (!URL.canParse(text)) return false;
  const { origin, protocol, host } = new URL(text);
  return origin === text || (origin === 'null' && host !== '' && `${protocol}//${host}` === text);
}

function aboutPreflight(response, origin) {
  if (!response.ok) {
    return fail(`A preflight is answered with status ${response.status}: pages can not send`, PROXY_CURE);
  }
  const refused = aboutOrigin(response, origin, 'preflight');
  if (refused) return refused;
  const allowed = listOf(response, 'Access-Control-Allow-Headers');
  const lacking = HEADERS.filter(
    (name) => !allowed.includes(name) && (name === NEVER_ANY || !allowed.includes('*')),
  );
  if (lacking.length === 0) return undefined;
  return fail(
    `Pages may not send the ${lacking.length > 1 ? 'headers' : 'header'} ${lacking.join(', ')}`,
    PROXY_CURE,
  );
}

/** Why a browser would keep an answer from the page, if it would. */
function aboutOrigin(response, origin, kind) {
  const allowed = listOf(response, 'Access-Control-Allow-Origin');
  if (allowed.length > 1) {
    return fail(
      `The ${kind} names allowed origins twice (${allowed.join(', ')}): browsers refuse it`,
      'The Worker names one: have the proxy or host in front of it add none.',
    );
  }
  if (allowed[0] === '*' || allowed[0] === origin) return undefined;
  const hasAny = [...response.headers.keys()].some((name) => name.startsWith('access-control-'));
  if (!hasAny) return fail(`The ${kind} has no CORS headers: pages may not read it`, PROXY_CURE);
  return fail(
    `Pages of ${origin} may not talk to it`,
    'Add the origin to the variable ALLOWED_ORIGINS of the Worker; with a port, if it has one.',
  );
}

function listOf(response, name) {
  const value = response.headers.get(name) ?? '';
  return value
    .split(',')
    .map((entry) => entry.trim().toLowerCase())
    .filter(Boolean);
}
