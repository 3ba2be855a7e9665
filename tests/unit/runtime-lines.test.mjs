/**
 * What is shown of what the runtime says of itself.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { boundRuntimeLines } from '../../pkg-template/cli/runtime-lines.js';

test('what the runtime says of broken requests is bounded, and what the Worker logs is not', () => {
  const shown = [];
  let now = 0;
  const log = boundRuntimeLines(
    (line) => shown.push(line),
    () => now,
  );
  const error = 'workerd/server/server.c++:5492: error: Uncaught exception: no host';
  for (let n = 0; n < 1_000; n += 1) {
    log(error);
    log('stack: /x/workerd@2f20430 /x/workerd@2f2102c');
    log(`{"level":"info","n":${n}}`);
  }
  assert.equal(shown.filter((line) => line === error).length, 10);
  assert.equal(shown.filter((line) => line.startsWith('{')).length, 1_000);
  assert.equal(shown.length, 1_011, 'and that some were left out');
  now = 10_000;
  log(error);
  assert.equal(shown.at(-1), error);
});

test('a line of the runtime is bounded as well, and one of the Worker is not', () => {
  const shown = [];
  const log = boundRuntimeLines((line) => shown.push(line));
  log(`workerd/server/server.c++:5492: error: Uncaught exception: no host ${'x'.repeat(63_000)}`);
  assert.match(shown[0], /^workerd\/server\/server\.c\+\+:5492: error: .*…$/);
  assert.equal(shown[0].length, 401);
  const own = JSON.stringify({ level: 'info', text: 'x'.repeat(63_000) });
  log(own);
  assert.equal(shown[1], own);
});
