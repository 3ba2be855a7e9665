/** The arrow check must fail on what it is there to catch: bad graphs are fed to it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ALLOWED, findBadArrows, findForbidden } from '../../scripts/check-arrows.mjs';

/** A workspace as `cargo metadata` tells it, with every allowed arrow and what `change` adds. */
function metadata(change = {}) {
  const packages = Object.entries(ALLOWED).map(([name, targets]) => ({
    name,
    dependencies: [...targets, 'serde', ...(change[name] ?? [])].map((target) =>
      typeof target === 'string' ? { name: target, kind: null } : target,
    ),
  }));
  return { packages };
}

test('accepts every arrow of the table', () => {
  assert.deepEqual(findBadArrows(metadata()), []);
});

const BAD = [
  ['a core that sees the other core', 'kuratchi-client-core', 'kuratchi-room-core'],
  ['protocol that looks up', 'kuratchi-protocol', 'kuratchi-client-core'],
  ['a browser shell that sees the room', 'kuratchi-spaces-client', 'kuratchi-room-core'],
  ['a Worker that sees the client', 'kuratchi-worker', 'kuratchi-client-core'],
  ['a core that sees its shell', 'kuratchi-room-core', 'kuratchi-worker'],
  ['a crate that sees the simulator', 'kuratchi-worker', 'kuratchi-sim'],
];
for (const [name, from, to] of BAD) {
  test(`refuses ${name}`, () => {
    const found = findBadArrows(metadata({ [from]: [to] }));
    assert.equal(found.length, 1);
    assert.match(found[0], new RegExp(`^${from} depends on ${to}, but may depend only on: `));
  });
}

test('refuses an arrow of a build script or a test as well', () => {
  for (const kind of ['build', 'dev']) {
    const found = findBadArrows(metadata({ 'kuratchi-client-core': [{ name: 'kuratchi-room-core', kind }] }));
    assert.match(found[0], new RegExp(`${kind}-depends on kuratchi-room-core`));
  }
});

test('refuses a member that the table does not know, and a member that is gone', () => {
  const graph = metadata();
  graph.packages[0] = { name: 'kuratchi-helpers', dependencies: [] };
  const found = findBadArrows(graph).join('\n');
  assert.match(found, /kuratchi-helpers is not in the table of arrows/);
  assert.match(found, /kuratchi-protocol is in the table of arrows but not in the workspace/);
});

test('finds forbidden crates however deep they are', () => {
  const tree =
    'kuratchi-protocol v0.1.0 (path)\nserde v1.0.0\nuuid v1.0.0\ngetrandom v0.3.4\nwasm-bindgen-shared v0.2.1';
  const found = findForbidden('kuratchi-protocol', tree);
  assert.equal(found.length, 2);
  assert.match(found[0], /^kuratchi-protocol pulls in getrandom,/);
  assert.match(found[1], /^kuratchi-protocol pulls in wasm-bindgen-shared,/);
});

for (const name of [
  'wasm-bindgen',
  'js-sys',
  'web-sys',
  'gloo-net',
  'worker',
  'tokio',
  'getrandom',
  'web-time',
]) {
  test(`a core may not pull in ${name}`, () => {
    assert.equal(findForbidden('kuratchi-room-core', `kuratchi-room-core v0.1.0\n${name} v1.0.0`).length, 1);
  });
}

test('accepts what only begins like a forbidden crate', () => {
  assert.deepEqual(findForbidden('kuratchi-protocol', 'rand_core v0.9.0\ntimeless v1.0.0\nserde v1.0.0'), []);
});
