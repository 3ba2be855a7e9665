/**
 * What must be on the machine before anything else: Node, Rust, a C linker, and packages of the system.
 *
 * Owns the sentences that a person reads when something is missing. Knows apt, and no other package manager.
 */
import { existsSync } from 'node:fs';
import { VERSIONS } from './paths.mjs';
import { CommandError, probe, run, UserError } from './process.mjs';

/** Fails with one sentence when Node or Rust is missing or too old. */
export function requireBasics() {
  const major = Number(process.versions.node.split('.')[0]);
  if (major < VERSIONS.node) {
    throw new UserError(
      `Node ${process.versions.node} is too old: the scripts, tests and workerd need Node ${VERSIONS.node} or newer; install it and run this again.`,
    );
  }
  const cargo = probe('cargo', ['--version']);
  if (!cargo) {
    throw new UserError(
      'cargo is missing: it compiles the client and the Worker; install Rust with rustup (https://rustup.rs), open a new terminal and run this again.',
    );
  }
  const version = /(\d+)\.(\d+)/.exec(cargo);
  if (version && isOlder(`${version[1]}.${version[2]}`, VERSIONS.rust)) {
    throw new UserError(
      `${cargo} is too old: the crates need Rust ${VERSIONS.rust} or newer; run "rustup update stable" and then this again.`,
    );
  }
}

/** Whether version `a` (major.minor) comes before `b`. */
export function isOlder(a, b) {
  const [aMajor, aMinor] = a.split('.').map(Number);
  const [bMajor, bMinor] = b.split('.').map(Number);
  return aMajor < bMajor || (aMajor === bMajor && aMinor < bMinor);
}

/** Whether there is a C linker, which rustc calls for build scripts and native tests. */
export function hasLinker() {
  return process.platform === 'win32' || ['cc', 'gcc', 'clang'].some((name) => probe(name, ['--version']));
}

/** Those of `packages` that Debian's dpkg does not list as installed. All of them where there is no dpkg. */
export function missingPackages(packages) {
  return packages.filter((name) => {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg's own placeholder.
    const status = probe('dpkg-query', ['-W', '-f=${Status}', name]);
    return status !== 'install ok installed';
  });
}

/** Whether Debian's (or Ubuntu's) package manager is here. */
export function hasApt() {
  return process.platform === 'linux' && existsSync('/usr/bin/apt-get');
}

/**
 * Installs packages with apt: as root, else with a sudo that asks nothing. Otherwise fails with the one
 * command to run.
 *
 * @param {string[]} packages
 * @param {string} why One clause: what needs them.
 */
export async function installPackages(packages, why) {
  if (packages.length === 0) return;
  const names = packages.join(' ');
  if (!hasApt()) {
    throw new UserError(
      `Missing on this machine: ${names} (${why}); install what these Debian packages hold with your system's package manager and run this again.`,
    );
  }
  const root = process.getuid?.() === 0;
  if (!root && probe('sudo', ['-n', 'true']) === undefined) {
    throw new UserError(
      `Missing on this machine: ${names} (${why}); run this one command and then this script again:\n\n  sudo sh -c 'apt-get update && apt-get install -y --no-install-recommends ${names}'\n`,
    );
  }
  const apt = (args, options) => {
    const full = ['apt-get', '-o', 'DPkg::Lock::Timeout=300', ...args];
    const command = root ? full : ['sudo', '-n', 'env', 'DEBIAN_FRONTEND=noninteractive', ...full];
    return run(command[0], command.slice(1), {
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
      ...options,
    });
  };
  await apt(['update'], { allowFailure: true });
  try {
    await apt(['install', '-y', '--no-install-recommends', ...packages]);
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    throw new UserError(
      `${error.output}\n\napt-get could not install ${names} (${why}); install them by hand and run this again.`,
    );
  }
}
