/**
 * `npx kuratchi-spaces doctor`, from the packed package, against the real Worker and against what people meet instead.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { checkSettings, checkSpace } from '../../pkg-template/cli/checks.js';
import { firstFrame } from '../../pkg-template/cli/handshake.js';
import { startBackend } from '../../scripts/lib/backend.mjs';
import { WORKER } from '../../scripts/lib/paths.mjs';
import { Installed } from '../packaging/lib/installed.mjs';
import { runCommand } from './lib/command.mjs';

const KEY = 'a-gateway-key-of-more-than-32-characters';
const MINUTE_MS = 60_000;

describe('doctor', () => {
  const installed = new Installed();
  const servers = new Set();
  let folder;
  let version;
  let worker;

  before(async () => {
    await installed.pack();
    folder = await installed.project('patient');
    worker = await startBackend({ workerDir: WORKER, gatewayKey: KEY, vars: { REQUIRE_IDENTITY: '1' } });
    ({ version } = await (await fetch(`${worker.url}/health`)).json());
  });
  after(async () => {
    for (const server of servers) {
      server.close();
      server.closeAllConnections();
    }
    await worker?.stop();
    installed.remove();
  });

  async function doctor(workerUrl, { key = KEY, args = [], ...options } = {}) {
    const env = { ...(key && { KURATCHI_GATEWAY_KEY: key }), ...options.env };
    const address = workerUrl ? ['--worker-url', workerUrl] : [];
    const told = await runCommand(folder, ['doctor', ...address, ...args], { ...options, env });
    if (key) assert.ok(!(told.stdout + told.stderr).includes(key), 'no key is shown');
    assert.equal(told.stderr, '');
    return told;
  }

  /** A server that answers as it is told to. */
  async function impostor(answer) {
    const server = createServer(answer);
    servers.add(server);
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${server.address().port}`;
  }

  const healthy = (fields) => ({
    status: 'ok',
    service: 'kuratchi-spaces',
    version,
    protocols: [1, 2],
    timestamp: Date.now(),
    ...fields,
  });

  /** Expects one thing to mend, with its cure. */
  function mends({ code, stdout }, what, cure) {
    assert.equal(code, 1, stdout);
    const found = [...stdout.matchAll(/^fail {2}(.+)\n {6}(.+)$/gm)];
    assert.equal(found.length, 1, stdout);
    assert.match(found[0][1], what);
    assert.match(found[0][2], cure);
    assert.match(stdout, /\n1 to mend/);
  }

  test('a good Worker', async () => {
    const { code, stdout } = await doctor(worker.url, { args: ['--origin', 'https://app.example.com'] });
    assert.equal(code, 0, stdout);
    const found = [...stdout.matchAll(/^ok {4}(.+)$/gm)].map(([, what]) => what);
    assert.deepEqual(found.slice(1), [
      'The gateway key is there (KURATCHI_GATEWAY_KEY, 40 characters)',
      `The Worker's address is ${worker.url}`,
      'It answers',
      `The Worker has this package's version, ${version}`,
      "This machine's clock agrees with the Worker's",
      'Pages of https://app.example.com may talk to it',
      'It takes a token signed with the gateway key',
      'A WebSocket opens and is welcomed',
    ]);
    assert.doesNotMatch(stdout, /fail/);
    assert.ok(!stdout.includes('\u001b'), 'a pipe gets no colours');
  });

  test('how much a space stores of what it may', async () => {
    const { code, stdout } = await doctor(worker.url, { args: ['--space', 'lobby ü'] });
    assert.equal(code, 0, stdout);
    assert.match(stdout, /^ok {4}The space lobby ü stores \d+\.\d MB of 1000\.0 MB$/m);
    for (const [bytes, level, what] of [
      [499_999_999, 'ok', 'The space lobby stores 500.0 MB of 1000.0 MB'],
      [
        500_000_000,
        'warn',
        'The space lobby stores 500.0 MB of 1000.0 MB: it takes no more from callers whom no token names',
      ],
      [1_000_000_000, 'fail', 'The space lobby stores 1000.0 MB of 1000.0 MB: it takes no more'],
    ]) {
      const filled = await impostor((_, response) => {
        response.end(JSON.stringify({ success: true, bytes, bytesMax: 1_000_000_000 }));
      });
      const [found] = await checkSpace(filled, KEY, 'lobby');
      assert.deepEqual([found.level, found.what], [level, what]);
      if (level !== 'ok') assert.match(found.cure, /RETENTION_DAYS.*SPACE_BYTES_MAX/);
    }
  });

  test('the key is shown to nobody, whoever answers', async () => {
    const seen = [];
    const lapsed = await impostor(({ url, headers }, response) => {
      seen.push(JSON.stringify([url, headers]));
      response.end(JSON.stringify(url === '/health' ? healthy() : { success: true, messages: [] }));
    });
    const { code } = await doctor(lapsed, { args: ['--space', 'lobby'] });
    assert.equal(code, 1, 'no WebSocket there');
    assert.ok(seen.length >= 4, seen.join('\n'));
    assert.ok(!seen.some((request) => request.includes(KEY)));
  });

  test('another key', async () => {
    mends(
      await doctor(worker.url, { key: 'b-gateway-key-of-more-than-32-characters' }),
      /^The local backend has another gateway key/,
      /Its key is in \.kuratchi\/gateway-key/,
    );
  });

  test('another key than that of a Worker elsewhere', async () => {
    mends(
      await doctor('https://chat.example.com', {
        key: 'b-gateway-key-of-more-than-32-characters',
        hosts: { 'chat.example.com': worker.url },
      }),
      /^The Worker has another gateway key/,
      /same key on both sides.*kuratchi-spaces deploy/,
    );
  });

  test('a key that is missing, or has quotes or a line break around it', async () => {
    mends(await doctor(worker.url, { key: '' }), /^There is no gateway key/, /Set KURATCHI_GATEWAY_KEY/);
    mends(await doctor(worker.url, { key: `"${KEY}"` }), /quotes around it/, /without them/);
    mends(await doctor(worker.url, { key: `${KEY}\n` }), /line break/, /without them/);
  });

  test('keys to look at: short, or two that differ', async () => {
    const { stdout } = await doctor(worker.url, {
      key: 'tiny key',
      env: { KURATCHI_SPACES_GATEWAY_KEY: 'another' },
    });
    assert.match(stdout, /^warn {2}KURATCHI_GATEWAY_KEY and KURATCHI_SPACES_GATEWAY_KEY differ/m);
    assert.match(stdout, /^warn {2}KURATCHI_GATEWAY_KEY is short \(8 characters\)/m);
  });

  test('addresses that can not be', async () => {
    mends(await doctor(''), /address is not known/, /--worker-url/);
    mends(await doctor('chat.example.com'), /is no URL: chat\.example\.com/, /https:\/\//);
    mends(await doctor('https://a:b@chat.example.com'), /user name or password/, /Take them out/);
    mends(await doctor(`${worker.url}/health`), /ends with \/health/, /Leave that out/);
  });

  test('an address that is not encrypted is to be looked at', async () => {
    const { stdout, code } = await doctor('http://chat.example.com', {
      hosts: { 'chat.example.com': worker.url },
    });
    assert.match(stdout, /^warn {2}The Worker's address is not encrypted/m);
    assert.match(stdout, /^ok {4}It takes a token signed with the gateway key/m);
    // The upgrade by hand goes by the real name, which nobody has.
    assert.equal(code, 1);
  });

  test('a dead port, and a host that is not there', async () => {
    const url = await impostor(() => {});
    const [server] = [...servers].slice(-1);
    await new Promise((resolve) => server.close(resolve));
    mends(await doctor(url), /^Nobody listens on 127\.0\.0\.1:\d+$/, /kuratchi-spaces dev/);
    mends(
      await doctor('https://nobody.example.com', { hosts: {} }),
      /^No such host: nobody\.example\.com$/,
      /./,
    );
  });

  test('something that speaks no HTTP', async () => {
    const server = createTcpServer((socket) => socket.destroy());
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    mends(
      await doctor(`http://127.0.0.1:${server.address().port}`),
      /can not be reached/,
      /proxy or a firewall/,
    );
    server.close();
  });

  test('a worker of the TypeScript SDK', async () => {
    const url = await impostor((_, response) => {
      response.writeHead(401, { 'Content-Type': 'application/json' });
      response.end('{"error":"Invalid or missing gateway key"}');
    });
    mends(
      await doctor(url),
      /^A worker of the TypeScript SDK answers/,
      /legacyWorker.*kuratchi-spaces deploy/,
    );
  });

  test('a web page, with whatever it does to terminals', async () => {
    const page = await impostor((_, response) => {
      response.writeHead(200, { 'Content-Type': 'text/html' }).end('<!doctype html><title>App</title>');
    });
    mends(await doctor(page), /^A web page answers \(status 200\)/, /address is that of your app/);
    const other = await impostor((_, response) => response.writeHead(502).end('\u001b[2Jbad gateway'));
    const told = await doctor(other);
    mends(told, /out of order: status 502, "bad gateway"/, /npx wrangler tail/);
    assert.ok(!told.stdout.includes('\u001b'));
  });

  test('a page of an error is an outage, and not the page of an app', async () => {
    const url = await impostor((_, response) => {
      response.writeHead(522, { 'Content-Type': 'text/html' }).end('<html>Connection timed out</html>');
    });
    mends(await doctor(url), /out of order: status 522, a web page/, /npx wrangler tail/);
  });

  test('redirects: to the Worker, to something else, and without an end', async () => {
    const redirecting = (where) =>
      impostor((request, response) => response.writeHead(308, { Location: where(request.url) }).end());
    const moved = await redirecting((path) => worker.url + path);
    mends(
      await doctor(moved),
      new RegExp(`^It answers with a redirect to ${worker.url}$`),
      /^Use that address: WebSockets and preflights do not follow/,
    );
    const page = await impostor((_, response) => response.end('<html>Log in</html>'));
    const login = await redirecting(() => `${page}/login`);
    mends(
      await doctor(login),
      new RegExp(`redirect to ${page}/login, where no Worker answers`),
      /A login or a rule/,
    );
    const circle = await redirecting((path) => path);
    mends(await doctor(circle), /redirects that do not end/, /"Full"/);
  });

  test('CORS: what a proxy does to it, and that it was not looked at', async () => {
    const origin = 'https://app.example.com';
    const behindProxy = (change) =>
      impostor(async (request, response) => {
        const { method, headers, url } = request;
        const sent = pick(headers, [
          ...['authorization', 'origin', 'x-space-id', 'x-space-token'],
          ...['access-control-request-headers', 'access-control-request-method'],
        ]);
        const answer = await fetch(worker.url + url, { method, headers: sent });
        const told = Object.fromEntries(
          [...answer.headers].filter(([name]) => name.startsWith('access-control-')),
        );
        response.writeHead(answer.status, change(told, method)).end(await answer.text());
      });
    const found = async (change) =>
      (await doctor(await behindProxy(change), { args: ['--origin', origin] })).stdout;
    assert.match(await found((told) => told), /^ok {4}Pages of https:\/\/app\.example\.com may talk to it$/m);
    const cases = [
      [() => ({}), /^fail {2}The preflight has no CORS headers.*\n.*have the proxy or host in front/m],
      [(told, method) => (method === 'OPTIONS' ? told : {}), /^fail {2}The answer has no CORS headers/m],
      [
        (told) => ({ ...told, 'access-control-allow-headers': '*' }),
        /^fail {2}Pages may not send the header authorization\n/m,
      ],
      [
        (told) => ({ ...told, 'access-control-allow-headers': 'Content-Type, Authorization' }),
        /^fail {2}Pages may not send the headers x-space-id, x-space-token\n/m,
      ],
      [
        (told) => ({ ...told, 'access-control-allow-origin': '*, *' }),
        /^fail {2}The preflight names allowed origins twice/m,
      ],
    ];
    for (const [change, expected] of cases) {
      const stdout = await found(change);
      assert.match(stdout, expected);
      assert.doesNotMatch(stdout, /ALLOWED_ORIGINS/);
    }
    const { code, stdout } = await doctor(worker.url);
    assert.equal(code, 0);
    assert.match(
      stdout,
      /^note {2}Whether your pages may talk to it \(CORS\) was not looked at\n {6}.*--origin/m,
    );
    assert.doesNotMatch(stdout, /^fail/m);
  });

  test('a clock that is wrong', async () => {
    const clock = (ms) =>
      impostor((request, response) => {
        response.setHeader('Content-Type', 'application/json');
        const isHealth = request.url === '/health';
        response.statusCode = isHealth ? 200 : 404;
        response.end(JSON.stringify(isHealth ? healthy({ timestamp: Date.now() + ms }) : { error: 'none' }));
      });
    const behind = await doctor(await clock(5 * MINUTE_MS));
    assert.match(
      behind.stdout,
      /^fail {2}This machine's clock is (?:29\d|300) s behind the Worker's\n {6}Set it by NTP/m,
    );
    const ahead = await doctor(await clock(-20_000));
    assert.match(ahead.stdout, /^warn {2}This machine's clock is \d\d s ahead of the Worker's/m);
  });

  test('another version', async () => {
    const url = await impostor((_, response) => response.end(JSON.stringify(healthy({ version: '99.0.0' }))));
    const { stdout } = await doctor(url);
    assert.match(stdout, /^warn {2}The Worker has version 99\.0\.0, this package /m);
  });

  test('a way that passes requests and no WebSockets', async () => {
    const url = await impostor(async (request, response) => {
      // A proxy that drops the header Upgrade, as one does that was not told about it.
      if (request.headers.upgrade) return response.writeHead(426).end('upgrade required here');
      const { method, headers } = request;
      const answer = await fetch(worker.url + request.url, {
        method,
        headers: { ...pick(headers, ['authorization', 'x-space-id', 'x-space-token']) },
      });
      response.writeHead(answer.status, { 'Content-Type': 'application/json' });
      return response.end(await answer.text());
    });
    mends(await doctor(url), /status 426 instead of 101 \("upgrade required here"\)/, /header Upgrade/);
  });

  test('an upgrade that is none, or ends before a word', async () => {
    const answers = [
      ['Sec-WebSocket-Accept: nonsense\r\n', /is of no WebSocket server/],
      [undefined, /the connection ended before the first frame/],
    ];
    for (const [header, what] of answers) {
      const url = await impostor(async (request, response) => {
        const answer = await fetch(worker.url + request.url, {
          headers: pick(request.headers, ['authorization', 'x-space-id', 'x-space-token']),
        });
        response.writeHead(answer.status).end(await answer.text());
      });
      [...servers].at(-1).on('upgrade', (request, socket) => socket.end(upgraded(request, header)));
      mends(await doctor(url), what, /does not pass WebSockets/);
    }
  });

  test('an upgrade after which nothing comes, or pings alone, or no end of a refusal', {
    timeout: MINUTE_MS / 2,
  }, async () => {
    const ping = Buffer.from([0x89, 0]);
    for (const answer of [
      (request, socket) => socket.write(upgraded(request)),
      (request, socket) => {
        socket.write(upgraded(request));
        const pings = setInterval(() => socket.write(ping), 10);
        socket.once('close', () => clearInterval(pings));
      },
      (_, socket) => socket.write('HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\n\r\nno'),
    ]) {
      const url = await impostor(() => {});
      let left;
      [...servers].at(-1).on('upgrade', (request, socket) => {
        left = new Promise((resolve) => socket.once('close', resolve));
        socket
          .resume()
          .once('end', () => socket.destroy())
          .on('error', () => {});
        answer(request, socket);
      });
      await assert.rejects(
        firstFrame(new URL(url), { protocols: ['spaces.v2'], timeoutMs: 200 }),
        /^Error: no frame within 0\.2 s$/,
      );
      await left;
    }
  });

  test('of settings that a Worker cannot use the first are told, and how many more', async () => {
    for (const [misconfigured, told] of [
      [Array(20).fill('a'), Array(20).fill('a')],
      [Array(300_000).fill('a'), [...Array(20).fill('a'), 'and 299980 more']],
      [['b'.repeat(1_000_000)], ['b'.repeat(1_000)]],
    ]) {
      const url = await impostor((_, response) => {
        response.end(JSON.stringify({ success: true, misconfigured }));
      });
      const found = await checkSettings(url, KEY);
      assert.deepEqual(
        found.map(({ level, what }) => [level, what]),
        told.map((what) => ['fail', what]),
      );
    }
  });

  test('origins of apps are origins as well', async () => {
    for (const origin of ['capacitor://localhost', 'tauri://localhost', 'chrome-extension://abc', 'null']) {
      const { stdout } = await doctor(worker.url, { args: ['--origin', origin] });
      assert.match(stdout, new RegExp(`^ok {4}Pages of ${origin} may talk to it$`, 'm'));
    }
    const { stdout } = await doctor(worker.url, { args: ['--origin', 'capacitor://localhost/path'] });
    assert.match(stdout, /is no origin$/m);
  });

  test('an origin that is none', async () => {
    const args = ['--origin', 'app.example.com/path'];
    const { stdout } = await doctor(worker.url, { args });
    assert.match(stdout, /^fail {2}--origin app\.example\.com\/path is no origin$/m);
  });
});

/** The answer to an upgrade; with another header in the place of the one that accepts it. */
function upgraded({ headers }, header) {
  const accepted = createHash('sha1')
    .update(`${headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
    .digest('base64');
  const lines = ['HTTP/1.1 101 Switching Protocols', 'Connection: Upgrade', 'Upgrade: websocket'];
  const accept = header ?? `Sec-WebSocket-Accept: ${accepted}\r\n`;
  return `${lines.join('\r\n')}\r\n${accept}\r\n`;
}

function pick(object, names) {
  return Object.fromEntries(names.filter((name) => object[name]).map((name) => [name, object[name]]));
}
