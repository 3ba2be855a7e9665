/**
 * What `client(config)` refuses, at once and by name.
 *
 * Owns nothing but expectations; what it sets in the environment, it puts back.
 */

import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';

import { client } from '../../pkg-template/index.node.js';

const GOOD = { spaceId: 'a', spaceToken: 'token', workerUrl: 'https://chat.example' };
const VARIABLE = 'KURATCHI_SPACES_WORKER_URL';

let before;

beforeEach(() => {
  before = process.env[VARIABLE];
  delete process.env[VARIABLE];
});

afterEach(() => {
  if (before === undefined) {
    delete process.env[VARIABLE];
  } else {
    process.env[VARIABLE] = before;
  }
});

function checkRefused(config, field, pattern) {
  assert.throws(
    () => client(config),
    (error) => {
      assert.deepEqual([error.name, error.code, error.field], ['ChatError', 'invalidArgument', field]);
      assert.match(error.message, pattern);
      return true;
    },
  );
}

describe('config', () => {
  test('has to be an object', () => {
    checkRefused(undefined, 'config', /^config must be an object \(got undefined\)$/);
    checkRefused(null, 'config', /\(got null\)/);
    checkRefused('a', 'config', /\(got string\)/);
  });

  test('a_spaceId_with_a_dot_or_not_in_ASCII_can_be_used', () => {
    const full = ['x'.repeat(200), '%'.repeat(200), 'é'.repeat(100), '🦀'.repeat(50)];
    for (const spaceId of ['房间', 'é', '%41', 'with space', 'with.dot', '🦀', ...full]) {
      client({ ...GOOD, spaceId }).close();
    }
  });

  test('names a spaceId that is not one', () => {
    const expected = /^spaceId must be a string of 1 to 200 bytes in UTF-8 without control characters \(got /;
    for (const spaceId of [
      undefined,
      null,
      '',
      7,
      {},
      'a\nb',
      '\u0085',
      'x'.repeat(201),
      '房'.repeat(67),
      'é'.repeat(101),
      '🦀'.repeat(51),
      '%'.repeat(201),
      'a\ud83d',
    ]) {
      checkRefused({ ...GOOD, spaceId }, 'spaceId', expected);
    }
  });

  test('takes the worker address from the environment, else says the text that apps match on', () => {
    const { workerUrl, ...rest } = GOOD;
    for (const absent of [undefined, null, '']) {
      const text = /^workerUrl is required or set KURATCHI_SPACES_WORKER_URL$/;
      checkRefused({ ...rest, workerUrl: absent }, 'workerUrl', text);
    }
    process.env[VARIABLE] = workerUrl;
    client(rest).close();
  });

  test('names a worker address that is not one', () => {
    for (const workerUrl of ['https://a/x?k=v', 'HTTP://a:1', 'wss://[::1]:1', ' https://a ', 'ws://a#f']) {
      client({ ...GOOD, workerUrl }).close();
    }
    for (const workerUrl of [
      'a.b',
      '/chat',
      'ftp://a',
      'https:a',
      'https://',
      'https:///x',
      'https://u:p@a',
      'https://a b',
      7,
    ]) {
      checkRefused({ ...GOOD, workerUrl }, 'workerUrl', /^workerUrl must be an absolute URL with http/);
    }
  });

  test('names every other value that is not as expected, and never quotes it', () => {
    checkRefused(
      { ...GOOD, spaceToken: 7 },
      'spaceToken',
      /must be a non-empty string, or a function .*\(got number\)/,
    );
    checkRefused({ ...GOOD, spaceToken: '' }, 'spaceToken', /\(got an empty string\)/);
    for (const userId of [7, '']) {
      checkRefused(
        { ...GOOD, userId },
        'userId',
        /^userId must be the id that .*, a non-empty string \(got (number|an empty string)\)$/,
      );
    }
    client({ ...GOOD, userId: null }).close();
    checkRefused(
      { ...GOOD, gatewayKey: ['secret'] },
      'gatewayKey',
      /^gatewayKey must be a string \(got array\)$/,
    );
    checkRefused(
      { ...GOOD, tokenFor: 'token' },
      'tokenFor',
      /^tokenFor must be a function that gives a room's token \(got string\)$/,
    );
    checkRefused(
      { ...GOOD, legacyWorker: 'yes', gatewayKey: 'k' },
      'legacyWorker',
      /^legacyWorker must be true or false \(got string\)$/,
    );
    for (const gatewayKey of [undefined, '']) {
      checkRefused(
        { ...GOOD, legacyWorker: true, gatewayKey },
        'gatewayKey',
        /is required with legacyWorker: true/,
      );
    }
    checkRefused({ ...GOOD, order: 'newest' }, 'order', /^order must be 'asc' or 'desc' \(got string\)$/);
    checkRefused(
      { ...GOOD, webSocket: {} },
      'webSocket',
      /^webSocket must be a WebSocket class \(got object\)$/,
    );
    for (const wasm of [7, {}, '', [0]]) {
      checkRefused(
        { ...GOOD, wasm },
        'wasm',
        /^wasm must be a URL, a WebAssembly\.Module, or the bytes of one/,
      );
    }
    client({ ...GOOD, wasm: new Uint8Array(1) }).close();
    const callbacks = [
      'onMessage',
      'onTyping',
      'onConnectionChange',
      'onError',
      'onStateChange',
      'onPresence',
    ];
    for (const name of [...callbacks, 'onParticipant', 'onMetadata', 'onDiscontinuity']) {
      checkRefused({ ...GOOD, [name]: true }, name, /must be a function \(got boolean\)/);
      client({ ...GOOD, [name]: undefined }).close();
    }
  });

  test('an unknown field is ignored, as the TypeScript SDK does', () => {
    client({ ...GOOD, reconnect: true }).close();
  });
});

test('a client without a token is told so by the call that needs one', async () => {
  const made = client({ ...GOOD, spaceToken: undefined });
  for (const call of [() => made.connect(), () => made.getMessages(), () => made.setTyping('ada', true)]) {
    await assert.rejects(call(), (error) => {
      assert.deepEqual([error.code, error.field], ['invalidArgument', 'spaceToken']);
      assert.match(error.message, /^spaceToken is required: pass the one that your server made/);
      return true;
    });
  }
});
