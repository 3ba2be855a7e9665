/**
 * `npm run check`: format, lints, types, arrows, versions, tidiness.
 *
 * Runs every check, also after one that failed, and closes with `check: N passed, N failed`. Names on the
 * command line choose among them.
 */
import { checkArrows } from './check-arrows.mjs';
import { checkTidy } from './check-tidy.mjs';
import { checkVersions } from './check-versions.mjs';
import { bin } from './lib/modules.mjs';
import { CRATES, ROOT } from './lib/paths.mjs';
import { CommandError, run, runMain, seconds, UserError } from './lib/process.mjs';
import { checkSecurityTables } from './lib/security-tables.mjs';
import { setUp } from './lib/setup.mjs';
import { nativeCargo, WASM_TARGET, wasmCargo } from './lib/toolchain.mjs';
import { cargoDeny } from './lib/tools.mjs';

const CHECKS = {
  rustfmt: () => command('cargo', ['fmt', '--all', '--check']),
  clippy: () => clippy(['--workspace', '--all-targets']),
  'clippy for Wasm': clippyForWasm,
  rustdoc: () => command('cargo', ['doc', '--workspace', '--no-deps'], { RUSTDOCFLAGS: '-D warnings' }),
  biome: () => command(bin('biome'), ['ci', '--error-on-warnings', '.']),
  types: () => command(bin('tsc'), ['--project', 'tsconfig.json']),
  arrows: async () => list(await checkArrows()),
  versions: async () => list(checkVersions()),
  'supply chain': () =>
    command(cargoDeny().program, ['--all-features', 'check', 'bans', 'licenses', 'sources']),
  security: async () => list(checkSecurityTables()),
  tidy: async () => list(await checkTidy()),
};

runMain(async () => {
  const names = process.argv.slice(2);
  const unknown = names.filter((name) => !(name in CHECKS));
  if (unknown.length > 0) {
    throw new UserError(
      `No check is called ${unknown.join(', ')}; there are: ${Object.keys(CHECKS).join(', ')}.`,
    );
  }
  await setUp({ modules: true, bindgen: true, deny: true });
  let failed = 0;
  let noted = 0;
  const chosen = names.length > 0 ? names : Object.keys(CHECKS);
  for (const name of chosen) {
    const started = Date.now();
    const problem = await CHECKS[name]();
    const took = seconds(Date.now() - started);
    if (problem === undefined) {
      console.log(`  ok    ${name}, ${took}`);
    } else if (problem.note) {
      // Said, and not counted: it has shown nothing.
      noted += 1;
      console.log(`  --    ${name}: ${problem.note}`);
    } else {
      failed += 1;
      console.log(`  FAIL  ${name}, ${took}\n${problem.text.replaceAll(/^/gm, '        ')}`);
    }
  }
  console.log(`check: ${chosen.length - failed - noted} passed, ${failed} failed`);
  process.exit(failed === 0 ? 0 : 1);
});

function clippy(args) {
  return command('cargo', ['clippy', ...args, '--', '-D', 'warnings']);
}

/** The shells' own target shows code that the host's does not; clippy needs a library of its own compiler. */
function clippyForWasm() {
  if (wasmCargo()?.kind !== 'rustup') {
    return { note: "linted for the host only: clippy can not use the Wasm library of Debian's compiler" };
  }
  return clippy(['--target', WASM_TARGET, '-p', CRATES.client, '-p', CRATES.worker, '--all-features']);
}

async function command(program, args, extra = {}) {
  const { env } = nativeCargo();
  try {
    await run(program, args, { cwd: ROOT, env: { ...env, ...extra } });
    return undefined;
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    return { text: error.output || error.message };
  }
}

function list(problems) {
  return problems.length === 0 ? undefined : { text: problems.join('\n') };
}
