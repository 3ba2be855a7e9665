/**
 * The room that long answers have in a Worker's memory (`answers.js`).
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { reserveAnswer } from '../../crates/worker/answers.js';

const MIB = 1024 * 1024;

// The Workers runtime has it; Node has from 22 on.
Promise.withResolvers ??= () => {
  const parts = {};
  parts.promise = new Promise((resolve, reject) => Object.assign(parts, { resolve, reject }));
  return parts;
};

test('a page that has arrived keeps its room, and is not asked for and paid again', async () => {
  const reserve = (bytes) => reserveAnswer('ada', bytes, new AbortController().signal);
  const pages = [];
  for (let n = 0; n < 4; n += 1) pages.push(await reserve(4 * MIB));
  // What all others may have beside pages of the first version.
  const others = [];
  for (let n = 0; n < 6; n += 1) others.push(await reserve(MIB / 2));
  for (const page of pages) assert.ok(page.resize(4 * MIB));
  assert.ok(!pages[0].resize(6 * MIB), 'more than a caller may have');
  for (const answer of [...pages, ...others]) answer.release();
});
