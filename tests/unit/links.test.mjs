/**
 * Addresses in what strangers wrote: what becomes a link, and what does not.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { find } from 'linkifyjs';
import { LINK_ATTRIBUTES, partsOf } from '../../examples-web/shared/links.js';

const linked = (text) => partsOf(text, find).flatMap(({ text, href }) => (href ? [[text, href]] : []));

test('addresses of the web and of mail are links, and the text stays whole', () => {
  const text =
    'see https://example.com/a?b=1, www.example.com and ada@example.com (or http://example.com/x).';
  assert.deepEqual(linked(text), [
    ['https://example.com/a?b=1', 'https://example.com/a?b=1'],
    ['www.example.com', 'https://www.example.com'],
    ['ada@example.com', 'mailto:ada@example.com'],
    ['http://example.com/x', 'http://example.com/x'],
  ]);
  for (const text of [
    '',
    'no link',
    'https://example.com',
    'a https://example.com b',
    '👍 https://example.com 👍',
  ]) {
    assert.equal(
      partsOf(text, find)
        .map((part) => part.text)
        .join(''),
      text,
    );
  }
});

test('nothing else is', () => {
  for (const text of [
    'javascript:alert(1)',
    'javascript://example.com/%0aalert(1)',
    'data:text/html,x',
    'ftp://example.com/x',
    'file:///etc/passwd',
    'https:',
  ]) {
    assert.ok(
      linked(text).every(([, href]) => /^(?:https?:\/\/|mailto:)/.test(href)),
      text,
    );
  }
  assert.match(LINK_ATTRIBUTES.rel, /noopener.*nofollow/);
});
