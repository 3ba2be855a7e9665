/**
 * Every field at its limit and just above it, alike over HTTP and over a socket.
 *
 * Owns the table of good and bad values. Must not know the wording of an error, save that it names the field.
 */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { World } from './lib/world.mjs';

const TEXT_BYTES_MAX = 16_384;
const URL_BYTES_MAX = 2_048;
const FILENAME_BYTES_MAX = 255;
const NAME_BYTES_MAX = 128;

const attachment = (changes) => ({
  id: 'a1',
  url: 'https://files.test/1.png',
  filename: '1.png',
  contentType: 'image/png',
  size: 1,
  ...changes,
});
const url = (bytes) => `https://files.test/${'u'.repeat(bytes - 'https://files.test/'.length)}`;

/** What is within the limits: a name, and the fields that differ from a plain message. */
const GOOD = [
  ['text of 1 byte', { text: 'x' }],
  ['text of 16 KiB', { text: 'x'.repeat(TEXT_BYTES_MAX) }],
  ['text of 16 KiB in 2-byte characters', { text: 'é'.repeat(TEXT_BYTES_MAX / 2) }],
  ['text of 16 KiB in emoji', { text: '🙂'.repeat(TEXT_BYTES_MAX / 4) }],
  ['text of 16 KiB of quotes and backslashes', { text: '"\\'.repeat(TEXT_BYTES_MAX / 2) }],
  [
    'text of 16 KiB of control characters, which JSON writes six times as long',
    { text: '\u0001'.repeat(TEXT_BYTES_MAX) },
  ],
  ['the same with one character that is not ASCII', { text: `${'\u0001'.repeat(TEXT_BYTES_MAX - 2)}é` }],
  ['text with line ends, tabs, zero bytes and right-to-left marks', { text: 'a\r\n\tb\u0000c\u202ed' }],
  ['text that looks like JSON', { text: '{"type":"auth"}' }],
  ['senderId of 128 bytes', { senderId: 'n'.repeat(NAME_BYTES_MAX) }],
  ['senderId of 128 bytes in 2-byte characters', { senderId: 'é'.repeat(NAME_BYTES_MAX / 2) }],
  ['senderType user', { senderType: 'user' }],
  ['senderType support', { senderType: 'support' }],
  ['clientMessageId of 128 bytes', { clientMessageId: randomUUID().padEnd(NAME_BYTES_MAX, '-') }],
  ['attachments null', { attachments: null }],
  ['no attachments', { attachments: [] }],
  ['20 attachments', { attachments: Array.from({ length: 20 }, (_, i) => attachment({ id: `a${i}` })) }],
  ['url of 2 KiB', { attachments: [attachment({ url: url(URL_BYTES_MAX) })] }],
  ['url with http', { attachments: [attachment({ url: 'http://files.test/1' })] }],
  ['relative url', { attachments: [attachment({ url: '/files/1' })] }],
  ['file name with the time of day', { attachments: [attachment({ url: '2026-11-28T12:30.png' })] }],
  ['filename of 255 bytes', { attachments: [attachment({ filename: 'f'.repeat(FILENAME_BYTES_MAX) })] }],
  ['attachment id of 128 bytes', { attachments: [attachment({ id: 'i'.repeat(NAME_BYTES_MAX) })] }],
  ['size 0', { attachments: [attachment({ size: 0 })] }],
  ['the largest size', { attachments: [attachment({ size: Number.MAX_SAFE_INTEGER })] }],
  ['a key that nobody knows', { colour: 'red' }],
  [
    'everything at its limit at once',
    {
      text: 'x'.repeat(TEXT_BYTES_MAX),
      senderId: 'm'.repeat(NAME_BYTES_MAX),
      attachments: Array.from({ length: 20 }, () =>
        attachment({
          id: 'i'.repeat(NAME_BYTES_MAX),
          url: url(URL_BYTES_MAX),
          filename: 'f'.repeat(FILENAME_BYTES_MAX),
          contentType: 'c'.repeat(FILENAME_BYTES_MAX),
        }),
      ),
    },
  ],
];

/** What is not: a name, the field at fault, the fields that differ. */
const BAD = [
  ['text of 16 KiB and 1 byte', 'text', { text: 'x'.repeat(TEXT_BYTES_MAX + 1) }],
  ['text of few characters and too many bytes', 'text', { text: 'é'.repeat(TEXT_BYTES_MAX / 2 + 1) }],
  ['text as an object', 'text', { text: { a: 1 } }],
  ['text as a number', 'text', { text: 5 }],
  ['text as an array', 'text', { text: ['x'] }],
  ['text as a boolean', 'text', { text: true }],
  ['senderId of 129 bytes', 'senderId', { senderId: 'n'.repeat(NAME_BYTES_MAX + 1) }],
  ['senderId as a number', 'senderId', { senderId: 5 }],
  ['senderId as an object', 'senderId', { senderId: {} }],
  ['senderType of another word', 'senderType', { senderType: 'boss' }],
  ['senderType as a number', 'senderType', { senderType: 1 }],
  ['clientMessageId of 129 bytes', 'clientMessageId', { clientMessageId: 'c'.repeat(NAME_BYTES_MAX + 1) }],
  ['clientMessageId as a number', 'clientMessageId', { clientMessageId: 7 }],
  ['attachments as an object', 'attachments', { attachments: {} }],
  ['attachments as text', 'attachments', { attachments: 'x' }],
  ['21 attachments', 'attachments', { attachments: Array.from({ length: 21 }, () => attachment()) }],
  ['an attachment that is null', 'attachments', { attachments: [null] }],
  ['an attachment that is text', 'attachments', { attachments: ['https://files.test/1'] }],
  ['url of 2 KiB and 1 byte', 'url', { attachments: [attachment({ url: url(URL_BYTES_MAX + 1) })] }],
  ['url that runs a script', 'url', { attachments: [attachment({ url: 'javascript:alert(1)' })] }],
  ['url of a script in disguise', 'url', { attachments: [attachment({ url: ' JaVaScRiPt:alert(1)' })] }],
  [
    'url of a script with a line end inside',
    'url',
    { attachments: [attachment({ url: 'java\nscript:alert(1)' })] },
  ],
  ['url that carries data', 'url', { attachments: [attachment({ url: 'data:text/html,x' })] }],
  ['url that no browser reads', 'url', { attachments: [attachment({ url: 'http://[' })] }],
  ['url with a port that is none', 'url', { attachments: [attachment({ url: 'https://x:99999/' })] }],
  ['url as a number', 'url', { attachments: [attachment({ url: 5 })] }],
  ['no url', 'url', { attachments: [attachment({ url: undefined })] }],
  ['filename of 256 bytes', 'filename', { attachments: [attachment({ filename: 'f'.repeat(256) })] }],
  ['filename as a number', 'filename', { attachments: [attachment({ filename: 5 })] }],
  ['contentType as a number', 'contentType', { attachments: [attachment({ contentType: 5 })] }],
  ['attachment id of 129 bytes', 'id', { attachments: [attachment({ id: 'i'.repeat(129) })] }],
  ['negative size', 'size', { attachments: [attachment({ size: -1 })] }],
  ['size with a fraction', 'size', { attachments: [attachment({ size: 1.5 })] }],
  ['size as text', 'size', { attachments: [attachment({ size: '1' })] }],
];

/** What the contract leaves open: whatever the answer, it is one for both transports. */
const OPEN = [
  ['empty text', { text: '' }],
  ['text of blanks', { text: '   ' }],
  ['empty senderId', { senderId: '' }],
  ['senderId with a control character', { senderId: 'a\u0007b' }],
  ['senderId with half a surrogate pair', { senderId: 'a\ud83d' }],
  ['text with half a surrogate pair', { text: 'a\ud83d' }],
  ['empty clientMessageId', { clientMessageId: '' }],
  ['clientMessageId null', { clientMessageId: null }],
  ['empty url', { attachments: [attachment({ url: '' })] }],
  ['url without a scheme', { attachments: [attachment({ url: '//files.test/1' })] }],
  ['empty filename', { attachments: [attachment({ filename: '' })] }],
  ['empty contentType', { attachments: [attachment({ contentType: '' })] }],
  ['size null', { attachments: [attachment({ size: null })] }],
  ['size above what numbers hold', { attachments: [attachment({ size: 2 ** 53 })] }],
  ['size 1e999', { attachments: [attachment({ size: Number.POSITIVE_INFINITY })] }],
];

describe('fields of a message', { concurrency: true }, () => {
  let world;
  before(async () => {
    world = await World.start();
  });
  after(() => world.stop());

  const draft = (fields) => ({ senderId: 'ada', senderType: 'user', text: 'x', ...fields });

  /** Names nobody, and may speak as support. */
  const claims = { role: 'agent' };

  async function overHttp(spaceId, fields) {
    const { status, body } = await world.call('POST', '/messages', { spaceId, claims, body: draft(fields) });
    return { status, code: body.code, field: body.field, error: body.error, message: body.message };
  }

  /** The answer to a message over a socket: its event, or the error. */
  async function overSocket(client, fields) {
    const from = client.frames.length;
    client.send({ type: 'message', ...draft(fields) });
    const isAnswer = ({ type }) => type === 'message' || type === 'error';
    const { code, error, message } = await client.wait(isAnswer, 'an answer', { from });
    return { code, error, message };
  }

  test('every_message_within_the_limits_is_accepted_by_both_transports', async () => {
    const [here, there] = [world.newSpace(), world.newSpace()];
    const client = await world.second(there, claims);
    for (const [name, fields] of GOOD) {
      const http = await overHttp(here, fields);
      assert.equal(http.status, 201, `HTTP: ${name}: ${http.error}`);
      const socket = await overSocket(client, fields);
      assert.equal(socket.code, undefined, `socket: ${name}: ${socket.error}`);
      for (const { message } of [http, socket]) {
        const expected = draft(fields);
        assert.equal(message.text, expected.text, name);
        assert.equal(message.senderId, expected.senderId, name);
        assert.deepEqual(message.attachments ?? [], expected.attachments ?? [], name);
        assert.equal(message.colour, undefined, 'unknown keys are not stored');
      }
    }
    client.assertGapless();
  });

  for (const [name, field, fields] of BAD) {
    test(`refused alike over HTTP and socket, naming ${field}: ${name}`, async () => {
      const spaceId = world.newSpace();
      const client = await world.second(spaceId);
      const http = await overHttp(spaceId, fields);
      assert.equal(http.status, 400, http.error);
      const socket = await overSocket(client, fields);
      assert.equal(socket.message, undefined, 'the socket must refuse it');
      assert.equal(socket.code, http.code);
      assert.ok(['invalidField', 'missingField'].includes(http.code), http.code);
      assert.match(http.field, new RegExp(`\\b${field}\\b`), 'the body names the field');
      if (http.code === 'invalidField') {
        assert.match(http.error, new RegExp(`\\b${field}\\b`), 'the text names the field');
        assert.match(socket.error, new RegExp(`\\b${field}\\b`), 'the frame names the field');
      }
      const { body } = await world.call('GET', '/messages', { spaceId });
      assert.deepEqual(body.messages, [], 'nothing of it is stored');
    });
  }

  test('what the contract leaves open has one answer for both transports', async () => {
    const [here, there] = [world.newSpace(), world.newSpace()];
    const client = await world.second(there);
    for (const [name, fields] of OPEN) {
      const http = await overHttp(here, fields);
      const socket = await overSocket(client, fields);
      assert.equal(socket.code, http.code, name);
      if (http.code === undefined) assert.equal(socket.message.text, http.message.text, name);
      else assert.ok(http.status >= 400 && http.status < 500, `${name}: ${http.status}`);
    }
  });

  test('text_may_not_be_an_object', async () => {
    const spaceId = world.newSpace();
    const call = await world.caller(spaceId);
    const answer = await call('POST', '/messages', draft({ text: { toString: 'x' } }));
    assert.equal(answer.status, 400);
    assert.equal(answer.body.field, 'text');
  });

  test('isTyping and userId are checked alike', async () => {
    const spaceId = world.newSpace();
    const client = await world.second(spaceId);
    for (const [field, value] of [
      ['isTyping', 'yes'],
      ['isTyping', 1],
      ['userId', 5],
      ['userId', {}],
      ['userId', 'u'.repeat(NAME_BYTES_MAX + 1)],
    ]) {
      const body = { userId: 'ada', isTyping: true, [field]: value };
      const http = await world.call('POST', '/typing', { spaceId, body });
      assert.equal(http.status, 400, `${field}: ${value}`);
      assert.equal(http.body.field, field);
      const from = client.frames.length;
      client.send({ type: 'typing', ...body });
      const frame = await client.wait(({ type }) => type === 'error' || type === 'typing', 'an answer', {
        from,
      });
      assert.equal(frame.code, http.body.code, `${field}: ${value}`);
    }
  });

  test('half of an emoji, as an escape, is stored and not a fault', async () => {
    const spaceId = world.newSpace();
    const client = await world.second(spaceId);
    client.sendText(
      '{"type":"message","senderId":"ada","senderType":"user","clientMessageId":"half-1","text":"cut \\ud83d here"}',
    );
    const answer = await client.answer('half-1');
    assert.equal(answer.type, 'ack', JSON.stringify(answer));
    const posted = await world.call('POST', '/messages', {
      spaceId,
      body: '{"senderId":"ada","senderType":"user","text":"cut \\ud83d here"}',
    });
    assert.equal(posted.status, 201, posted.text);
    const { body } = await world.call('GET', '/messages', { spaceId });
    assert.equal(body.messages.length, 2);
    for (const { text } of body.messages) assert.match(text, /^cut .+ here$/s);
    assert.equal(client.isOpen, true);
  });
});

describe('fields of metadata', { concurrency: true }, () => {
  let world;
  before(async () => {
    world = await World.start();
  });
  after(() => world.stop());

  const caller = (spaceId) => world.caller(spaceId, { caps: ['metadata'] });

  test('PUT merges, null removes, and what is not named stays', async () => {
    const call = await caller(world.newSpace());
    assert.deepEqual((await call('PUT', '/metadata', { a: '1', b: '2' })).body.metadata, { a: '1', b: '2' });
    assert.deepEqual((await call('PUT', '/metadata', { b: null, c: '3' })).body.metadata, { a: '1', c: '3' });
    assert.deepEqual((await call('PUT', '/metadata', { nobody: null })).body.metadata, { a: '1', c: '3' });
    assert.deepEqual((await call('PUT', '/metadata', {})).body.metadata, { a: '1', c: '3' });
    assert.deepEqual((await call('GET', '/metadata')).body.metadata, { a: '1', c: '3' });
  });

  test('64 keys of 4 KiB are taken, the 65th and the 4097th byte are not', async () => {
    const call = await caller(world.newSpace());
    const value = 'v'.repeat(4_096);
    // 64 keys of 4 KiB are more than one body may hold.
    for (const from of [0, 32]) {
      const part = Object.fromEntries(Array.from({ length: 32 }, (_, i) => [`key${from + i}`, value]));
      const answer = await call('PUT', '/metadata', part);
      assert.equal(answer.status, 200, answer.text.slice(0, 200));
    }
    const full = await call('GET', '/metadata');
    assert.equal(Object.keys(full.body.metadata).length, 64);
    const more = await call('PUT', '/metadata', { another: 'x' });
    assert.equal(more.status, 400);
    const replaced = await call('PUT', '/metadata', { key0: null, another: 'x' });
    assert.equal(replaced.status, 200, 'a key that goes makes room for one that comes');
    const long = await call('PUT', '/metadata', { key1: `${value}v` });
    assert.equal(long.status, 400);
    assert.equal((await call('GET', '/metadata')).body.metadata.key1, value);
  });

  test('every bad key and value is a 400 that names it, and changes nothing', async () => {
    const call = await caller(world.newSpace());
    await call('PUT', '/metadata', { kept: 'yes' });
    for (const [name, body] of [
      ['number', { good: 'x', bad: 5 }],
      ['object', { good: 'x', bad: {} }],
      ['array', { good: 'x', bad: [] }],
      ['boolean', { good: 'x', bad: true }],
      ['long key', { good: 'x', ['k'.repeat(129)]: 'v' }],
      ['empty key', { good: 'x', '': 'v' }],
      ['control character in a key', { good: 'x', 'a\u0000b': 'v' }],
    ]) {
      const answer = await call('PUT', '/metadata', body);
      assert.equal(answer.status, 400, name);
      assert.equal(typeof answer.body.field, 'string', name);
    }
    assert.deepEqual((await call('GET', '/metadata')).body.metadata, { kept: 'yes' });
  });

  test('keys that JavaScript finds special are keys like any other', async () => {
    const call = await caller(world.newSpace());
    const put = await call('PUT', '/metadata', '{"__proto__":"p","constructor":"c","房间":"r"}');
    assert.equal(put.status, 200, put.text);
    const { text } = await call('GET', '/metadata');
    assert.match(text, /"__proto__":"p"/);
    assert.match(text, /"constructor":"c"/);
    assert.match(text, /"房间":"r"/);
  });

  test('PUT needs the capability or the gateway key', async () => {
    const spaceId = world.newSpace();
    const plain = await world.call('PUT', '/metadata', { spaceId, body: { a: '1' } });
    assert.equal(plain.status, 403);
    assert.equal(plain.body.code, 'capRequired');
    const keyed = await world.call('PUT', '/metadata', {
      spaceId,
      gatewayKey: world.gatewayKey,
      body: { a: '1' },
    });
    assert.equal(keyed.status, 200);
  });

  test('a change is an event to sockets of the second version, and to no others', async () => {
    const spaceId = world.newSpace();
    const [first, second] = await Promise.all([world.first(spaceId), world.second(spaceId)]);
    await first.sendMessage({ senderId: 'bob', senderType: 'user', text: 'ready' });
    await second.message('ready');
    const call = await caller(spaceId);
    await call('PUT', '/metadata', { topic: 'boats' });
    const event = await second.wait(({ type }) => type === 'metadata', 'metadata');
    assert.equal(typeof event.seq, 'number');
    assert.match(JSON.stringify(event), /"topic":"boats"/);
    await call('PUT', '/metadata', { topic: 'boats' });
    await call('POST', '/messages', { senderId: 'bob', senderType: 'user', text: 'after' });
    await Promise.all([first.message('after'), second.message('after')]);
    assert.equal(second.ofType('metadata').length, 1, 'what changes nothing is no event');
    assert.deepEqual([...new Set(first.socket.frames.map(({ type }) => type))], ['message']);
    second.assertGapless();
  });
});
