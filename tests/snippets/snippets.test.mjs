/**
 * Every block of code in the README and the documentation, run.
 *
 * Prints what is run, what is only shown, and for each block that is not run, why.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ROOT } from '../../scripts/lib/paths.mjs';
import { table } from '../../scripts/lib/table.mjs';
import { extractAll, NOT_RUN } from './lib/extract.mjs';
import { play } from './lib/kinds.mjs';
import { Theatre } from './lib/theatre.mjs';
import { compile } from './lib/types.mjs';
import { STAGES } from './stages/index.mjs';

/** A build, a browser and a chat, or npm downloading. */
const TEST_MS_MAX = 240_000;

const { blocks, shown, problems } = extractAll(ROOT);
const run = blocks.filter(({ stage }) => stage !== NOT_RUN);
const notRun = blocks.filter(({ stage }) => stage === NOT_RUN);
const plays = Object.entries(STAGES).map(([name, stage]) => [
  name,
  stage,
  run.filter((block) => block.stage === name),
]);

describe('the code in the documents', () => {
  const theatre = new Theatre();
  before(() => theatre.start());
  after(() => theatre.stop());

  test('every block says where it is run', () => {
    const strangers = run
      .filter(({ stage }) => !Object.hasOwn(STAGES, stage))
      .map(({ place, stage }) => `${place}: there is no stage ${stage}`);
    const empty = plays
      .filter(([, , its]) => its.length === 0)
      .map(([name]) => `no document has a block for the stage ${name}`);
    assert.deepEqual([...problems, ...strangers, ...empty], []);
  });

  test('it compiles', { timeout: TEST_MS_MAX }, async () => {
    const { files, code, output } = await compile(theatre, plays);
    assert.equal(code, 0, output);
    assert.ok(files > 10, `${files} files were compiled`);
  });

  for (const [name, stage, its] of plays) {
    const places = its.map(({ place }) => place).join(', ');
    test(`${name}, ${stage.kind} (${places})`, { timeout: TEST_MS_MAX }, async () => {
      assert.ok(its.length > 0);
      await play({ name, stage, blocks: its, theatre });
    });
  }

  after(() => {
    const kinds = [...new Set(plays.map(([, { kind }]) => kind))].sort();
    const count = (kind) =>
      plays.filter(([, stage]) => stage.kind === kind).reduce((sum, [, , its]) => sum + its.length, 0);
    const rows = kinds.map((kind) => [kind, `${count(kind)}`]);
    console.log(
      table([['run as', 'blocks'], ...rows, ['not run', `${notRun.length}`], ['output', `${shown}`]]),
    );
    for (const { place, reason } of notRun) console.log(`not run: ${place}: ${reason}`);
  });
});
