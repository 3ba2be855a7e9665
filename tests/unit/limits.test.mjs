/**
 * Limits that JavaScript repeats, because it decides before Wasm is asked: they are those of `limits.rs`.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { limitValues } from '../../docs/guide/limits.data.mjs';
import { ROOT } from '../../scripts/lib/paths.mjs';

const LIMITS = limitValues(readFileSync(join(ROOT, 'crates/protocol/src/limits.rs'), 'utf8'));

/** A constant whose comment ends with the name of the one that it repeats. */
const REPEATED = /`([A-Z_]+)` of limits\.rs\. \*\/\nconst [A-Z_]+ = ([\d_* ]+);/g;

test('limits that JavaScript repeats are those of the protocol', () => {
  const found = [];
  for (const folder of ['crates/worker', 'pkg-template']) {
    const files = readdirSync(join(ROOT, folder), { recursive: true }).filter((file) => file.endsWith('.js'));
    for (const file of files) {
      for (const [, name, value] of readFileSync(join(ROOT, folder, file), 'utf8').matchAll(REPEATED)) {
        const factors = value.split('*').map((factor) => Number(factor.replaceAll('_', '')));
        found.push(name);
        assert.equal(
          factors.reduce((product, factor) => product * factor),
          LIMITS[name],
          `${name} in ${join(folder, file)}`,
        );
      }
    }
  }
  assert.deepEqual(found.sort(), [
    'ANSWERS_BYTES_MAX',
    'ANSWER_IDLE_MS_MAX',
    'AUTHENTICATE_MS_MAX',
    'BODY_PART_BYTES',
    'CLIENT_FRAME_BYTES_MAX',
    'CLIENT_FRAME_BYTES_MAX',
    'UNPROVEN_SOCKETS_MAX',
  ]);
});
