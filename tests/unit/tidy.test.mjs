/** The tidiness check must find what it is there to find. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findUntidy } from '../../scripts/check-tidy.mjs';

const UNTIDY = [
  ['tests/e2e/chat.test.mjs', "test.only('chat', () => {});", 'a test that is left out or runs alone'],
  ['tests/e2e/chat.test.mjs', "describe.skip('chat', () => {});", 'a test that is left out or runs alone'],
  [
    'tests/e2e/chat.test.mjs',
    "test('chat', { skip: 'flaky' }, fn);",
    'a test that is left out or runs alone',
  ],
  ['tests/unit/a.test.mjs', "test('a', { todo: true }, fn);", 'a test that is left out or runs alone'],
  ['crates/protocol/src/lib.rs', '    #[ignore]', 'a Rust test that is left out'],
  ['crates/protocol/src/lib.rs', '#[ignore = "slow"]', 'a Rust test that is left out'],
  ['README.md', ['cd /ho', 'me/ada/kuratchi'].join(''), 'a path of one machine'],
  ['scripts/a.mjs', ["const tools = '/ro", "ot/.cargo/bin';"].join(''), 'a path of one machine'],
  ['package-lock.json', ['"https://registry.', 'npmjs.org/ws"'].join(''), 'the host of a package registry'],
  [
    'docs/guide/quick-start.md',
    "addEventListener('beforeunload', () => space.disconnect());",
    'something that is done on beforeunload',
  ],
];
for (const [file, line, what] of UNTIDY) {
  test(`finds ${what} in ${file}: ${line.slice(0, 24)}`, () => {
    assert.deepEqual(findUntidy(file, `first line\n${line}\n`), [`${file}:2 holds ${what}`]);
  });
}

test('lets ordinary code pass', () => {
  const rust = 'let rest: Vec<_> = words.iter().skip(1).collect();\n// see docs/work/notes and target/home/x';
  assert.deepEqual(findUntidy('crates/protocol/src/lib.rs', rust), []);
  assert.deepEqual(findUntidy('docs/guide/offline.md', 'Do not call it on `beforeunload`:'), []);
  assert.deepEqual(
    findUntidy('tests/unit/a.test.mjs', "const only = rows.filter(Boolean); fetch('/messages')"),
    [],
  );
});
