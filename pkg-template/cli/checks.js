/**
 * What `doctor` looks at, one function a matter.
 *
 * Owns the questions to the Worker and what their answers mean. Each check gives findings: `ok`, `warn` or `fail`, what
 * was found, and the cure. No finding holds a key or a token.
 */

import { isWrapped, KEY_CHARS_MIN } from '../server/gateway-key.js';
import { inspectorToken, misconfigured } from '../server/misconfigured.js';
import { generateToken } from '../tokens.js';
import { ANSWER_MS_MAX, ask, endpoint, excerpt, fail, httpUrl, isLocal, ok, parse, warn } from './answers.js';
import { firstFrame } from './handshake.js';

const NODE_MIN = 20;
/** Tokens are good for an hour unless somebody says otherwise: less than this does no harm. */
const SKEW_MS_WARN = 5_000;
const SKEW_MS_FAIL = 60_000;
/** A space of its own, so that the checks are in nobody's way. */
const SPACE_ID = 'kuratchi-doctor';
const TOKEN_MS = 10 * 60_000;
const SERVICE = 'kuratchi-spaces';
const REDIRECTS_MAX = 5;
const OUTAGE_STATUS_MIN = 500;

/** The versions of Node and of this package. */
export function checkNode(version, packageVersion) {
  const major = Number(version.split('.')[0]);
  const what = `Node ${version}, kuratchi-spaces ${packageVersion}`;
  if (major < NODE_MIN) return [fail(what, `Install Node ${NODE_MIN} or newer.`)];
  const findings = [ok(what)];
  if (typeof globalThis.WebSocket !== 'function') {
    findings.push(
      warn(
        'This Node has no WebSocket of its own',
        'Where the client runs on a server, give it one: client({ webSocket }) with the package ws, or Node 22. Browsers are not concerned.',
      ),
    );
  }
  return findings;
}

/**
 * The gateway key of this machine.
 *
 * @param {{first: string, second: string, local?: string}} keys Values of KURATCHI_GATEWAY_KEY and of
 *   KURATCHI_SPACES_GATEWAY_KEY, and the key of a local backend.
 */
export function checkKey({ first, second, local }) {
  const key = first || second || local;
  if (!key) {
    return [
      fail(
        'There is no gateway key: nobody can sign tokens',
        'Set KURATCHI_GATEWAY_KEY on your server to the key that the Worker has.',
      ),
    ];
  }
  const name = first
    ? 'KURATCHI_GATEWAY_KEY'
    : second
      ? 'KURATCHI_SPACES_GATEWAY_KEY'
      : "the local backend's key";
  const findings = [];
  if (first && second && first !== second) {
    findings.push(
      warn(
        'KURATCHI_GATEWAY_KEY and KURATCHI_SPACES_GATEWAY_KEY differ; the first one counts',
        'Remove KURATCHI_SPACES_GATEWAY_KEY.',
      ),
    );
  }
  if (isWrapped(key)) {
    findings.push(
      fail(
        `${name} has blanks, a line break or quotes around it, which count as part of the key`,
        'Set it without them, on the server and in the Worker.',
      ),
    );
  } else if (key.length < KEY_CHARS_MIN) {
    findings.push(
      warn(
        `${name} is short (${key.length} characters): whoever guesses it can enter every space`,
        `Take ${KEY_CHARS_MIN} random characters or more, and deploy again with the new key.`,
      ),
    );
  } else {
    findings.push(ok(`The gateway key is there (${name}, ${key.length} characters)`));
  }
  return findings;
}

/** The shape of the Worker's address. */
export function checkUrl(text) {
  if (!text) {
    return [
      fail(
        "The Worker's address is not known",
        'Give it with --worker-url, or set KURATCHI_SPACES_WORKER_URL; "deploy" and "dev" print it.',
      ),
    ];
  }
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !['http:', 'https:', 'ws:', 'wss:'].includes(url.protocol)) {
    return [fail(`The Worker's address is no URL: ${text}`, 'Write it as https://chat.example.com.')];
  }
  if (url.username || url.password) {
    return [
      fail("The Worker's address has a user name or password in it", 'Take them out: browsers refuse it.'),
    ];
  }
  const findings = [];
  const isPlain = url.protocol === 'http:' || url.protocol === 'ws:';
  if (isPlain && !isLocal(url.href)) {
    findings.push(
      warn(
        `The Worker's address is not encrypted: ${url.origin}`,
        'Use https: tokens and messages travel readable, and a page over https can not connect to it.',
      ),
    );
  }
  if (/\/(?:health|messages|participants|metadata|typing)\/?$/.test(url.pathname)) {
    findings.push(
      fail(`The Worker's address ends with ${url.pathname}`, 'Leave that out: it is added by the client.'),
    );
  }
  return findings.length > 0
    ? findings
    : [ok(`The Worker's address is ${url.origin}${url.pathname.replace(/\/$/, '')}`)];
}

/**
 * Whether the Worker answers, whether it is one of ours, and what time it has.
 *
 * @returns {Promise<{findings: object[], isOurs: boolean}>}
 */
export async function checkHealth(workerUrl, packageVersion) {
  const asked = Date.now();
  const health = endpoint(workerUrl, 'health');
  let response;
  let text;
  try {
    ({ response, text } = await ask(health));
  } catch (error) {
    return { findings: [unreachable(new URL(workerUrl), error)], isOurs: false };
  }
  if (nextAddress(health, response)) {
    return { findings: [await checkRedirect(health, response)], isOurs: false };
  }
  const answered = Date.now();
  const body = parse(text);
  if (!response.ok || body?.service !== SERVICE) {
    return { findings: [notOurs(response, text, body)], isOurs: false };
  }
  const findings = [ok('It answers')];
  if (body.version === packageVersion)
    findings.push(ok(`The Worker has this package's version, ${packageVersion}`));
  else {
    findings.push(
      warn(
        `The Worker has version ${body.version}, this package ${packageVersion}`,
        'Deploy the Worker of this package with "npx kuratchi-spaces deploy", or install the other version here.',
      ),
    );
  }
  findings.push(checkClock(serverTime(body, response), asked, answered));
  return { findings, isOurs: true };
}

/** Where a redirect leads; nothing where an answer is none. */
function nextAddress(address, response) {
  const location = response.headers.get('Location');
  const isRedirect = response.status >= 300 && response.status < 400 && location !== null;
  return isRedirect && URL.canParse(location, address) ? new URL(location, address).href : undefined;
}

/** What is behind a redirect: the Worker at another address, something else, or nothing but redirects. */
async function checkRedirect(health, first) {
  let address = health;
  let answer = { response: first };
  for (let left = REDIRECTS_MAX; left > 0; left -= 1) {
    address = nextAddress(address, answer.response);
    try {
      answer = await ask(address);
    } catch (error) {
      return unreachable(new URL(address), error);
    }
    if (nextAddress(address, answer.response)) continue;
    if (parse(answer.text)?.service === SERVICE) {
      const target = address.replace(/\/health\/?(?:\?.*)?$/, '');
      return fail(
        `It answers with a redirect to ${target}`,
        'Use that address: WebSockets and preflights do not follow redirects.',
      );
    }
    return fail(
      `It answers with a redirect to ${address}, where no Worker answers`,
      'A login or a rule stands in front of the Worker: let requests to its address through, or use its own address.',
    );
  }
  return fail(
    'It answers with redirects that do not end',
    'Look at the rules in front of the Worker; on Cloudflare, set the encryption (SSL/TLS) to "Full".',
  );
}

/** The difference of the clocks, beyond what the way there and back explains. */
export function checkClock(serverMs, asked, answered) {
  if (!Number.isFinite(serverMs))
    return warn('The Worker does not tell its time', 'Clocks could not be compared.');
  const skew = serverMs > answered ? serverMs - answered : Math.min(0, serverMs - asked);
  if (Math.abs(skew) < SKEW_MS_WARN) return ok("This machine's clock agrees with the Worker's");
  const seconds = Math.round(Math.abs(skew) / 1_000);
  const what = `This machine's clock is ${seconds} s ${skew > 0 ? 'behind' : 'ahead of'} the Worker's`;
  const cure =
    'Set it by NTP: tokens that are minted here end that much too ' +
    `${skew > 0 ? 'early' : 'late'}, and short ones are refused.`;
  return Math.abs(skew) < SKEW_MS_FAIL ? warn(what, cure) : fail(what, cure);
}

/**
 * Whether the Worker has the same gateway key: it is shown a token that was signed with it.
 *
 * @param {string} workerUrl
 * @param {string} gatewayKey
 * @param {string} data Folder of the local backend, whose key a Worker on this machine has.
 */
export async function checkSameKey(workerUrl, gatewayKey, data) {
  // Never the key itself: whoever answers at a wrong address would have it.
  const headers = { 'x-space-id': SPACE_ID, 'x-space-token': await mint(gatewayKey) };
  const url = `${endpoint(workerUrl, 'messages')}?limit=1`;
  const { response, text } = await ask(url, { headers });
  if (response.ok) return [ok('It takes a token signed with the gateway key')];
  const body = parse(text);
  if (body?.code === 'tokenInvalid') {
    if (isLocal(workerUrl)) {
      return [
        fail(
          'The local backend has another gateway key: every token of this server is refused',
          `Its key is in ${data}/gateway-key: set KURATCHI_GATEWAY_KEY to that, or unset it and have "npx kuratchi-spaces dev --write-env .env.local" write it.`,
        ),
      ];
    }
    return [
      fail(
        'The Worker has another gateway key: every token of this server is refused',
        'Set the same key on both sides: KURATCHI_GATEWAY_KEY here, and by "npx kuratchi-spaces deploy" there.',
      ),
    ];
  }
  if (body?.code === 'tokenExpired') {
    return [fail('A fresh token counts as expired', "Set this machine's clock by NTP.")];
  }
  return [
    fail(
      `It answers a request with status ${response.status}: ${body?.error ?? excerpt(text)}`,
      'See its logs: npx wrangler tail.',
    ),
  ];
}

/** Whether a WebSocket really opens, as the client opens it, and is welcomed. */
export async function checkWebSocket(workerUrl, gatewayKey, origin) {
  const url = new URL(httpUrl(workerUrl));
  url.searchParams.set('spaceId', SPACE_ID);
  const token = Buffer.from(await mint(gatewayKey)).toString('base64url');
  let opened;
  try {
    opened = await firstFrame(url, {
      protocols: ['spaces.v2', `token.${token}`],
      origin,
      timeoutMs: ANSWER_MS_MAX,
    });
  } catch (error) {
    return [
      fail(
        `A WebSocket does not open: ${error.message}`,
        'Something on the way does not pass WebSockets: a proxy, a firewall, or a rule before the Worker.',
      ),
    ];
  }
  if (opened.status !== undefined) {
    return [
      fail(
        `A WebSocket does not open: status ${opened.status} instead of 101 (${excerpt(opened.body)})`,
        'A proxy on the way has to pass on the header Upgrade; Cloudflare does by itself.',
      ),
    ];
  }
  const frames = [parse(opened.text ?? '')].flat();
  if (frames[0]?.type === 'welcome' && opened.protocol === 'spaces.v2')
    return [ok('A WebSocket opens and is welcomed')];
  const code = frames[0]?.code;
  if (code === 'originRefused') {
    return [
      fail(
        `A WebSocket of ${origin} is refused`,
        'Add the origin to the variable ALLOWED_ORIGINS of the Worker.',
      ),
    ];
  }
  const told =
    frames[0]?.error ?? (opened.closeCode ? `close code ${opened.closeCode}` : excerpt(opened.text ?? ''));
  return [
    fail(`A WebSocket opens and is refused: ${told}`, 'If it is about the token: see the gateway key above.'),
  ];
}

/** What of the Worker's settings it could not read. */
export async function checkSettings(workerUrl, gatewayKey) {
  const entries = await misconfigured(endpoint(workerUrl, 'admin/settings'), gatewayKey, ANSWER_MS_MAX);
  return entries.map((entry) => fail(entry, "Mend it, in Cloudflare's dashboard or where you deploy from."));
}

/** How much of its quota a space has used. */
export async function checkSpace(workerUrl, gatewayKey, space) {
  const headers = {
    'x-space-id': headerValue(space),
    'x-space-token': headerValue(await inspectorToken(space, gatewayKey)),
  };
  const { response, text } = await ask(endpoint(workerUrl, 'admin/space'), { headers });
  const body = parse(text);
  if (!response.ok) {
    const why = body?.error ?? excerpt(text);
    return [warn(`The space ${space} does not tell how much it stores: ${why}`, 'Deploy this version.')];
  }
  if (![body?.bytes, body?.bytesMax].every(Number.isFinite)) {
    return [
      warn(`The space ${space} does not tell how much it stores: ${excerpt(text)}`, 'Deploy this version.'),
    ];
  }
  const used = `The space ${space} stores ${megabytes(body.bytes)} of ${megabytes(body.bytesMax)}`;
  const cure =
    'Delete long messages, keep messages for less time (RETENTION_DAYS), or let it have more (SPACE_BYTES_MAX, of which 10 GB is all ' +
    'that Cloudflare gives). Callers whom no token names write until it is half full.';
  if (body.bytes >= body.bytesMax) return [fail(`${used}: it takes no more`, cure)];
  if (body.bytes >= body.bytesMax / 2) {
    return [warn(`${used}: it takes no more from callers whom no token names`, cure)];
  }
  return [ok(used)];
}

function megabytes(bytes) {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

/** A header holds ASCII; other ids travel encoded. */
function headerValue(text) {
  return /^[!-~]+$/.test(text) ? text : `utf8.${Buffer.from(text, 'utf8').toString('base64url')}`;
}

function mint(gatewayKey) {
  // Named, because a Worker may let in nobody else (REQUIRE_IDENTITY).
  return generateToken(SPACE_ID, { gatewayKey, userId: SPACE_ID, expiryMs: TOKEN_MS });
}

/** Why there was no answer. `fetch` says no more than "fetch failed"; the reason is in its cause. */
function unreachable(url, error) {
  const code = error?.cause?.code ?? error?.cause?.errors?.[0]?.code ?? '';
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
    return fail(
      `No such host: ${url.hostname}`,
      'Check the spelling and the network connection; an address that is a few minutes old may need some more.',
    );
  }
  if (code === 'ECONNREFUSED') {
    const cure = isLocal(url.href)
      ? 'Start the local backend with "npx kuratchi-spaces dev", and look at the port that it prints.'
      : 'Check the port.';
    return fail(`Nobody listens on ${url.host}`, cure);
  }
  if (/CERT|TLS|SSL|SELF_SIGNED|UNABLE_TO_/.test(code)) {
    return fail(
      `The encryption of ${url.host} does not work (${code})`,
      'Check the certificate of the domain; behind a proxy that looks into the traffic, set NODE_EXTRA_CA_CERTS.',
    );
  }
  const why =
    error?.name === 'TimeoutError' ? `no answer within ${ANSWER_MS_MAX / 1_000} s` : code || error?.message;
  return fail(
    `${url.host} can not be reached (${why})`,
    'Check the network connection, a proxy or a firewall.',
  );
}

function notOurs(response, text, body) {
  const type = response.headers.get('Content-Type') ?? '';
  const error = String(body?.error ?? '');
  if (response.status === 401 && /gateway key|x-space|token/i.test(error)) {
    return fail(
      'A worker of the TypeScript SDK answers (it asks for a gateway key where ours says who it is)',
      'The client speaks to it only with `legacyWorker: true` and its `gatewayKey`. Deploy this one instead: "npx kuratchi-spaces deploy".',
    );
  }
  const isPage = type.includes('html') || /^\s*<(?:!doctype|html)/i.test(text);
  if (response.status >= OUTAGE_STATUS_MIN) {
    return fail(
      `The Worker or its host is out of order: status ${response.status}, ${isPage ? 'a web page' : excerpt(text)}`,
      'See its logs (npx wrangler tail) and those of a proxy in front of it; on Cloudflare see cloudflarestatus.com.',
    );
  }
  if (isPage) {
    return fail(
      `A web page answers (status ${response.status}), not the Worker`,
      "The address is that of your app or of an error page: take the Worker's own, or mend its route.",
    );
  }
  return fail(
    `Something else than the Worker answers: status ${response.status}, ${excerpt(text)}`,
    'Check the address; "npx kuratchi-spaces deploy" prints the right one.',
  );
}

/** The Worker's own time; older ones tell none, and the header has whole seconds. */
function serverTime(body, response) {
  if (Number.isFinite(body.timestamp)) return body.timestamp;
  return Date.parse(response.headers.get('Date') ?? '');
}
