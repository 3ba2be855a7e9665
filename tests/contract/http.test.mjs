/**
 * The HTTP table: each row's success, every error text with its status, and CORS on all of it.
 *
 * Owns what the contract says of requests that are well or badly addressed; the values of fields have a file
 * of their own.
 */
import assert from 'node:assert/strict';
import { Agent, request } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { World } from './lib/world.mjs';

/** Every row of the table that takes a token alone: method, path, a good body. */
const ROWS = [
  ['POST', '/messages', { senderId: 'ada', senderType: 'user', text: 'hello' }],
  ['GET', '/messages'],
  ['GET', '/events'],
  ['GET', '/participants'],
  ['POST', '/typing', { userId: 'ada', isTyping: true }],
  ['GET', '/metadata'],
  ['PUT', '/metadata', { topic: 'boats' }],
];

/** As `ROWS`, with those that speak of one message. */
const ALL_ROWS = [...ROWS, ['PATCH', '/messages/m1-0', { text: 'hi' }], ['DELETE', '/messages/m1-0']];

describe('HTTP', { concurrency: true }, () => {
  let world;
  before(async () => {
    world = await World.start();
  });
  after(() => world.stop());

  describe('success', { concurrency: true }, () => {
    test('POST /messages answers 201 with the stored message and broadcasts it to both versions', async () => {
      const spaceId = world.newSpace();
      const [first, second] = await Promise.all([world.first(spaceId), world.second(spaceId)]);
      // The authentication of the first version has no answer: its own message tells that it is done.
      await first.sendMessage({ senderId: 'bob', senderType: 'user', text: 'ready' });
      await first.message('ready');
      const attachments = [
        { id: 'a1', url: 'https://x.test/1.png', filename: '1.png', contentType: 'image/png', size: 7 },
      ];
      const sentAt = Date.now();
      const posted = await world.call('POST', '/messages', {
        spaceId,
        claims: { role: 'agent' },
        body: { senderId: 'ada', senderType: 'support', text: 'hello', attachments },
      });
      assert.equal(posted.status, 201);
      assert.equal(posted.body.success, true);
      const { message } = posted.body;
      assert.equal(typeof message.id, 'string');
      assert.deepEqual(
        [message.senderId, message.senderType, message.text, message.attachments],
        ['ada', 'support', 'hello', attachments],
      );
      assert.ok(Math.abs(message.createdAt - sentAt) < 60_000, 'createdAt is in ms since 1970');
      assert.equal(message.updatedAt, message.createdAt);
      const asFirst = await first.message('hello');
      assert.equal(asFirst.message.id, message.id);
      const asSecond = await second.message('hello');
      assert.equal(asSecond.message.id, message.id);
      assert.equal(asSecond.message.createdAt, message.createdAt);
    });

    test('GET /messages answers newest first, 50 unless told otherwise, strictly before', async () => {
      const spaceId = world.newSpace();
      const call = await world.caller(spaceId);
      for (let i = 0; i < 53; i += 1) {
        await call('POST', '/messages', { senderId: 'ada', senderType: 'user', text: `m${i}` });
      }
      const page = await call('GET', '/messages');
      assert.equal(page.status, 200);
      assert.equal(page.body.success, true);
      const { messages } = page.body;
      assert.ok(messages.length >= 50, 'a page is extended only to make a group of equal createdAt whole');
      assert.equal(messages[0].text, 'm52');
      messages.forEach((message, i) => {
        assert.equal(message.text, `m${52 - i}`);
      });
      const before = messages[10].createdAt;
      const older = await call('GET', `/messages?limit=5&before=${before}`);
      assert.ok(older.body.messages.length >= 5);
      for (const message of older.body.messages) assert.ok(message.createdAt < before);
      const newestOlder = messages.find((message) => message.createdAt < before);
      assert.equal(older.body.messages[0].id, newestOlder.id);
      const none = await call('GET', '/messages?before=1');
      assert.deepEqual(none.body, { success: true, messages: [], ...extras(none.body) });
    });

    test('participants_and_metadata_are_written', async () => {
      const spaceId = world.newSpace();
      const call = await world.caller(spaceId, { caps: ['metadata'], role: 'agent' });
      assert.deepEqual((await call('GET', '/participants')).body, { success: true, participants: [] });
      assert.deepEqual((await call('GET', '/metadata')).body, { success: true, metadata: {} });
      await call('POST', '/messages', { senderId: 'ada', senderType: 'user', text: 'hi' });
      await call('POST', '/messages', { senderId: 'sue', senderType: 'support', text: 'hi' });
      const put = await call('PUT', '/metadata', { topic: 'boats' });
      assert.equal(put.status, 200);
      assert.deepEqual(put.body, { success: true, metadata: { topic: 'boats' } });
      const { body } = await call('GET', '/participants');
      assert.equal(body.success, true);
      assert.deepEqual(
        body.participants.map(({ userId, role }) => ({ userId, role })),
        [
          { userId: 'ada', role: 'customer' },
          { userId: 'sue', role: 'agent' },
        ],
      );
      for (const { joinedAt } of body.participants) assert.ok(Math.abs(joinedAt - Date.now()) < 60_000);
      assert.deepEqual((await call('GET', '/metadata')).body, {
        success: true,
        metadata: { topic: 'boats' },
      });
    });

    test('POST /typing is broadcast to both versions and stored nowhere', async () => {
      const spaceId = world.newSpace();
      const [first, second] = await Promise.all([world.first(spaceId), world.second(spaceId)]);
      await first.sendMessage({ senderId: 'bob', senderType: 'user', text: 'ready' });
      await first.message('ready');
      const answer = await world.call('POST', '/typing', {
        spaceId,
        body: { userId: 'ada', isTyping: true },
      });
      assert.equal(answer.status, 200);
      assert.deepEqual(answer.body, { success: true });
      const frame = await first.socket.wait(({ type }) => type === 'typing', 'typing');
      assert.deepEqual(frame, { type: 'typing', userId: 'ada', isTyping: true });
      const asSecond = await second.wait(({ type }) => type === 'typing', 'typing');
      assert.deepEqual(asSecond, { type: 'typing', userId: 'ada', isTyping: true });
      const { body } = await world.call('GET', '/participants', { spaceId });
      assert.deepEqual(
        body.participants.map(({ userId }) => userId),
        ['bob'],
        'typing makes nobody a participant',
      );
    });

    test('a page of participants follows the id that its cursor names, however long it is', async () => {
      const spaceId = world.newSpace();
      const ids = ['a', 'b', 'c'].map((end) => `${'x'.repeat(100)}${end}`);
      for (const userId of ids) {
        const token = await world.token(spaceId, { userId });
        const answer = await world.call('POST', '/messages', { spaceId, token, body: { text: 'hi' } });
        assert.equal(answer.status, 201);
      }
      const { body } = await world.call('GET', `/participants?v=2&cursor=${ids[0]}`, { spaceId });
      const listed = body.participants.map(({ userId }) => userId);
      assert.deepEqual(listed.sort(), ids.slice(1));
    });

    test('GET /health names service, version and protocol versions, without credentials', async () => {
      const { status, body, headers } = await world.call('GET', '/health');
      assert.equal(status, 200);
      assert.match(headers.get('content-type'), /^application\/json/);
      assert.equal(body.service, 'kuratchi-spaces');
      assert.match(body.version, /^\d+\.\d+\.\d+/);
      assert.deepEqual(body.protocols, [1, 2]);
    });

    test('HEAD answers as GET does, without a body', async () => {
      const spaceId = world.newSpace();
      for (const path of ['/health', '/messages', '/events', '/participants', '/metadata']) {
        const head = await world.call('HEAD', path, { spaceId });
        assert.equal(head.status, 200, path);
        assert.equal(head.text, '', path);
        assertCors(head, path);
      }
    });

    test('attachments are an array or null, going in and coming out', async () => {
      const spaceId = world.newSpace();
      const call = await world.caller(spaceId);
      const base = { senderId: 'ada', senderType: 'user', text: 'x' };
      const attachment = { id: '1', url: '/files/1', filename: 'f', contentType: 'text/plain', size: 0 };
      for (const attachments of [undefined, null, [], [attachment]]) {
        const { status, body } = await call('POST', '/messages', { ...base, attachments });
        assert.equal(status, 201, JSON.stringify(attachments));
        const out = body.message.attachments ?? null;
        assert.ok(out === null || Array.isArray(out));
        assert.deepEqual(out ?? [], attachments ?? []);
      }
    });

    test('a valid space token is enough: no gateway key is needed', async () => {
      const spaceId = world.newSpace();
      for (const [method, path, body] of ROWS) {
        const { status } = await world.call(method, path, { spaceId, claims: { caps: ['metadata'] }, body });
        assert.ok(status === 200 || status === 201, `${method} ${path}: ${status}`);
      }
    });

    test('with the gateway key every row works too', async () => {
      const spaceId = world.newSpace();
      for (const [method, path, body] of ROWS) {
        const { status } = await world.call(method, path, { spaceId, gatewayKey: world.gatewayKey, body });
        assert.ok(status === 200 || status === 201, `${method} ${path}: ${status}`);
      }
    });
  });

  describe('refusals', { concurrency: true }, () => {
    /** Checks one refusal on every row of the table. */
    async function refusedEverywhere(options, status, error, code) {
      for (const [method, path, body] of ALL_ROWS) {
        const answer = await world.call(method, path, { ...(await options()), body });
        assert.equal(answer.status, status, `${method} ${path}: ${answer.text}`);
        assert.equal(answer.body?.error, error, `${method} ${path}`);
        assert.equal(answer.body.code, code, `${method} ${path}`);
        assertCors(answer, `${method} ${path}`);
      }
    }

    test('400 x-space-id required', () =>
      refusedEverywhere(
        async () => ({ token: await world.token('somewhere'), gatewayKey: world.gatewayKey }),
        400,
        'x-space-id required',
        'spaceIdRequired',
      ));

    test('400 names x-space-id when it is none', async () => {
      for (const spaceId of ['x'.repeat(201), 'a\u0007b', 'é'.repeat(101)]) {
        const answer = await world.call('GET', '/messages', {
          headers: { 'x-space-id': `utf8.${Buffer.from(spaceId).toString('base64url')}` },
          token: 'a.b.1.c',
        });
        assert.equal(answer.status, 400, answer.text);
        assert.match(answer.body.error, /x-space-id/);
        assertCors(answer, spaceId);
      }
    });

    test('401 Invalid or missing gateway key: a wrong one', () =>
      refusedEverywhere(
        () => ({ spaceId: 'somewhere', gatewayKey: `${world.gatewayKey}x` }),
        401,
        'Invalid or missing gateway key',
        'gatewayKeyInvalid',
      ));

    test('401 Invalid or missing gateway key: neither key nor token', () =>
      refusedEverywhere(
        () => ({ spaceId: 'somewhere', token: undefined }),
        401,
        'Invalid or missing gateway key',
        'gatewayKeyInvalid',
      ));

    test('401 Invalid or missing gateway key: Authorization of another scheme', async () => {
      const spaceId = world.newSpace();
      for (const Authorization of ['Basic abc', 'Bearer', 'Bearer ', world.gatewayKey.slice(0, 10)]) {
        const answer = await world.call('GET', '/messages', { spaceId, headers: { Authorization } });
        assert.equal(answer.status, 401, Authorization);
        assert.equal(answer.body.error, 'Invalid or missing gateway key');
      }
    });

    test('401 Missing x-space-token', () =>
      refusedEverywhere(
        () => ({ spaceId: 'somewhere', token: undefined, gatewayKey: world.gatewayKey }),
        401,
        'Missing x-space-token',
        'tokenMissing',
      ));

    test('401 Invalid token format', async () => {
      const good = await world.token('somewhere');
      const [space, rnd, exp, sig] = good.split('.');
      for (const token of [
        'abc',
        'a.b',
        'a.b.c',
        `${space}.${rnd}.0${exp}.${sig}`,
        `${space}.${rnd}.+${exp}.${sig}`,
      ]) {
        const answer = await world.call('GET', '/messages', { spaceId: 'somewhere', token });
        assert.equal(answer.status, 401, token);
        assert.equal(answer.body.error, 'Invalid token format', token);
        assert.equal(answer.body.code, 'tokenInvalid');
      }
      await refusedEverywhere(
        () => ({ spaceId: 'somewhere', token: 'not-a-token' }),
        401,
        'Invalid token format',
        'tokenInvalid',
      );
    });

    test('401 Token space mismatch', () =>
      refusedEverywhere(
        async () => ({ spaceId: 'somewhere', token: await world.token('elsewhere') }),
        401,
        'Token space mismatch',
        'spaceMismatch',
      ));

    test('401 Token expired', () =>
      refusedEverywhere(
        () => ({ spaceId: 'somewhere', token: world.expiredToken('somewhere') }),
        401,
        'Token expired',
        'tokenExpired',
      ));

    test('401 Invalid token signature', async () => {
      const token = await world.forgedToken('somewhere');
      await refusedEverywhere(
        () => ({ spaceId: 'somewhere', token }),
        401,
        'Invalid token signature',
        'tokenInvalid',
      );
    });

    test('an expired token with a forged signature is not said to be expired', async () => {
      const token = world.expiredToken('somewhere').replace(/.{4}$/, 'AAAA');
      const answer = await world.call('GET', '/messages', { spaceId: 'somewhere', token });
      assert.equal(answer.status, 401);
      assert.equal(answer.body.error, 'Invalid token signature');
    });

    test('404 Invalid endpoint, before any question of credentials', async () => {
      for (const path of [
        '/',
        '/message',
        '/messages/1/2',
        '/Messages',
        '/api/messages',
        '/participants/x',
      ]) {
        for (const options of [{}, { spaceId: world.newSpace() }]) {
          const answer = await world.call('GET', path, options);
          assert.equal(answer.status, 404, path);
          assert.equal(answer.body.error, 'Invalid endpoint');
          assertCors(answer, path);
        }
      }
    });

    test('405 Method not allowed, with Allow', async () => {
      const wrong = [
        ['PUT', '/messages', ['GET', 'POST']],
        ['DELETE', '/messages', ['GET', 'POST']],
        ['PATCH', '/messages', ['GET', 'POST']],
        ['POST', '/participants', ['GET']],
        ['GET', '/typing', ['POST']],
        ['POST', '/metadata', ['GET', 'PUT']],
        ['POST', '/health', ['GET']],
        ['GET', '/messages/1', ['PATCH', 'DELETE']],
        ['GET', '/admin/epoch', ['POST']],
      ];
      for (const [method, path, allowed] of wrong) {
        const answer = await world.call(method, path);
        assert.equal(answer.status, 405, `${method} ${path}`);
        assert.equal(answer.body.error, 'Method not allowed');
        const allow = answer.headers.get('allow') ?? '';
        for (const each of allowed) assert.ok(allow.split(/,\s*/).includes(each), `${path}: Allow: ${allow}`);
        assertCors(answer, path);
      }
    });

    test('400 Missing required fields', async () => {
      const spaceId = world.newSpace();
      const call = await world.caller(spaceId);
      const message = { senderId: 'ada', senderType: 'user', text: 'x' };
      for (const field of Object.keys(message)) {
        for (const value of [undefined, null]) {
          const answer = await call('POST', '/messages', { ...message, [field]: value });
          assert.equal(answer.status, 400, `${field}: ${value}`);
          if (value === undefined) assert.equal(answer.body.error, 'Missing required fields');
          assert.equal(answer.body.field, field);
          assertCors(answer, field);
        }
      }
      // As the SDK's worker has it, whose clients show the sentence.
      const empty = await call('POST', '/messages', { ...message, text: '' });
      assert.deepEqual([empty.status, empty.body.error], [400, 'Missing required fields']);
      for (const field of ['userId', 'isTyping']) {
        const answer = await call('POST', '/typing', { userId: 'ada', isTyping: true, [field]: undefined });
        assert.equal(answer.status, 400, field);
        assert.equal(answer.body.error, 'Missing required fields');
        assert.equal(answer.body.field, field);
      }
      assert.deepEqual((await call('GET', '/messages')).body.messages, []);
    });

    test('400 for a body that is no JSON object', async () => {
      const call = await world.caller(world.newSpace(), { caps: ['metadata'] });
      const bodies = [
        '',
        '{',
        'nonsense',
        '[]',
        '"x"',
        '5',
        'null',
        '{"text":"x",}',
        new Uint8Array([0x7b, 0xff, 0x7d]),
      ];
      for (const [method, path] of ROWS.filter(([method]) => method !== 'GET')) {
        for (const body of bodies) {
          const answer = await call(method, path, body);
          assert.equal(answer.status, 400, `${method} ${path} ${body}: ${answer.text}`);
          assert.equal(typeof answer.body.error, 'string');
          assertCors(answer, path);
        }
      }
    });

    test('413 for a body above 256 KiB, announced or not', async () => {
      const call = await world.caller(world.newSpace());
      const text = JSON.stringify({ senderId: 'ada', senderType: 'user', text: 'x'.repeat(256 * 1024) });
      const unannounced = new ReadableStream({
        start(controller) {
          for (let at = 0; at < text.length; at += 65_536) {
            controller.enqueue(Buffer.from(text.slice(at, at + 65_536)));
          }
          controller.close();
        },
      });
      for (const body of [text, unannounced]) {
        const answer = await call('POST', '/messages', body);
        assert.equal(answer.status, 413, answer.text);
        assert.equal(answer.body.code, 'tooLarge');
        assertCors(answer, '413');
      }
    });

    test('429 for long bodies that are not paid for, to their sender alone', async () => {
      const spaceId = world.newSpace();
      const [call, other] = [await world.caller(spaceId), await world.caller(spaceId)];
      const body = { senderId: 'ada', senderType: 'user', text: 'hi', padding: 'x'.repeat(250 * 1024) };
      // Three parts of such a body are paid for; 16 MiB at once, and 1 MiB a second.
      const freeMax = Math.ceil((16 * 1024 * 1024) / (3 * 64 * 1024));
      const answers = [];
      // One after the other: a connection whose request was not read may be dropped.
      for (let i = 0; i < 3 * freeMax; i += 1)
        answers.push(await call('POST', '/messages', body).catch(() => {}));
      const stored = answers.filter((answer) => answer?.status === 201);
      const refused = answers.filter((answer) => answer?.status === 429);
      assert.ok(stored.length >= freeMax, `${stored.length} are let through`);
      assert.ok(refused.length > 0, 'what comes faster is refused');
      for (const answer of refused) {
        assert.equal(answer.body.code, 'rateLimited');
        assert.equal(answer.headers.get('retry-after'), '1');
        assertCors(answer, '429');
      }
      // As above: once more where the connection was one of those that ended.
      const ask = (caller, sent) => {
        const post = () => caller('POST', '/messages', sent);
        return post().catch(post);
      };
      const short = { ...body, padding: 'x'.repeat(60 * 1024) };
      assert.equal((await ask(call, short)).status, 201, 'others are paid for by the request');
      assert.equal((await ask(other, body)).status, 201, 'and other callers have their own');
    });

    test('a_refusal_that_did_not_need_the_body_keeps_the_connection', async () => {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      try {
        for (const bytes of [50, 300_000, 3_000_000]) {
          const refused = await viaAgent(agent, 'POST', '/messages', 'x'.repeat(bytes));
          assert.equal(refused.status, 401, `${bytes} bytes`);
          const next = await viaAgent(agent, 'GET', '/health');
          assert.deepEqual([next.status, next.reused], [200, true], `after ${bytes} bytes`);
        }
      } finally {
        agent.destroy();
      }
    });

    test('limit_abc_is_400_and_not_500', async () => {
      const call = await world.caller(world.newSpace());
      for (const field of ['limit', 'before']) {
        for (const value of ['abc', '-1', '1.5', '1e3', '', 'NaN', '0x10', ' 5']) {
          const answer = await call('GET', `/messages?${field}=${encodeURIComponent(value)}`);
          assert.equal(answer.status, 400, `${field}=${value}: ${answer.text.slice(0, 200)}`);
          assert.equal(answer.body.field, field);
          assert.match(answer.body.error, new RegExp(field));
          assertCors(answer, field);
        }
      }
    });

    test('a limit above what one answer may have is 400, and is not cut without a word', async () => {
      const call = await world.caller(world.newSpace());
      assert.equal((await call('GET', '/messages?limit=1000')).status, 200);
      const answer = await call('GET', '/messages?limit=1001');
      assert.deepEqual([answer.status, answer.body.field], [400, 'limit']);
      assert.equal((await call('GET', '/messages?v=2&limit=1001')).status, 200, 'a cursor leads on');
    });

    test('limit_minus_1_returns_no_rows_and_limit_0_is_not_ignored', async () => {
      const spaceId = world.newSpace();
      const call = await world.caller(spaceId);
      await call('POST', '/messages', { senderId: 'ada', senderType: 'user', text: 'x' });
      for (const limit of ['-1', '0']) {
        const answer = await call('GET', `/messages?limit=${limit}`);
        assert.equal(answer.status, 400);
        assert.equal(answer.body.field, 'limit');
        assert.equal(answer.body.messages, undefined);
      }
    });
  });

  describe('CORS', { concurrency: true }, () => {
    test('OPTIONS is answered before authentication, on every path, with the methods it knows', async () => {
      const every = ['get', 'post', 'put', 'patch', 'delete'];
      for (const [path, known] of [
        ['/messages', ['get', 'post']],
        ['/messages/m1-0', ['patch', 'delete']],
        ['/participants', ['get']],
        ['/typing', ['post']],
        ['/metadata', ['get', 'put']],
        ['/admin/epoch', ['post']],
        ['/health', ['get']],
        // Whoever mistyped a path is to read our 404, and not the browser's word about CORS.
        ['/nowhere', every],
        ['/', every],
      ]) {
        const answer = await world.call('OPTIONS', path, {
          headers: {
            Origin: 'https://app.test',
            'Access-Control-Request-Method': 'POST',
            'Access-Control-Request-Headers': 'authorization,content-type,x-space-id,x-space-token',
          },
        });
        assert.ok(answer.status === 204 || answer.status === 200, `${path}: ${answer.status}`);
        assertCors(answer, path);
        const methods = list(answer, 'access-control-allow-methods');
        assert.deepEqual(methods.sort(), [...known, 'options'].sort(), path);
        const headers = list(answer, 'access-control-allow-headers');
        for (const header of ['authorization', 'content-type', 'x-space-id', 'x-space-token']) {
          assert.ok(headers.includes(header), header);
        }
      }
    });

    test('who keeps answers is told that they are of one room and one person', async () => {
      for (const [path, status] of [
        ['/messages', 401],
        ['/health', 200],
      ]) {
        const answer = await rawGet(path, {});
        assert.equal(answer.status, status);
        for (const name of ['x-space-id', 'x-space-token', 'authorization']) {
          assert.match(answer.headers.vary ?? '', new RegExp(name, 'i'), path);
        }
      }
    });

    test('a listed origin alone is let in where ALLOWED_ORIGINS is set', async () => {
      const strict = await World.start({ vars: { ALLOWED_ORIGINS: 'https://app.test,https://*.shop.test' } });
      try {
        for (const [origin, allowed] of [
          ['https://app.test', true],
          ['https://a.shop.test', true],
          ['https://evil.test', false],
          ['https://app.test.evil.test', false],
          ['https://shop.test.evil', false],
        ]) {
          const answer = await strict.call('GET', '/health', { headers: { Origin: origin } });
          assert.equal(answer.headers.get('access-control-allow-origin'), allowed ? origin : null, origin);
          assert.match(answer.headers.get('vary') ?? '', /origin/i);
        }
      } finally {
        await strict.stop();
      }
    });

    test('a header with bytes that are no text is a refusal and not a crash', async () => {
      const answer = await rawGet('/messages', { 'x-space-id': '\u00ff\u00fe', 'x-space-token': '\u00e9' });
      assert.ok([400, 401].includes(answer.status), String(answer.status));
      assert.equal(answer.headers['access-control-allow-origin'], '*');
    });
  });

  /** One call without credentials over a connection of the agent's. */
  function viaAgent(agent, method, path, body) {
    return new Promise((resolve, reject) => {
      const call = request(`${world.url}${path}`, { agent, method, timeout: 10_000 }, (response) => {
        response.resume();
        response.on('end', () => resolve({ status: response.statusCode, reused: call.reusedSocket }));
      });
      call.on('error', reject);
      call.on('timeout', () => call.destroy(new Error(`${method} ${path} had no answer within 10 s`)));
      call.end(body);
    });
  }

  /** `fetch` checks header values; this does not. */
  function rawGet(path, headers) {
    return new Promise((resolve, reject) => {
      const call = request(`${world.url}${path}`, { headers, timeout: 10_000 }, (response) => {
        response.resume();
        response.on('end', () => resolve({ status: response.statusCode, headers: response.headers }));
      });
      call.on('error', reject);
      call.end();
    });
  }
});

function assertCors({ headers }, what) {
  assert.equal(headers.get('access-control-allow-origin'), '*', `CORS on ${what}`);
}

function list({ headers }, name) {
  return (headers.get(name) ?? '')
    .split(',')
    .map((each) => each.trim().toLowerCase())
    .filter(Boolean);
}

/** Fields that the second version adds to a page. */
function extras({ epoch, seq }) {
  return { ...(epoch === undefined ? {} : { epoch }), ...(seq === undefined ? {} : { seq }) };
}
