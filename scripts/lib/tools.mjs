/**
 * Tools that cargo installs: the wasm-bindgen CLI, wasm-pack, geckodriver and cargo-deny, each in the cache by version.
 *
 * Owns where their programs are. Knows nothing about what they are used for.
 */
import { existsSync, rmSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { cached, fillCache } from './cache.mjs';
import { VERSIONS, wasmBindgenVersion } from './paths.mjs';
import { CommandError, probe, run } from './process.mjs';
import { note } from './steps.mjs';
import { nativeCargo } from './toolchain.mjs';

/** The CLI that turns compiled Wasm into Wasm plus JS glue, and runs wasm-bindgen tests. */
export function wasmBindgen() {
  return tool('wasm-bindgen', 'wasm-bindgen-cli', wasmBindgenVersion());
}

/** Makes the npm package out of the client crate. */
export function wasmPack() {
  return tool('wasm-pack', 'wasm-pack', VERSIONS.wasmPack);
}

/** Drives Firefox for the wasm-bindgen tests. */
export function geckodriver() {
  return tool('geckodriver', 'geckodriver', VERSIONS.geckodriver);
}

/** Looks at what may come into the build: see deny.toml. */
export function cargoDeny() {
  return tool('cargo-deny', 'cargo-deny', VERSIONS.cargoDeny);
}

/** Path of the runner that comes with the wasm-bindgen CLI. */
export function wasmBindgenTestRunner() {
  return join(wasmBindgen().folder, 'bin', 'wasm-bindgen-test-runner');
}

/**
 * A `step` (see steps.mjs) that installs a tool.
 *
 * @param {ReturnType<typeof wasmBindgen>} wantedTool
 * @param {string} why One clause: what needs it.
 * @param {string} about How long it takes.
 */
export function installStep(wantedTool, why, about) {
  return {
    what: `${wantedTool.name} ${wantedTool.version}`,
    why,
    about,
    done: () => isInstalled(wantedTool.folder, wantedTool) && 'in the cache',
    act: () => install(wantedTool),
  };
}

/** `env` with the tools' folders first in PATH. */
export function withTools(env, ...tools) {
  const folders = tools.map((each) => join(each.folder, 'bin'));
  return { ...env, PATH: [...folders, env.PATH].join(delimiter) };
}

function tool(name, crate, version) {
  const folder = cached(`${name}-${version}`);
  return { name, crate, version, folder, program: join(folder, 'bin', name) };
}

function isInstalled(folder, { name, version }) {
  const program = join(folder, 'bin', name);
  return existsSync(program) && (probe(program, ['--version']) ?? '').includes(version);
}

async function install(wantedTool) {
  const { name, crate, version } = wantedTool;
  const complete = (folder) => isInstalled(folder, wantedTool);
  await fillCache(`${name}-${version}`, complete, async (folder) => {
    const { cargo, env } = nativeCargo();
    const build = join(folder, '.build');
    const args = ['install', crate, '--version', `=${version}`, '--root', folder, '--target-dir', build];
    // These run for seconds and compile for minutes: a lighter optimisation is the better bargain.
    const light = {
      ...env,
      CARGO_PROFILE_RELEASE_OPT_LEVEL: '1',
      CARGO_PROFILE_RELEASE_LTO: 'off',
      CARGO_PROFILE_RELEASE_CODEGEN_UNITS: '16',
      CARGO_PROFILE_RELEASE_DEBUG: '0',
    };
    // Not in the clone: its .cargo/config.toml is about our crates.
    const options = { env: light, cwd: folder };
    try {
      await run(cargo, [...args, '--locked'], options);
    } catch (error) {
      if (!(error instanceof CommandError) || !isLockProblem(error.output)) throw error;
      note(
        `the versions that ${crate} was locked to are not all available here; installing without --locked`,
      );
      await run(cargo, args, options);
    }
    rmSync(build, { recursive: true, force: true });
    if (!complete(folder))
      throw new Error(`${name} was installed but does not say that it is version ${version}`);
  });
}

/** Whether cargo failed because a mirror lacks a version of the lock file, not because something is broken. */
function isLockProblem(output) {
  return /failed to select a version|candidate versions found which didn't match|locked to/.test(output);
}
