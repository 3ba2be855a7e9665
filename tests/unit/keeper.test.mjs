/**
 * What is said and asked for rooms that are not open; how they are looked after is tested in browsers.
 *
 * Owns nothing but expectations.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { saidOf } from '../../pkg-template/keeper.js';
import { generateToken } from '../../pkg-template/tokens.js';

test('of an error as long as a page its beginning is repeated, at once', () => {
  const startedAt = performance.now();
  const said = saidOf(new Error(`no luck ${'x'.repeat(100_000)}`));
  // Looking through all of it took seconds.
  assert.ok(performance.now() - startedAt < 500);
  assert.equal(said, `no luck ${'x'.repeat(292)}`);
});

test('no token is repeated, wherever an error is cut', async () => {
  const token = await generateToken('lobby', { gatewayKey: 'a-gateway-key-of-more-than-32-characters' });
  assert.equal(saidOf(`refused: ${token} (403)`), 'refused: <token> (403)');
  const [, , , signature] = token.split('.');
  // Masked tokens are short: where it is cut before that is repeated.
  const tokens = Array(40).fill(token).join(' ');
  for (let before = 0; before < 150; before += 1) {
    const said = saidOf(`${'a'.repeat(before)} ${tokens}`);
    assert.ok(!said.includes(signature.slice(0, 4)), said);
  }
});
