/** The notation in the documents: what is run, and that nothing is left out without a word. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ROOT } from '../../scripts/lib/paths.mjs';
import { documents, extract } from './lib/extract.mjs';

const fence = (language, text = 'x') => `\`\`\`${language}\n${text}\n\`\`\``;

test('a block is run on the stage that its comment names', () => {
  const { blocks, problems } = extract(
    'a.md',
    `# A\n\n<!-- snippet: one -->\n${fence('js', 'let a;\nlet b;')}\n`,
  );
  assert.deepEqual(problems, []);
  assert.deepEqual(blocks, [{ place: 'a.md:4', language: 'js', text: 'let a;\nlet b;', stage: 'one' }]);
});

test('a block may be a file, or not be run for a reason', () => {
  const { blocks, problems } = extract(
    'a.md',
    `<!-- snippet: one file=src/A.tsx -->\n${fence('tsx')}\n\n<!-- snippet: norun reason="takes an account" -->\n${fence('bash')}`,
  );
  assert.deepEqual(problems, []);
  assert.deepEqual(
    blocks.map(({ file, reason }) => [file, reason]),
    [
      ['src/A.tsx', undefined],
      [undefined, 'takes an account'],
    ],
  );
});

test('blocks within lists and quotes are found', () => {
  const { blocks } = extract('a.md', '- item\n\n  <!-- snippet: one -->\n  ```js\n  x\n  ```\n');
  assert.deepEqual(
    blocks.map(({ stage, text }) => [stage, text]),
    [['one', 'x']],
  );
});

test('output needs no comment, and is counted', () => {
  const { shown, blocks, problems } = extract('a.md', fence('text'));
  assert.deepEqual({ shown, blocks, problems }, { shown: 1, blocks: [], problems: [] });
});

for (const [what, markdown, said] of [
  ['a block without a comment', fence('js'), /a\.md:1: a block of language js without a snippet comment/],
  ['a block without a language', fence(''), /a block of language \(none\) without/],
  ['an indented block', 'text\n\n    let x;\n', /a block of language \(none\) without/],
  ['a comment too far away', `<!-- snippet: one -->\n\nWords.\n\n${fence('js')}`, /no block follows/],
  ['a comment at the end', '<!-- snippet: one -->', /no block follows/],
  ['norun without a reason', `<!-- snippet: norun -->\n${fence('js')}`, /norun takes a reason/],
  ['an unknown option', `<!-- snippet: one fiel=a -->\n${fence('js')}`, /knows no fiel/],
  ['a stray word', `<!-- snippet: one two -->\n${fence('js')}`, /knows no two/],
  ['a misspelt comment', `<!-- snippet one -->\n${fence('js')}`, /can not be read/],
]) {
  test(`${what} is a problem`, () => {
    assert.match(extract('a.md', markdown).problems.join('\n'), said);
  });
}

test('the documents are the README, that of the package, and every page but the reference', () => {
  const paths = documents(ROOT);
  for (const path of ['README.md', 'pkg-template/README.md', 'docs/index.md', 'docs/guide/quick-start.md']) {
    assert.ok(paths.includes(path), path);
  }
  assert.deepEqual(
    paths.filter((path) => /reference|node_modules/.test(path)),
    [],
  );
});
