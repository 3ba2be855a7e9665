/**
 * Which cargo compiles for the host, which for Wasm, and how the Wasm target gets onto a machine.
 *
 * Owns the choice between rustup's target and Debian's compiler with a standard library built from its
 * source package. Knows nothing about what is compiled.
 */
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { basename, delimiter, join } from 'node:path';
import { cached, fillCache } from './cache.mjs';
import { ROOT, VERSIONS } from './paths.mjs';
import { probe, run, UserError } from './process.mjs';
import { hasApt, isOlder, missingPackages } from './system.mjs';

export const WASM_TARGET = 'wasm32-unknown-unknown';

/** rustup answers at once or downloads 20 MB; where the network swallows packets it must not hang. */
const RUSTUP_TIMEOUT_MS = 120_000;
const DEBIAN_RUSTC = '/usr/bin/rustc';
const DEBIAN_CARGO = '/usr/bin/cargo';

/** The folder cargo writes to: the clone's own `target/`, unless the environment names another. */
export function targetDir() {
  return process.env.CARGO_TARGET_DIR || join(ROOT, 'target');
}

/** Cargo for the machine itself: `{ cargo, env }`. */
export function nativeCargo() {
  return { cargo: 'cargo', env: { ...process.env, CARGO_TARGET_DIR: targetDir() } };
}

/**
 * Flags that keep this machine's folders out of what is compiled: a panic's place is a path in the binary, and one
 * commit has to give the same bytes wherever it is built. Encoded, because a path may hold blanks.
 */
function samePathsEverywhere() {
  const cargoHome = process.env.CARGO_HOME || join(homedir(), '.cargo');
  const flags = [`--remap-path-prefix=${cargoHome}=cargo`, `--remap-path-prefix=${ROOT}=kuratchi-spaces`];
  return { CARGO_ENCODED_RUSTFLAGS: flags.join('\u001F') };
}

let chosen;

/**
 * Cargo for `wasm32-unknown-unknown`: `{ kind, cargo, env, description }`, or `undefined` when the target is
 * not on this machine yet. `env` also makes wasm-pack use the same compiler.
 *
 * `KURATCHI_WASM_TOOLCHAIN=rustup|debian` forces one of the two.
 */
export function wasmCargo() {
  chosen ??= findRustupTarget() ?? findDebianTarget();
  return chosen;
}

/** `wasmCargo()` for code that runs after `ensureWasmTarget()`. */
export function requireWasmCargo() {
  const found = wasmCargo();
  if (!found) throw new UserError('The Wasm target is missing: run "npm start" once, which sets it up.');
  return found;
}

/** Asks rustup for the target. Returns whether it is there now. */
export async function addRustupTarget() {
  if (!wanted('rustup') || !probe('rustup', ['--version'])) return false;
  const added = await run('rustup', ['target', 'add', WASM_TARGET], {
    timeoutMs: RUSTUP_TIMEOUT_MS,
    allowFailure: true,
  });
  return added.code === 0 && wasmCargo() !== undefined;
}

/** Fails with one sentence when Debian's compiler can not stand in for rustup's target either. */
export function requireDebianFallback() {
  if (wanted('debian') && hasApt()) return;
  throw new UserError(
    `The Rust target ${WASM_TARGET} is missing: client and Worker are compiled for it; run "rustup target add ${WASM_TARGET}" and then this again.`,
  );
}

/** Debian packages that the fallback still lacks. */
export function missingWasmPackages() {
  const linker = lldPackage();
  return missingPackages([...VERSIONS.debian.wasm, ...(linker ? [linker] : [])]);
}

function wanted(kind) {
  return (process.env.KURATCHI_WASM_TOOLCHAIN ?? kind) === kind;
}

function findRustupTarget() {
  if (!wanted('rustup')) return undefined;
  const libraries = probe('rustc', ['--print', 'target-libdir', '--target', WASM_TARGET], { cwd: ROOT });
  if (!libraries || !holdsStd(libraries)) return undefined;
  const { cargo, env: hostEnv } = nativeCargo();
  const env = { ...hostEnv, ...samePathsEverywhere() };
  return { kind: 'rustup', cargo, env, description: `${WASM_TARGET} of ${probe('rustc', ['--version'])}` };
}

function findDebianTarget() {
  if (!wanted('debian')) return undefined;
  const version = debianVersion();
  if (!version) return undefined;
  const sysroot = cached(sysrootName(version));
  if (!isCompleteSysroot(sysroot)) return undefined;
  const bin = join(sysroot, 'bin');
  const env = {
    ...process.env,
    ...samePathsEverywhere(),
    CARGO_TARGET_DIR: targetDir(),
    RUSTC: join(bin, 'rustc'),
    PATH: `${bin}${delimiter}${process.env.PATH}`,
  };
  // Set by rustup's own proxies; they would send a nested cargo back to rustup's compiler.
  delete env.RUSTUP_TOOLCHAIN;
  delete env.CARGO;
  return {
    kind: 'debian',
    cargo: join(bin, 'cargo'),
    env,
    description: `${WASM_TARGET} of Debian's rustc ${version}`,
  };
}

function holdsStd(folder) {
  return existsSync(folder) && readdirSync(folder).some((file) => /^libstd-.*\.rlib$/.test(file));
}

function isCompleteSysroot(folder) {
  return existsSync(join(folder, 'bin', 'rustc')) && holdsStd(wasmLibraries(folder));
}

function wasmLibraries(sysroot) {
  return join(sysroot, 'lib', 'rustlib', WASM_TARGET, 'lib');
}

function sysrootName(version) {
  return `wasm-std-${version}`;
}

/** Version of Debian's own compiler, if it is new enough to compile the crates. */
function debianVersion() {
  const version = /^rustc (\d+\.\d+\.\d+)/.exec(probe(DEBIAN_RUSTC, ['--version']) ?? '')?.[1];
  return version && !isOlder(version, VERSIONS.rust) ? version : undefined;
}

/** The package of the linker behind `/usr/bin/rust-lld`, whose number follows the compiler's LLVM. */
function lldPackage() {
  try {
    return basename(readlinkSync('/usr/bin/rust-lld'));
  } catch {
    const llvm = /llvm-(\d+)/.exec(probe('apt-cache', ['depends', 'rust-web-llvm']) ?? '');
    return llvm ? `lld-${llvm[1]}` : undefined;
  }
}

/**
 * Builds the standard library for Wasm from Debian's source package, into a sysroot of our own in the cache:
 * Debian ships none, and `/usr` belongs to its package manager.
 */
export async function buildStandardLibrary() {
  const version = debianVersion();
  if (!version) throw new UserError(`${DEBIAN_RUSTC} is missing or older than Rust ${VERSIONS.rust}.`);
  await fillCache(sysrootName(version), isCompleteSysroot, async (sysroot) => {
    const crate = join(sysroot, 'build');
    mkdirSync(join(crate, 'src'), { recursive: true });
    writeFileSync(
      join(crate, 'Cargo.toml'),
      '[package]\nname = "empty"\nversion = "0.0.0"\nedition = "2021"\n[lib]\n[workspace]\n',
    );
    writeFileSync(join(crate, 'src', 'lib.rs'), '#![no_std]\n');
    const env = {
      ...process.env,
      // `-Z build-std` is a nightly flag; the library is of the same version as the compiler.
      RUSTC_BOOTSTRAP: '1',
      RUSTC: DEBIAN_RUSTC,
      // Without bitcode in the libraries, LTO of the crates fails.
      RUSTFLAGS: '-Cembed-bitcode=yes',
      CARGO_TARGET_DIR: join(crate, 'target'),
    };
    delete env.RUSTUP_TOOLCHAIN;
    delete env.CARGO;
    await run(
      DEBIAN_CARGO,
      ['build', '--release', '--target', WASM_TARGET, '-Z', 'build-std=std,panic_abort,panic_unwind,test'],
      { cwd: crate, env },
    );
    const built = join(crate, 'target', WASM_TARGET, 'release', 'deps');
    const libraries = wasmLibraries(sysroot);
    mkdirSync(libraries, { recursive: true });
    for (const file of readdirSync(built)) {
      if (file.endsWith('.rlib') && !file.startsWith('libempty-')) {
        copyFileSync(join(built, file), join(libraries, file));
      }
    }
    rmSync(crate, { recursive: true, force: true });
    linkHost(sysroot);
    await proveStandardLibrary(sysroot);
    writeWrappers(sysroot, cached(sysrootName(version)));
  });
  if (!wasmCargo()) throw new Error(`${DEBIAN_RUSTC} still has no standard library for ${WASM_TARGET}`);
}

/** Build scripts and procedural macros need the host's libraries in the same sysroot. */
function linkHost(sysroot) {
  const system = join(probe(DEBIAN_RUSTC, ['--print', 'sysroot']), 'lib', 'rustlib');
  const ours = join(sysroot, 'lib', 'rustlib');
  for (const entry of readdirSync(system)) {
    if (entry !== WASM_TARGET) symlinkSync(join(system, entry), join(ours, entry));
  }
}

/** A library that looks complete and does not link must never get its name in the cache. */
async function proveStandardLibrary(sysroot) {
  const source = join(sysroot, 'proof.rs');
  const output = join(sysroot, 'proof.wasm');
  writeFileSync(
    source,
    '#[unsafe(no_mangle)]\npub fn proof(n: u32) -> usize {\n    format!("{n}").len()\n}\n',
  );
  const flags = ['--edition', '2024', '--crate-type', 'cdylib', '--target', WASM_TARGET];
  await run(DEBIAN_RUSTC, ['--sysroot', sysroot, ...flags, '-Clto', '-Copt-level=z', '-o', output, source]);
  rmSync(source);
  rmSync(output);
}

/** `cargo` and `rustc` that use the sysroot; `finalFolder` is the name it will have. */
function writeWrappers(sysroot, finalFolder) {
  const bin = join(sysroot, 'bin');
  mkdirSync(bin);
  symlinkSync(DEBIAN_CARGO, join(bin, 'cargo'));
  const quoted = `'${finalFolder.replaceAll("'", `'\\''`)}'`;
  writeFileSync(join(bin, 'rustc'), `#!/bin/sh\nexec ${DEBIAN_RUSTC} --sysroot ${quoted} "$@"\n`);
  chmodSync(join(bin, 'rustc'), 0o755);
}
