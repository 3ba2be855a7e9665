/**
 * The package as apps get it: packed into a tarball by npm, and installed by npm from that.
 *
 * Owns the temporary folder, the tarball and the projects in it, and their removal. Must not know what an app
 * does with the package.
 */
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { PKG_DEV, ROOT } from '../../../scripts/lib/paths.mjs';
import { run } from '../../../scripts/lib/process.mjs';

/** npm, tsc or a small program: longer than any of them takes on a slow machine. */
const COMMAND_MS_MAX = 60_000;

export class Installed {
  /** What is in the tarball, as npm tells it: paths from the package's root, sorted. */
  files;

  #folder = mkdtempSync(join(tmpdir(), 'kuratchi-packaging-'));
  #tarball;

  /** Packs the package. `remove()` removes everything, whatever came of it. */
  async pack() {
    if (!existsSync(join(PKG_DEV, 'package.json'))) {
      throw new Error('.build/pkg-dev is missing: `npm test -- packaging` builds it first');
    }
    const staged = join(this.#folder, 'staged');
    cpSync(PKG_DEV, staged, { recursive: true });
    // The one file that the package for publication has on top: see buildPackage in scripts/lib/build.mjs.
    cpSync(join(ROOT, 'LICENSE'), join(staged, 'LICENSE'));
    const { stdout } = await this.#npm(['pack', '--json', '--pack-destination', this.#folder], staged);
    const told = JSON.parse(stdout);
    // A list, or from npm 12 on an object with the packages' names.
    const [{ filename, files }] = Object.values(told);
    this.files = files.map(({ path }) => path).sort();
    this.#tarball = join(this.#folder, filename);
  }

  /**
   * Makes a project with the package installed.
   *
   * @param {string} name Of its folder.
   * @param {Record<string, string>} [files] Contents by path.
   * @returns {Promise<string>} The project's folder.
   */
  async project(name, files = {}) {
    const folder = join(this.#folder, name);
    const manifest = { name, version: '1.0.0', private: true, type: 'module' };
    write(folder, { 'package.json': JSON.stringify(manifest), ...files });
    await this.#npm(
      ['install', '--offline', '--ignore-scripts', '--no-audit', '--no-fund', this.#tarball],
      folder,
    );
    return folder;
  }

  remove() {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #npm(args, cwd) {
    // What an outer `npm test` leaves in the environment points at the clone, and would reach the project.
    const env = Object.fromEntries(Object.entries(process.env).filter(([key]) => !/^npm_/i.test(key)));
    const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
    return runQuietly(npm, args, {
      cwd,
      env: { ...env, npm_config_cache: join(this.#folder, 'cache'), npm_config_update_notifier: 'false' },
    });
  }
}

/** Runs a command to its end, within bounds. Returns `{ code, stdout, output }`. */
export function runQuietly(command, args, options = {}) {
  return run(command, args, { show: 'silent', timeoutMs: COMMAND_MS_MAX, ...options });
}

/** Runs a project's program with Node and returns what it printed, as JSON. */
export async function runProgram(folder, file, { flags = [], env = {} } = {}) {
  const options = { cwd: folder, env: { ...process.env, ...env }, allowFailure: true };
  const { code, stdout, output } = await runQuietly(process.execPath, [...flags, file], options);
  if (code !== 0) throw new Error(`${file} ended with exit code ${code}:\n${output}`);
  return JSON.parse(stdout);
}

/** Puts a package of the clone beside the installed one. */
export function borrow(folder, name) {
  symlinkSync(join(ROOT, 'node_modules', name), join(folder, 'node_modules', name), 'junction');
}

function write(folder, files) {
  for (const [path, text] of Object.entries(files)) {
    const file = join(folder, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
}
