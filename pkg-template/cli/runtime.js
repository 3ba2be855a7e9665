/**
 * Miniflare, which runs Workers on this machine: the project's own, or one that is fetched once.
 *
 * Owns which version will do, where a fetched one is kept, and how it gets there. The package depends on nothing:
 * whoever only deploys or only uses the client never needs this.
 */

import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

import { COMPATIBILITY_DATE } from '../server/worker-metadata.js';
import { Failure } from './terminal.js';

/**
 * What is fetched where a project has nothing that will do, with a lock of everything that comes along: the newest for the Node
 * that runs this, newest Node first. Newer ones than the last do not load on Node 20.
 */
const RUNTIMES = [
  { node: 22, miniflare: '4.20260730.0', workerd: '1.20261117.1', files: './runtimes/node-22/' },
  { node: 20, miniflare: '4.20260426.0', workerd: '1.20260426.1', files: './runtimes/node-20/' },
];
const NODE = Number(process.versions.node.split('.')[0]);
const RUNTIME = RUNTIMES.find(({ node }) => node <= NODE) ?? RUNTIMES.at(-1);
/** A project's own may be as old as this. */
const OLDEST = RUNTIMES.at(-1);

/** The version that is fetched. */
export const MINIFLARE_VERSION = RUNTIME.miniflare;

const FETCH_MS_MAX = 5 * 60_000;
/** By default npm tries for minutes to reach a network that is not there. */
const NPM_PATIENCE = ['--fetch-retries=1', '--fetch-retry-mintimeout=1000', '--fetch-retry-maxtimeout=2000'];
/** What npm says where there is no way to its registry. */
const NO_NETWORK =
  /code (?:EAI_AGAIN|ECONNREFUSED|ECONNRESET|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|ERR_SOCKET_TIMEOUT|ETIMEDOUT)/;

const PROGRESS_MS = 10_000;
const PROJECT_CURE = `Install it into the project instead: npm install --save-dev miniflare@${MINIFLARE_VERSION}`;
const NETWORK_CURE =
  "Check the network connection, or the proxy in npm's settings, and start again: it is needed this once. Where a " +
  'machine never has a network, bring a project along in which Miniflare is installed.';

/** npm hands these to the programs that it runs; a second npm would take them for its own settings. */
const NPM_RUN_VARIABLES =
  /^npm_(?:lifecycle|package|execpath|command|config_(?:local_prefix|prefix|package|call|workspaces?|global))/i;

/**
 * @param {string} project Folder whose Miniflare is taken, if it has one.
 * @param {(text: string) => void} say Hears where it comes from.
 * @returns {Promise<{ version: string, miniflare: typeof import('miniflare') }>}
 */
export async function loadMiniflare(project, say) {
  const own = find(project);
  if (own && isGoodEnough(own.version)) {
    try {
      return { version: own.version, miniflare: await load(own.file) };
    } catch {
      // A newer one may want a newer Node than this.
      say(`The project's Miniflare ${own.version} does not load on Node ${process.versions.node}`);
    }
  }
  return fetchedMiniflare(say);
}

/**
 * The one that is fetched, whatever a project has: the newest that this Node runs.
 *
 * @param {(text: string) => void} say Hears where it comes from.
 * @returns {Promise<{ version: string, miniflare: typeof import('miniflare') }>}
 */
export async function fetchedMiniflare(say) {
  const folder = fetchedFolder();
  if (!find(folder)) await fetchInto(folder, say);
  const fetched = find(folder);
  if (!fetched)
    throw new Failure(`Miniflare was fetched and is not in ${folder}: delete that folder and try again.`);
  return { version: fetched.version, miniflare: await load(fetched.file) };
}

/** Whether that version's runtime knows the behaviour that the Worker is tested with. */
export function isGoodEnough(version) {
  const [, major, date] = /^(\d+)\.(\d{8})\./.exec(version) ?? [];
  return major === OLDEST.miniflare.split('.')[0] && date >= COMPATIBILITY_DATE.replaceAll('-', '');
}

/** Where the fetched one is: both versions are in its name, because either may change alone. */
function fetchedFolder() {
  return join(cacheFolder(), `miniflare-${RUNTIME.miniflare}-workerd-${RUNTIME.workerd}`);
}

/** The same folder as that of the tools, by default. */
function cacheFolder() {
  const named = process.env.KURATCHI_CACHE_DIR;
  if (named) return resolve(named);
  const base = process.env.XDG_CACHE_HOME || process.env.LOCALAPPDATA || join(homedir(), '.cache');
  return join(base, 'kuratchi-spaces');
}

/** The Miniflare that a program in `folder` would get: `{ file, version }`. */
function find(folder) {
  let file;
  try {
    file = createRequire(join(resolve(folder), 'package.json')).resolve('miniflare');
  } catch {
    return undefined;
  }
  for (let at = dirname(file); at !== dirname(at); at = dirname(at)) {
    const manifest = join(at, 'package.json');
    if (!existsSync(manifest)) continue;
    const { name, version } = JSON.parse(readFileSync(manifest, 'utf8'));
    if (name === 'miniflare') return { file, version };
  }
  return undefined;
}

async function load(file) {
  const loaded = await import(pathToFileURL(file).href);
  return loaded.Miniflare ? loaded : loaded.default;
}

/** Fills the folder in one go: it has its name only when it is complete. */
async function fetchInto(folder, say) {
  const parent = dirname(folder);
  mkdirSync(parent, { recursive: true });
  say(
    `Fetching Miniflare ${MINIFLARE_VERSION}, which runs the Worker here: once, about 170 MB on the disk, into ${folder}`,
  );
  const temporary = mkdtempSync(join(parent, '.new-'));
  const remove = () => rmSync(temporary, { recursive: true, force: true });
  process.once('exit', remove);
  const started = Date.now();
  const ticker = setInterval(() => say(`… ${seconds(started)} s`), PROGRESS_MS);
  try {
    for (const [name, wanted] of [
      ['manifest.json', 'package.json'],
      ['lock.json', 'package-lock.json'],
    ]) {
      // Not copied: an error would name the package's file, where the disk is full that it goes to.
      writeFileSync(
        join(temporary, wanted),
        readFileSync(new URL(`${RUNTIME.files}${name}`, import.meta.url)),
      );
    }
    await npmInstall(temporary);
    // Another process may have been faster; both are the same.
    if (!existsSync(folder)) renameSync(temporary, folder);
    say(`Fetched in ${seconds(started)} s`);
  } finally {
    clearInterval(ticker);
    remove();
    process.off('exit', remove);
  }
}

function npmInstall(folder) {
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !NPM_RUN_VARIABLES.test(name)),
  );
  // As the lock says, and not otherwise: what is fetched here runs on the developer's machine.
  const args = ['ci', '--prefer-offline', '--ignore-scripts', ...NPM_PATIENCE];
  return new Promise((done, failed) => {
    const isWindows = process.platform === 'win32';
    const child = spawn('npm', [...args, '--no-audit', '--no-fund', '--loglevel=error'], {
      cwd: folder,
      env,
      stdio: ['ignore', 'ignore', 'pipe'],
      timeout: FETCH_MS_MAX,
      // npm is a batch file there, which only a shell can run. The arguments are our own.
      shell: isWindows,
    });
    const end = () => child.kill();
    process.once('exit', end);
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text) => {
      said = (said + text).slice(-2_000);
    });
    const fail = (why) =>
      failed(
        new Failure(
          NO_NETWORK.test(said)
            ? `Miniflare could not be fetched: npm does not reach its registry.\n${said.trim()}\n${NETWORK_CURE}`
            : `Miniflare could not be fetched: ${why}\n${PROJECT_CURE}`,
        ),
      );
    child.on('error', (error) => fail(`npm could not be run (${error.code ?? error.message})`));
    child.on('close', (code, signal) => {
      process.off('exit', end);
      if (code === 0) done();
      else fail(signal ? `npm was ended by ${signal}` : `npm ended with exit code ${code}\n${said.trim()}`);
    });
  });
}

function seconds(since) {
  return Math.round((Date.now() - since) / 1_000);
}
