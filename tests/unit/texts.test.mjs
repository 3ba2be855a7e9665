/**
 * How much of what strangers wrote is shown.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { find } from 'linkifyjs';
import { partsOf } from '../../examples-web/shared/links.js';
import { beginning, isBlank, preview, readable, spoken } from '../../examples-web/shared/texts.js';
import { dayWords, isoOf, momentWords, peopleInList, timeWords } from '../../examples-web/shared/words.js';

test('marks that are piled up are left out, and what languages write is not', () => {
  assert.equal(
    readable(`a${'\u0300\u0301\u0302'.repeat(2_700)}b`),
    `a${'\u0300\u0301\u0302'.repeat(3).slice(0, 8)}b`,
  );
  for (const text of ['Việt Nam', 'नमस्ते', 'שָׁלוֹם', 'ทั้งนี้', '👩‍👩‍👧‍👦 1️⃣', 'e\u0301a\u0308'])
    assert.equal(readable(text), text);
});

test('a text of which nobody sees anything is blank', () => {
  for (const text of ['', ' \n\t', '\u00a0\u3000', '\u200b\u200d\ufe0f', '\u2800', '\u3164', '\u00ad'])
    assert.ok(isBlank(text), JSON.stringify(text));
  for (const text of ['.', ' a ', '❤️', '👩‍👩‍👧‍👦', '\u200bx']) assert.ok(!isBlank(text), text);
});

test('of a long text the beginning is shown', () => {
  assert.equal(beginning('short\ntext'), 'short\ntext');
  assert.equal(beginning('x'.repeat(3_000)).length, 3_000);
  assert.equal(beginning('x'.repeat(16_384)).length, 3_000);
  assert.equal(beginning('\n'.repeat(16_384)).length, 39);
  assert.equal(beginning(`${'x'.repeat(2_999)}👍 and more`), 'x'.repeat(2_999), 'no half of a character');
  assert.equal(spoken('y'.repeat(16_384)), `${'y'.repeat(500)}…`);
});

test('a list of conversations shows one short line, whatever was written', () => {
  assert.equal(preview('Hello,\n  I need help'), 'Hello, I need help');
  assert.equal(preview('y'.repeat(16_384)), `${'y'.repeat(120)}…`);
  for (const text of [`a${'\u0301'.repeat(8_000)}`, '\n'.repeat(16_384), 'a\u05d0'.repeat(5_000)])
    assert.ok(preview(text).length <= 121, JSON.stringify(text.slice(0, 4)));
});

test('of many people some are listed, oneself among them', () => {
  const people = Array.from({ length: 1_500 }, (_, n) => ({ userId: `u${n}`, name: `Name ${n}` }));
  const { listed, othersWords } = peopleInList(people, 'u999');
  assert.equal(listed.length, 100);
  assert.deepEqual(
    listed.slice(0, 2).map(({ userId }) => userId),
    ['u999', 'u0'],
  );
  assert.equal(othersWords, 'and 1400 more');
  assert.equal(peopleInList(people.slice(0, 100), 'u1').othersWords, '');
});

test('a text has so many links at most', () => {
  const parts = partsOf('http://a.co '.repeat(1_365), find);
  assert.ok(parts.filter(({ href }) => href).length <= 40);
  assert.equal(parts.map(({ text }) => text).join(''), 'http://a.co '.repeat(1_365));
});

test('a time that is none breaks no page', () => {
  for (const moment of [9e15, -9e15, Number.NaN, undefined, 'x']) {
    for (const words of [timeWords, momentWords, dayWords, isoOf])
      assert.equal(typeof words(moment), 'string');
  }
});
