/**
 * Space tokens in JavaScript: against the vectors that Rust reads too, and every bad argument.
 *
 * Owns nothing but expectations. The clock and the random source are fixed where a vector needs them.
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, mock, test } from 'node:test';

import { ChatError } from '../../pkg-template/errors.js';
import { generateSpaceToken, generateToken, validateSpaceToken } from '../../pkg-template/tokens.js';

const vectors = JSON.parse(readFileSync(new URL('../vectors/tokens.json', import.meta.url), 'utf8'));

const KEY = 'kuratchi-test-gateway-key';
const KEY_VARIABLES = ['KURATCHI_GATEWAY_KEY', 'KURATCHI_SPACES_GATEWAY_KEY'];

let environmentBefore;

beforeEach(() => {
  environmentBefore = KEY_VARIABLES.map((name) => process.env[name]);
  for (const name of KEY_VARIABLES) {
    delete process.env[name];
  }
});

afterEach(() => {
  mock.restoreAll();
  KEY_VARIABLES.forEach((name, index) => {
    if (environmentBefore[index] === undefined) {
      delete process.env[name];
    } else {
      process.env[name] = environmentBefore[index];
    }
  });
});

function setClock(now) {
  mock.method(Date, 'now', () => now);
}

/** Lets the random source give the bytes that `base64url` spells. */
function setRandom(base64url) {
  const bytes = Buffer.from(base64url, 'base64url');
  mock.method(globalThis.crypto, 'getRandomValues', (target) => {
    assert.equal(target.length, bytes.length);
    target.set(bytes);
    return target;
  });
}

/** The claims of a token, read without the code under test. */
function claimsOf(token) {
  const encoded = token.split('.').at(-3).split('~')[1];
  return encoded === undefined ? undefined : JSON.parse(Buffer.from(encoded, 'base64url').toString('utf8'));
}

async function checkRefused(promise, field, message) {
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof ChatError, String(error));
    assert.equal(error.code, 'invalidArgument');
    assert.equal(error.retryable, false);
    assert.equal(error.field, field);
    assert.match(error.message, message);
    return true;
  });
}

describe('vectors', () => {
  assert.ok(vectors.accepted.length >= 20 && vectors.refused.length >= 50, 'the file of vectors is whole');

  for (const vector of vectors.accepted) {
    test(`accepts: ${vector.name}`, async () => {
      setClock(vector.now);
      assert.equal(await validateSpaceToken(vector.token, vector.spaceId, vector.gatewayKey), true);
    });
    if (vector.mint) {
      test(`mints: ${vector.name}`, async () => {
        const expiryMs = 3_600_000;
        const { sub: userId, ...rest } = vector.mint.claims;
        setClock(vector.claims.exp - expiryMs);
        setRandom(vector.mint.random);
        const options = { gatewayKey: vector.gatewayKey, expiryMs, userId, ...rest };
        assert.equal(await generateToken(vector.spaceId, options), vector.token);
      });
    }
  }

  for (const vector of vectors.refused.filter(({ gatewayKey }) => gatewayKey !== '')) {
    test(`refuses: ${vector.name} (${vector.error})`, async () => {
      setClock(vector.now);
      assert.equal(await validateSpaceToken(vector.token, vector.spaceId, vector.gatewayKey), false);
    });
  }
});

describe('generateSpaceToken', () => {
  test('makes a token for one hour that its own verifier accepts', async () => {
    const before = Date.now();
    const token = await generateSpaceToken('conversation-abc123', KEY);
    const after = Date.now();
    const [spaceId, random, exp, signature] = token.split('.');
    assert.equal(spaceId, 'conversation-abc123');
    assert.match(random, /^[A-Za-z0-9_-]{22}$/);
    assert.match(signature, /^[A-Za-z0-9_-]{43}$/);
    assert.ok(Number(exp) >= before + 3_600_000 && Number(exp) <= after + 3_600_000);
    assert.equal(await validateSpaceToken(token, 'conversation-abc123', KEY), true);
  });

  test('a spaceId with a dot, or not in ASCII, can be used', async () => {
    for (const spaceId of ['a.b.c', '房间', 'é', '%41', 'two words', '🦀'.repeat(50)]) {
      const token = await generateSpaceToken(spaceId, KEY);
      assert.equal(await validateSpaceToken(token, spaceId, KEY), true, spaceId);
      assert.equal(await validateSpaceToken(token, `${spaceId}x`, KEY), false, spaceId);
      assert.equal(await validateSpaceToken(token, spaceId, `${KEY}x`), false, spaceId);
    }
  });

  test('no two tokens are alike', async () => {
    setClock(1_760_000_000_000);
    const tokens = await Promise.all(Array.from({ length: 200 }, () => generateSpaceToken('room', KEY)));
    assert.equal(new Set(tokens).size, tokens.length);
  });

  test('a token is good up to its last millisecond', async () => {
    setClock(1_000);
    const token = await generateSpaceToken('room', KEY, 1);
    for (const [now, expected] of [
      [1_000, true],
      [1_001, true],
      [1_002, false],
    ]) {
      mock.restoreAll();
      setClock(now);
      assert.equal(await validateSpaceToken(token, 'room', KEY), expected, String(now));
    }
  });

  test('the longest expiry is ten years', async () => {
    setClock(1_760_000_000_000);
    const token = await generateSpaceToken('room', KEY, 315_360_000_000);
    assert.equal(token.split('.')[2], '2075360000000');
  });

  test('a bad spaceId is named', async () => {
    for (const spaceId of [undefined, null, 7, {}, '', 'a\nb', 'a\u0000', 'a\u007f', 'a\u0085', '\ud83e']) {
      await checkRefused(generateSpaceToken(spaceId, KEY), 'spaceId', /^spaceId must be .*200 UTF-8 bytes/);
    }
    await checkRefused(generateSpaceToken('x'.repeat(201), KEY), 'spaceId', /got 201 bytes/);
    await checkRefused(generateSpaceToken('房'.repeat(67), KEY), 'spaceId', /got 201 bytes/);
  });

  test('a bad gatewayKey is named and never shown', async () => {
    for (const gatewayKey of [undefined, null, '', 7, ['secret'], 'secret\ud83e']) {
      await checkRefused(
        generateSpaceToken('room', gatewayKey),
        'gatewayKey',
        /^gatewayKey must be (?!.*secret)/,
      );
    }
  });

  test('a bad expiryMs is named', async () => {
    for (const expiryMs of [null, 0, -1, 1.5, Number.NaN, Infinity, '3600000', 10n, 315_360_000_001]) {
      await checkRefused(
        generateSpaceToken('room', KEY, expiryMs),
        'expiryMs',
        /^expiryMs must be a whole number/,
      );
    }
  });

  test('without WebCrypto it says so', async () => {
    mock.getter(globalThis.crypto, 'subtle', () => undefined);
    await assert.rejects(generateSpaceToken('room', KEY), { name: 'ChatError', code: 'unsupported' });
  });
});

describe('generateToken', () => {
  test('writes who the bearer is', async () => {
    const person = { userId: 'ada', name: 'Ada', role: 'agent', caps: ['metadata:write'] };
    const token = await generateToken('room', { gatewayKey: KEY, ...person });
    assert.deepEqual(claimsOf(token), { sub: 'ada', name: 'Ada', role: 'agent', caps: ['metadata:write'] });
    assert.equal(token.split('.').length, 4);
    assert.equal(await validateSpaceToken(token, 'room', KEY), true);
  });

  test('without a person there are no claims', async () => {
    assert.equal(claimsOf(await generateToken('room', { gatewayKey: KEY })), undefined);
    assert.equal(claimsOf(await generateToken('room', { gatewayKey: KEY, caps: [] })), undefined);
  });

  test('the gateway key comes from the option, then from one variable, then from the other', async () => {
    process.env.KURATCHI_SPACES_GATEWAY_KEY = 'third';
    assert.equal(await validateSpaceToken(await generateToken('room'), 'room', 'third'), true);
    process.env.KURATCHI_GATEWAY_KEY = 'second';
    for (const options of [undefined, null, {}, { gatewayKey: undefined }, { gatewayKey: '' }]) {
      assert.equal(await validateSpaceToken(await generateToken('room', options), 'room', 'second'), true);
    }
    const token = await generateToken('room', { gatewayKey: 'first' });
    assert.equal(await validateSpaceToken(token, 'room', 'first'), true);
  });

  test('without any gateway key it says what to set', async () => {
    const text = /^gatewayKey is required or set KURATCHI_SPACES_GATEWAY_KEY$/;
    await checkRefused(generateToken('room'), 'gatewayKey', text);
    await checkRefused(generateToken('room', { gatewayKey: '' }), 'gatewayKey', text);
    // Below the text, which apps of the TypeScript SDK look for as it is.
    await assert.rejects(generateToken('room'), ({ cause }) =>
      /KURATCHI_GATEWAY_KEY .*`npx kuratchi-spaces dev --write-env .env.local`.*process\.env/.test(
        cause.message,
      ),
    );
  });

  test('bad options are named', async () => {
    const refused = (options, field) =>
      checkRefused(
        generateToken('room', { gatewayKey: KEY, ...options }),
        field,
        new RegExp(`^${field} must be `),
      );
    for (const label of [null, '', 7, 'a\tb', 'x'.repeat(129), 'é'.repeat(65), '\ude00', {}]) {
      await refused({ userId: label }, 'userId');
      await refused({ userId: 'ada', name: label }, 'name');
    }
    for (const role of [null, '', 'system', 'Agent', ['agent'], 1]) {
      await refused({ role }, 'role');
    }
    const long = Array.from({ length: 17 }, () => 'a');
    const wrong = [[''], ['A'], ['a b'], [1], [undefined], new Array(1), ['a'.repeat(33)], long];
    for (const caps of [null, 'system', {}, ...wrong]) {
      await refused({ caps }, 'caps');
    }
    await refused({ gatewayKey: 7 }, 'gatewayKey');
    await refused({ expiryMs: '1h' }, 'expiryMs');
    await checkRefused(generateToken('', { gatewayKey: KEY }), 'spaceId', /^spaceId must be /);
    await checkRefused(generateToken('room', 'key'), 'options', /^options must be an object$/);
  });
});

describe('validateSpaceToken', () => {
  test('whatever is no token is false, never an exception', async () => {
    const noTokens = [
      undefined,
      null,
      7,
      {},
      [],
      '',
      '.',
      '..',
      '...',
      '....',
      'a...',
      '.a.1.b',
      'a.b.1.\ud83e',
    ];
    for (const token of [
      ...noTokens,
      '\u0000',
      'é'.repeat(5_000),
      '.'.repeat(4_096),
      'a.b~.1.c',
      'a.~.1.c',
    ]) {
      assert.equal(await validateSpaceToken(token, 'room', KEY), false, String(token).slice(0, 20));
      assert.equal(await validateSpaceToken(token, '', KEY), false, String(token).slice(0, 20));
    }
  });

  test('a token that inspects lets nobody in, whatever else it says', async () => {
    for (const caps of [['inspect'], ['metadata', 'moderate', 'system', 'inspect']]) {
      const token = await generateToken('room', { gatewayKey: KEY, userId: 'ada', role: 'agent', caps });
      assert.equal(await validateSpaceToken(token, 'room', KEY), false, String(caps));
    }
    const like = await generateToken('room', { gatewayKey: KEY, caps: ['inspect:other', 'inspector'] });
    assert.equal(await validateSpaceToken(like, 'room', KEY), true);
  });

  test('changing any one character of a token breaks it', async () => {
    const token = await generateToken('room', { gatewayKey: KEY, userId: 'ada' });
    for (let at = 0; at < token.length; at += 1) {
      for (const other of ['A', 'B', '.', '0', '~', '=', '']) {
        const changed = token.slice(0, at) + other + token.slice(at + 1);
        if (changed !== token) {
          assert.equal(await validateSpaceToken(changed, 'room', KEY), false, changed);
        }
      }
    }
  });

  test('a bad spaceId or gatewayKey is the caller’s mistake and is named', async () => {
    for (const spaceId of [undefined, null, 7]) {
      await checkRefused(validateSpaceToken('a.b.1.c', spaceId, KEY), 'spaceId', /^spaceId must be a string/);
    }
    for (const gatewayKey of [undefined, null, '', 7]) {
      await checkRefused(
        validateSpaceToken('a.b.1.c', 'a', gatewayKey),
        'gatewayKey',
        /^gatewayKey must be /,
      );
    }
  });
});
