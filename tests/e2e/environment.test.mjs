/**
 * Where the client has to run: without `process`, under a strict content security policy; and what the page's
 * own server gives out.
 */
import assert from 'node:assert/strict';
import { ChatPage } from './lib/chat-page.mjs';
import { assertNoProblems, test, useStack } from './lib/stack.mjs';

const stack = useStack();

test('process_is_not_defined_and_nothing_minds', async () => {
  const tab = await stack.newBareTab();
  const result = await tab.evaluate(async () => {
    const spaces = await import('/kuratchi-spaces/index.js');
    const attempt = (act) => {
      try {
        return act();
      } catch (error) {
        return error.message;
      }
    };
    return {
      process: typeof process,
      environment: spaces.getSpacesEnvironment(),
      withoutUrl: attempt(() => spaces.client({ spaceId: 'a', spaceToken: 'b' })),
    };
  });
  assert.deepEqual(result, {
    process: 'undefined',
    environment: { workerUrl: '', gatewayKey: '' },
    withoutUrl: 'workerUrl is required or set KURATCHI_SPACES_WORKER_URL',
  });
  assertNoProblems(tab);
  await tab.context().close();
});

test('importing_the_package_does_nothing', async () => {
  const tab = await stack.newBareTab();
  const requests = [];
  tab.on('request', (request) => requests.push(request.url()));
  await tab.evaluate(async () => {
    const spaces = await import('/kuratchi-spaces/index.js');
    spaces.client({ spaceId: 'a', spaceToken: 'b', workerUrl: location.origin });
  });
  assert.ok(requests.length > 0);
  assert.deepEqual(
    // The icon is the page's own.
    requests.filter((url) => !url.endsWith('.js') && !url.endsWith('/icon.svg')),
    [],
    'no Wasm before the first call that needs it',
  );
  await tab.context().close();
});

test('the page works under its content security policy', async () => {
  const tab = await stack.newTab();
  await tab.addInitScript(() => {
    globalThis.violations = [];
    addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) =>
      globalThis.violations.push(`${violatedDirective} ${blockedURI}`),
    );
  });
  const answers = [];
  tab.on('response', (response) => answers.push(response));
  const ada = new ChatPage(tab, stack.url);
  await ada.join('Ada', stack.newSpace());
  await ada.say('hello');
  await ada.sees('hello');
  const page = answers.find((answer) => answer.url() === `${stack.url}/`);
  const policy = page.headers()['content-security-policy'];
  assert.match(policy, /script-src 'self' 'wasm-unsafe-eval';/);
  assert.doesNotMatch(policy, /unsafe-inline|'unsafe-eval'|\*/);
  assert.deepEqual(await tab.evaluate(() => globalThis.violations), []);
  const wasm = answers.find((answer) => answer.url().endsWith('.wasm'));
  assert.equal(wasm.headers()['content-type'], 'application/wasm');
  assertNoProblems(tab);
  await tab.context().close();
});

test('without wasm-unsafe-eval the client says what is missing', async () => {
  const tab = await stack.newTab();
  await tab.route(`${stack.url}/strict.html`, (route) =>
    route.fulfill({
      contentType: 'text/html',
      headers: { 'content-security-policy': "script-src 'self'" },
      body: '<!doctype html><html lang="en"><title>strict</title></html>',
    }),
  );
  await tab.goto(`${stack.url}/strict.html`);
  const error = await tab.evaluate(async () => {
    const spaces = await import('/kuratchi-spaces/index.js');
    const { spaceId, spaceToken, workerUrl } = await fetch('/api/chat/init').then((r) => r.json());
    const client = spaces.client({ spaceId, spaceToken, workerUrl });
    return client.connect().then(
      () => 'connected',
      ({ code, message }) => ({ code, message }),
    );
  });
  assert.equal(error.code, 'wasmUnavailable');
  assert.match(error.message, /wasm-unsafe-eval/);
  await tab.context().close();
});

test('a_policy_that_forbids_sockets_is_polled_around_at_once', async () => {
  const tab = await stack.newBareTab();
  const states = await tab.evaluate(async () => {
    const policy = document.createElement('meta');
    policy.httpEquiv = 'Content-Security-Policy';
    policy.content = "connect-src 'self' http:";
    document.head.append(policy);
    const spaces = await import('/kuratchi-spaces/index.js');
    const { spaceId, spaceToken, workerUrl } = await fetch('/api/chat/init').then((r) => r.json());
    const client = spaces.client({ spaceId, spaceToken, workerUrl });
    const states = [];
    client.on('stateChange', ({ state, transport }) => states.push(transport ?? state));
    // A handshake that hangs is given up after 15 s.
    await client.connect({ timeoutMs: 14_000 });
    return states;
  });
  assert.equal(states.at(-1), 'polling');
  await tab.context().close();
});

test('a message settles where the Wasm never comes, and the next one loads it', async () => {
  const tab = await stack.newBareTab();
  await tab.route('**/*.wasm', () => {});
  const send = () =>
    tab.evaluate(async () => {
      const spaces = await import('/kuratchi-spaces/index.js');
      globalThis.room ??= await fetch('/api/chat/init').then((r) => r.json());
      const client = spaces.client(globalThis.room);
      const message = { senderId: globalThis.room.userId, senderType: 'user', text: 'hello' };
      return client.sendMessage(message, { until: 'stored' }).then(
        ({ text }) => text,
        ({ code, retryable }) => ({ code, retryable }),
      );
    });
  assert.deepEqual(await send(), { code: 'wasmUnavailable', retryable: true });
  await tab.unroute('**/*.wasm');
  assert.equal(await send(), 'hello');
  assertNoProblems(tab);
  await tab.context().close();
});

test('the_gateway_key_never_reaches_the_browser', async () => {
  const tab = await stack.newTab();
  const bodies = [];
  tab.on('response', (response) => {
    // That of a page that was left cannot be had any more.
    const text = response.body().then(
      (body) => body.toString('latin1'),
      () => '',
    );
    bodies.push(text);
  });
  const ada = new ChatPage(tab, stack.url);
  await ada.join('Ada', stack.newSpace());
  const texts = await Promise.all(bodies);
  assert.ok(texts.length > 5);
  assert.ok(!texts.some((text) => text.includes(stack.backend.gatewayKey)));
  assert.doesNotMatch(
    JSON.stringify(await tab.context().storageState()),
    new RegExp(stack.backend.gatewayKey),
  );
  await tab.context().close();
});

test('the server names the field that is wrong, and keeps a visitor who they are', async () => {
  const ask = async (query, cookie) => {
    const response = await fetch(`${stack.url}/api/chat/init${query}`, { headers: cookie ? { cookie } : {} });
    return { response, answer: await response.json() };
  };
  for (const [query, field] of [
    ['?name=', 'name'],
    [`?name=${'x'.repeat(33)}`, 'name'],
    ['?name=a%00b', 'name'],
    ['?space=', 'space'],
    [`?space=${'x'.repeat(201)}`, 'space'],
  ]) {
    const { response, answer } = await ask(query);
    assert.equal(response.status, 400, query);
    assert.equal(answer.field, field, query);
    assert.ok(answer.error.length > 10);
  }

  const first = await ask('?name=Ada&space=a');
  assert.equal(first.response.status, 200);
  assert.deepEqual(Object.keys(first.answer).sort(), [
    'name',
    'spaceId',
    'spaceToken',
    'userId',
    'workerUrl',
  ]);
  const cookie = first.response.headers.get('set-cookie');
  assert.match(cookie, /HttpOnly/);
  assert.match(cookie, /SameSite=Lax/);
  const visitor = cookie.split(';')[0];
  assert.equal((await ask('?name=Ada&space=b', visitor)).answer.userId, first.answer.userId);
  assert.notEqual((await ask('?name=Bea&space=b', visitor)).answer.userId, first.answer.userId);
  assert.notEqual((await ask('?name=Ada&space=a')).answer.userId, first.answer.userId);
  // The documents' own call has no query.
  const plain = await ask('');
  assert.deepEqual([plain.answer.name, plain.answer.spaceId], ['Guest', 'lobby']);
});

test('the server gives out files of the page and of the package, and no others', async () => {
  // `fetch` would tidy these paths up.
  const { request } = await import('node:http');
  const status = (path, method = 'GET') =>
    new Promise((resolve, reject) => {
      const { hostname, port } = new URL(stack.url);
      request({ hostname, port, path, method }, (answer) => {
        answer.resume();
        resolve(answer.statusCode);
      })
        .on('error', reject)
        .end();
    });
  for (const path of ['/', '/app.js', '/base.css', '/kuratchi-spaces/index.js']) {
    assert.equal(await status(path), 200, path);
  }
  for (const path of [
    '/../server.mjs',
    '/%2e%2e/server.mjs',
    '/..%2fserver.mjs',
    '/kuratchi-spaces/../../package.json',
    '/kuratchi-spaces/..%2f..%2fpackage.json',
    '/kuratchi-spaces/%2e%2e/%2e%2e/package.json',
    '/..\\server.mjs',
    '/app.js%00',
    '/%',
    '//etc/passwd',
    '/kuratchi-spaces//etc/hosts.js',
    '/kuratchi-spaces/',
    '/.built-from',
    '/nothing.js',
  ]) {
    assert.equal(await status(path), 404, path);
  }
  assert.equal(await status('/', 'DELETE'), 405);
  assert.equal(await status('/api/chat/init', 'PUT'), 405);
});
