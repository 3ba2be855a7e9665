/**
 * The package as apps get it: packed into a tarball by npm, and installed by npm from that.
 *
 * Owns the temporary folder, the tarball and the projects in it, and their removal. Must not know what an app
 * does with the package.
 */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { shareWithAll } from '../../../scripts/lib/package-parts.mjs';
import { PKG_DEV, ROOT } from '../../../scripts/lib/paths.mjs';
import { run, seconds } from '../../../scripts/lib/process.mjs';

/** tsc, a bundler or a small program: longer than any of them takes on a slow machine. */
const COMMAND_MS_MAX = 120_000;
/** npm may have to download a framework. */
const NPM_MS_MAX = 300_000;

/** Names the folder with the package that is tested; without it, it is the one that is built for development. */
const FOLDER_VARIABLE = 'KURATCHI_PACKAGE_DIR';

const PACKAGING = join(ROOT, 'tests', 'packaging');
const NPM = process.platform === 'win32' ? 'npm.cmd' : 'npm';
const QUIET = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];

export class Installed {
  /** What is in the tarball, as npm tells it: paths from the package's root, sorted. */
  files;
  /** Path of the tarball. */
  tarball;

  #folder = mkdtempSync(join(tmpdir(), 'kuratchi-packaging-'));

  /** Packs the package. `remove()` removes everything, whatever came of it. */
  async pack() {
    ({ tarball: this.tarball, files: this.files } = await packInto(join(this.#folder, 'packed')));
  }

  /**
   * Makes a project out of texts, with the package and nothing else installed.
   *
   * @param {string} name Of its folder.
   * @param {Record<string, string>} [files] Contents by path.
   * @returns {Promise<string>} The project's folder.
   */
  async project(name, files = {}) {
    const folder = join(this.#folder, name);
    const manifest = { name, version: '1.0.0', private: true, type: 'module' };
    write(folder, { 'package.json': JSON.stringify(manifest), ...files });
    await this.#install(folder, ['--offline', this.tarball]);
    return folder;
  }

  /**
   * Copies a project of the clone, without packages.
   *
   * @param {string} path Of the project, from `tests/packaging`.
   * @param {string} name Of the copy.
   * @param {Record<string, string>} [files] More files, contents by path.
   */
  bareCopyOf(path, name, files = {}) {
    const folder = join(this.#folder, name);
    cpSync(join(PACKAGING, path), folder, { recursive: true, filter: isSource });
    write(folder, files);
    return folder;
  }

  /**
   * Copies a project of the clone and installs what its lock file names, out of npm's cache where it has been
   * before, and then the package.
   *
   * @param {string} path Of the project, from `tests/packaging`.
   * @param {object} [options]
   * @param {string[]} [options.names] Under which names the package is installed. Default: its own.
   * @param {Record<string, string>} [options.files] More files, contents by path.
   * @returns {Promise<{ folder: string, version: (name: string) => string }>} The copy, and which version of a
   *   dependency is in it.
   */
  async copyOf(path, { names = ['kuratchi-spaces'], files = {} } = {}) {
    const folder = this.bareCopyOf(path, path.replaceAll('/', '-'), files);
    const started = Date.now();
    await npm(['ci', ...QUIET], folder);
    await this.#install(
      folder,
      names.map((name) => `${name}@file:${this.tarball}`),
    );
    console.log(
      `${path}: npm installed its dependencies and the package in ${seconds(Date.now() - started)}`,
    );
    return {
      folder,
      version: (name) => readJson(join(folder, 'node_modules', name, 'package.json')).version,
    };
  }

  remove() {
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 3 });
  }

  async #install(folder, what) {
    await npm(['install', '--no-save', ...QUIET, ...what], folder);
  }
}

/**
 * Packs the package into a folder that is not there yet.
 *
 * @param {string} folder
 * @returns {Promise<{ tarball: string, files: string[] }>}
 */
export async function packInto(folder) {
  const built = process.env[FOLDER_VARIABLE] ?? PKG_DEV;
  if (!existsSync(join(built, 'package.json'))) {
    throw new Error(`${built} is missing: \`npm test -- packaging\` builds it first`);
  }
  const staged = join(folder, 'staged');
  cpSync(built, staged, { recursive: true });
  // The one file that the package for publication has on top: see buildPackage in scripts/lib/build.mjs.
  cpSync(join(ROOT, 'LICENSE'), join(staged, 'LICENSE'));
  shareWithAll(staged);
  const { stdout } = await npm(['pack', '--json', '--loglevel=error', '--pack-destination', folder], staged);
  const told = JSON.parse(stdout);
  // A list, or from npm 12 on an object with the packages' names.
  const [{ filename, files }] = Object.values(told);
  return { tarball: join(folder, filename), files: files.map(({ path }) => path).sort() };
}

/** The environment in which test files test the package in `folder`. */
export function testing(folder) {
  return { [FOLDER_VARIABLE]: folder };
}

/** Runs a command to its end, within bounds. Returns `{ code, stdout, output }`. */
export function runQuietly(command, args, options = {}) {
  return run(command, args, { show: 'silent', timeoutMs: COMMAND_MS_MAX, ...options });
}

/** Runs one of a project's own programs to its end. Returns what it printed; an error holds it, too. */
export async function runScript(folder, name, args = [], env = {}) {
  const { code, output } = await runQuietly(join(folder, 'node_modules', '.bin', name), args, {
    cwd: folder,
    env: { ...cleanEnvironment(), CI: '1', NO_COLOR: '1', ...env },
    allowFailure: true,
  });
  if (code !== 0) throw new Error(`${name} ${args.join(' ')} ended with exit code ${code}:\n${output}`);
  return output;
}

/** Runs a project's program with Node and returns what it printed, as JSON. */
export async function runProgram(folder, file, { flags = [], env = {} } = {}) {
  const options = { cwd: folder, env: { ...process.env, ...env }, allowFailure: true };
  const { code, stdout, output } = await runQuietly(process.execPath, [...flags, file], options);
  if (code !== 0) throw new Error(`${file} ended with exit code ${code}:\n${output}`);
  return JSON.parse(stdout);
}

/**
 * The environment without what an outer `npm test` leaves in it, which points at the clone and not at a project, and without the
 * mode that Vite leaves there after a build, in which npm installs less.
 */
export function cleanEnvironment() {
  // Node's test runner tells its children by a variable that they are tests.
  return Object.fromEntries(
    Object.entries(process.env).filter(([key]) => !/^(?:npm_.*|node_test_context|node_env)$/i.test(key)),
  );
}

function npm(args, cwd) {
  return runQuietly(NPM, args, {
    cwd,
    env: { ...cleanEnvironment(), npm_config_update_notifier: 'false' },
    timeoutMs: NPM_MS_MAX,
  });
}

function isSource(path) {
  return !/[\\/](?:node_modules|dist|build|\.next|\.svelte-kit)$/.test(path);
}

function readJson(file) {
  return JSON.parse(readFileSync(file, 'utf8'));
}

function write(folder, files) {
  for (const [path, text] of Object.entries(files)) {
    const file = join(folder, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
}
