/** What is told of a runtime that keeps dying. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LastLines } from '../../pkg-template/cli/kept-worker.js';

test('the newest lines are told, oldest first', () => {
  const last = new LastLines();
  for (let n = 1; n <= 6; n += 1) last.add(`line ${n}`);
  assert.deepEqual(last.lines, ['line 4', 'line 5', 'line 6']);
});
