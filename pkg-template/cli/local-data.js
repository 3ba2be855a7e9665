/**
 * The folder with a local backend's data: its SQLite files, its gateway key, who uses it, and
 * where that one listens.
 *
 * Owns names and permissions in it. Must not know the backend. The folder tells git to ignore itself.
 */

import { randomBytes } from 'node:crypto';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';

import { readText } from './files.js';
import { isLocked, lockOwner, tryLock, unlock } from './lock-file.js';
import { makeOwnFolder, narrowFile, narrowFolder, OWNER_ONLY_FILE } from './owner-only.js';

/** Where it is, seen from a project. */
export const DATA_FOLDER = '.kuratchi';

const KEY_FILE = 'gateway-key';
const LOCK_FILE = 'running.lock';
const ADDRESS_FILE = 'running-at';
const KEY_CHARS_MIN = 32;

/** Makes the folder. One of another name that was there before may hold more than is ours: it stays as it is. */
function makeFolder(folder) {
  const isNew = makeOwnFolder(folder);
  if (!isNew && basename(folder) === DATA_FOLDER) narrowFolder(folder);
}

/** A gateway key: 256 random bits. */
export function newGatewayKey() {
  return randomBytes(32).toString('base64url');
}

/** The gateway key kept in `folder`, made at the first call; only its owner may read the file. */
export function keptGatewayKey(folder) {
  makeFolder(folder);
  const file = join(folder, KEY_FILE);
  try {
    writeFileSync(file, newGatewayKey(), { flag: 'wx', mode: OWNER_ONLY_FILE });
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
    // One that was copied here, or came out of a backup.
    narrowFile(file);
  }
  const key = readGatewayKey(folder);
  if (key !== undefined) return key;
  // Cut short by a full disk or a crash: no token was ever signed with it.
  rmSync(file);
  return keptGatewayKey(folder);
}

/** The gateway key kept in `folder`, if there is a whole one. */
export function readGatewayKey(folder) {
  const key = readText(join(folder, KEY_FILE))?.trim() ?? '';
  return key.length >= KEY_CHARS_MIN ? key : undefined;
}

/** Has git ignore the folder, without a word in the project's own files. */
export function hideFromGit(folder) {
  makeFolder(folder);
  const file = join(folder, '.gitignore');
  if (!existsSync(file)) writeFileSync(file, '*\n');
}

/**
 * Takes the folder for this process until it ends: two backends on the same files would lose messages.
 *
 * @returns {{ release?: () => void, owner?: number | string }} `owner` is the process that has it, if that is another.
 */
export function takeFolder(folder) {
  makeFolder(folder);
  const file = join(folder, LOCK_FILE);
  if (!tryLock(file)) return { owner: lockOwner(file) ?? 'unknown' };
  // That of one that died.
  rmSync(join(folder, ADDRESS_FILE), { force: true });
  const release = () => {
    rmSync(join(folder, ADDRESS_FILE), { force: true });
    unlock(file);
  };
  process.once('exit', release);
  return { release };
}

/** Tells other commands where the backend listens that has the folder. */
export function tellAddress(folder, url) {
  writeFileSync(join(folder, ADDRESS_FILE), `${url}\n`);
}

/** Where the backend listens that has the folder now, if one runs. */
export function runningAddress(folder) {
  return isLocked(join(folder, LOCK_FILE)) ? readText(join(folder, ADDRESS_FILE))?.trim() : undefined;
}
