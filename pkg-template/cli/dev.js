/**
 * `kuratchi-spaces dev`: a backend on this machine, with its data in the project.
 *
 * Owns the order of starting and stopping, and what is printed. What runs is the Worker that `deploy` uploads.
 */

import { relative, resolve } from 'node:path';

import { getSpacesEnvironment } from '../environment.js';
import { misconfigured } from '../server/misconfigured.js';
import { getWorkerModules } from '../server/worker-modules.js';
import { setInFile, whyNotIn } from './environment-files.js';
import { keepLocalWorker } from './kept-worker.js';
import { DATA_FOLDER, hideFromGit, keptGatewayKey, takeFolder, tellAddress } from './local-data.js';
import { bindFailure, freePort } from './local-worker.js';
import { loadMiniflare } from './runtime.js';
import { EXIT_INTERRUPTED, EXIT_OK, Failure, harmless, note, paint, print, UsageError } from './terminal.js';

const PORT_DEFAULT = 8787;
/** The Worker tells at once; a runtime that died meanwhile does not. */
const SETTINGS_MS_MAX = 5_000;
const KEY_VARIABLE = 'KURATCHI_GATEWAY_KEY';
const URL_VARIABLE = 'KURATCHI_SPACES_WORKER_URL';
/** What the Worker logs of settings that it cannot read: they are told once, in plain words. */
const MISCONFIGURED = /"event":"misconfigured"/;
const VARIABLE_PATTERN = /^([A-Z][A-Z0-9_]*)=(.*)$/s;
/** By each of its names, the Worker's own among them. */
const KEY_VARIABLES = [KEY_VARIABLE, 'KURATCHI_SPACES_GATEWAY_KEY', 'GATEWAY_KEY'];
const API_TOKEN_VARIABLE = 'CLOUDFLARE_API_TOKEN';

/**
 * Runs until it is told to stop.
 *
 * @param {object} options
 * @param {number} [options.port] Exactly this one; without it, the first free one from 8787 on.
 * @param {string} options.host
 * @param {string} options.data Folder for the data.
 * @param {string} [options.writeEnv] File that gets the address and the key.
 * @param {string[]} options.var Settings of the Worker, as `NAME=value`.
 * @param {Map<string, string>} origins Which file of the folder each variable comes from; the others are the environment's.
 * @returns {Promise<number>} The exit code.
 */
export async function dev({ port, host, data, writeEnv, var: settings }, origins) {
  const folder = resolve(data);
  const vars = readVariables(settings, folder);
  const modules = getWorkerModules();
  // Before anything is fetched.
  await refuseUnbindable(0, host);
  const unwritable = writeEnv && whyNotIn(resolve(writeEnv));
  if (unwritable) throw new Failure(unwritable);
  // Whatever is under way is undone at exit.
  onStop(() => process.exit(EXIT_INTERRUPTED));
  const { owner } = takeFolder(folder);
  if (owner !== undefined) {
    throw new Failure(
      `A backend already runs on ${shown(folder)} (process ${owner}): two on the same data would lose messages. ` +
        'Stop that one first, or choose another folder with --data.',
    );
  }
  hideFromGit(folder);
  const { version, miniflare } = await loadMiniflare(process.cwd(), note);
  const gatewayKey = keptGatewayKey(folder);
  const options = {
    miniflare,
    modules,
    port: await choosePort(port, host),
    host,
    persistDir: folder,
    gatewayKey,
    vars,
    log: (line) => {
      if (!MISCONFIGURED.test(line)) note(paint(process.stderr, 'dim', `[worker] ${harmless(line)}`));
    },
  };
  const backend = await keepLocalWorker(options, (text) => note(paint(process.stderr, 'yellow', text)));
  const stopped = new Promise((resolvePromise) => onStop(resolvePromise));
  try {
    tellAddress(folder, backend.url);
    if (writeEnv) {
      writeInto(resolve(writeEnv), { [URL_VARIABLE]: backend.url, [KEY_VARIABLE]: gatewayKey }, origins);
    }
    announce({ url: backend.url, folder, version, gatewayKey, writeEnv });
    for (const entry of await misconfigured(`${backend.url}/admin/settings`, gatewayKey, SETTINGS_MS_MAX)) {
      note(paint(process.stderr, 'yellow', harmless(entry)));
    }
    await Promise.race([stopped, backend.failed]);
    note(`\nStopping; messages are kept in ${shown(folder)}`);
  } finally {
    await backend.stop();
  }
  return EXIT_OK;
}

function writeInto(file, variables, origins) {
  const warn = (text) => note(paint(process.stderr, 'yellow', text));
  const { isPrivate, kept } = setInFile(file, variables, [KEY_VARIABLE]);
  if (kept.length > 0) warn(`${shown(file)} had another ${KEY_VARIABLE}: it stands there as a comment now.`);
  const others = Object.keys(variables).filter(
    (name) => !origins.has(name) && (process.env[name] || variables[name]) !== variables[name],
  );
  for (const other of others) {
    // As Node's --env-file and Vite have it.
    warn(
      `${other} is set here to something else, which counts before ${shown(file)} in whatever is started from here: unset it.`,
    );
  }
  if (!isPrivate) {
    warn(
      `The permissions of ${shown(file)} are not yours to change: whoever may read it has the gateway key. Have its owner ` +
        'make it readable for one user only, or name another file.',
    );
  }
}

function announce({ url, folder, version, gatewayKey, writeEnv }) {
  const title = paint(process.stdout, 'bold', 'Kuratchi Spaces runs on this machine');
  print(`${title} (workerd, by Miniflare ${version})\n\n  Worker  ${url}\n  Data    ${shown(folder)}\n`);
  if (writeEnv) {
    print(`${writeEnv} has its address and the gateway key now.\n`);
  } else {
    // A log that is kept somewhere is no place for a key, not even for that of a backend that only this machine sees.
    const key = process.stdout.isTTY ? gatewayKey : `<the contents of ${shown(folder)}/gateway-key>`;
    print(`For your server's .env, never for a browser:\n\n${URL_VARIABLE}=${url}\n${KEY_VARIABLE}=${key}\n`);
  }
  const data = needsData(folder, gatewayKey) ? ` --data ${quoted(shown(folder))}` : '';
  print(`A token to try it with:\n\n  npx kuratchi-spaces token lobby --user ada${data}\n\nCtrl-C stops.`);
}

/** Whether a token for this backend is only to be had by naming its folder. */
function needsData(folder, gatewayKey) {
  const { gatewayKey: known } = getSpacesEnvironment();
  return folder !== resolve(DATA_FOLDER) || (known !== '' && known !== gatewayKey);
}

/** A word for a shell. */
function quoted(text) {
  return /^[\w./\\:-]+$/.test(text) ? text : `"${text}"`;
}

async function refuseUnbindable(port, host) {
  const failure = await bindFailure(port, host);
  if (failure) throw failure;
}

async function choosePort(wanted, host) {
  if (wanted === undefined) return freePort(PORT_DEFAULT, host);
  await refuseUnbindable(wanted, host);
  return wanted;
}

function readVariables(settings, folder) {
  return Object.fromEntries(
    settings.map((setting) => {
      const [, name, value] = VARIABLE_PATTERN.exec(setting) ?? [];
      // The name alone: a value may be a secret.
      if (name === undefined)
        throw new UsageError(`--var ${setting.split('=')[0]}: expected NAME=value, as in --var LOG=debug`);
      refuseSecret(name, folder);
      return [name, value];
    }),
  );
}

function refuseSecret(name, folder) {
  const isKey = KEY_VARIABLES.includes(name);
  if (!isKey && name !== API_TOKEN_VARIABLE) return;
  const cure = isKey
    ? `The local backend makes one of its own: its key is in ${shown(folder)}/gateway-key, and --write-env gives it to your ` +
      'server. To have it take yours, write that into the file, 32 characters or more.'
    : 'The local backend needs none; "deploy" has it from the environment, or from .env.local or .env of this folder.';
  throw new UsageError(
    `--var ${name}: others can read what stands on a command line, so no secret does. ${cure}`,
  );
}

/** Calls `act` at a signal to end, in place of what was given before. */
function onStop(act) {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.removeAllListeners(signal);
    process.once(signal, () => act());
  }
}

function shown(folder) {
  return relative(process.cwd(), folder) || '.';
}
