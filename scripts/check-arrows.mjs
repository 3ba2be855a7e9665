/**
 * The arrows between the crates: who may depend on whom, and what a pure crate may never pull in.
 *
 * Owns the table below, which is DESIGN's; reads the graph from cargo. Run alone it prints what is wrong and
 * ends with exit code 1.
 */
import { fileURLToPath } from 'node:url';
import { CRATES, ROOT } from './lib/paths.mjs';
import { run, runMain } from './lib/process.mjs';
import { nativeCargo } from './lib/toolchain.mjs';

const { protocol, clientCore, roomCore, client, worker, sim } = CRATES;

/**
 * `protocol ← client-core ← src`, `protocol ← room-core ← worker`, `sim → both cores`: each crate with those
 * that it may name in its Cargo.toml. An arrow may be followed further down, never up or across.
 */
export const ALLOWED = Object.freeze({
  [protocol]: [],
  [clientCore]: [protocol],
  [roomCore]: [protocol],
  [client]: [protocol, clientCore],
  [worker]: [protocol, roomCore],
  [sim]: [protocol, clientCore, roomCore],
});

/** Crates that must build and behave alike on every platform: no I/O, clock, or randomness of their own. */
export const PURE = Object.freeze([protocol, clientCore, roomCore]);

/** What brings I/O, a clock, randomness, a runtime or JavaScript with it. A trailing `*` stands for any ending. */
export const FORBIDDEN = Object.freeze([
  'wasm-bindgen*',
  'js-sys',
  'web-sys',
  'gloo*',
  'serde-wasm-bindgen',
  'worker*',
  'tokio*',
  'async-std*',
  'mio',
  'getrandom',
  'rand',
  'web-time',
  'instant',
  'chrono',
  'time',
  'console_error_panic_hook',
]);

/**
 * Workspace arrows that `ALLOWED` does not name.
 *
 * @param {{ packages: { name: string, dependencies: { name: string, kind: string|null }[] }[] }} metadata What
 *   `cargo metadata --no-deps` prints.
 * @returns {string[]} One sentence each.
 */
export function findBadArrows(metadata) {
  const members = new Set(metadata.packages.map(({ name }) => name));
  const bad = [];
  for (const { name, dependencies } of metadata.packages) {
    const allowed = ALLOWED[name];
    if (!allowed) {
      bad.push(`${name} is not in the table of arrows: add it to scripts/check-arrows.mjs or remove it`);
      continue;
    }
    // Dev-dependencies count as well: a test that needs both cores belongs into the simulator.
    for (const { name: target, kind } of dependencies) {
      if (!members.has(target) || allowed.includes(target)) continue;
      const how = kind ? `${kind}-depends` : 'depends';
      bad.push(
        `${name} ${how} on ${target}, but may depend only on: ${allowed.join(', ') || 'no other member'}`,
      );
    }
  }
  for (const name of Object.keys(ALLOWED)) {
    if (!members.has(name)) bad.push(`${name} is in the table of arrows but not in the workspace`);
  }
  return bad;
}

/**
 * Forbidden crates among everything that a pure crate pulls in.
 *
 * @param {string} crate The pure crate.
 * @param {string} tree What `cargo tree --prefix none` prints: a crate and its version on each line.
 * @returns {string[]} One sentence each.
 */
export function findForbidden(crate, tree) {
  const names = new Set(tree.split('\n').map((line) => line.trim().split(' ')[0]));
  return [...names]
    .filter((name) => name !== crate && FORBIDDEN.some((pattern) => matches(pattern, name)))
    .sort()
    .map(
      (name) => `${crate} pulls in ${name}, which a pure crate must not: cargo tree -p ${crate} -i ${name}`,
    );
}

/** Everything wrong with the workspace's arrows, one sentence each. */
export async function checkArrows() {
  const { cargo, env } = nativeCargo();
  const options = { cwd: ROOT, env, show: 'silent' };
  const { stdout } = await run(cargo, ['metadata', '--no-deps', '--format-version', '1'], options);
  const bad = findBadArrows(JSON.parse(stdout));
  for (const crate of PURE) {
    // Not `cargo metadata`'s resolve: it unites the features of all members, so that what the Worker turns on
    // would be held against a core. Every target, because a clock may come in for Wasm only.
    const args = [
      'tree',
      '-p',
      crate,
      '-e',
      'normal,build',
      '--target',
      'all',
      '--prefix',
      'none',
      '--no-dedupe',
    ];
    bad.push(...findForbidden(crate, (await run(cargo, args, options)).stdout));
  }
  return bad;
}

function matches(pattern, name) {
  return pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  runMain(async () => {
    const bad = await checkArrows();
    for (const line of bad) console.log(line);
    process.exit(bad.length === 0 ? 0 : 1);
  });
}
