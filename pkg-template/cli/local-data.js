/**
 * The folder with a local backend's data: its SQLite files, its gateway key, and who uses it.
 *
 * Owns names and permissions in it. Must not know the backend. The folder tells git to ignore itself.
 */

import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { lockOwner, tryLock, unlock } from './lock-file.js';

/** Where it is, seen from a project. */
export const DATA_FOLDER = '.kuratchi';

const KEY_FILE = 'gateway-key';
const LOCK_FILE = 'running.lock';
const KEY_CHARS_MIN = 32;

/** A gateway key: 256 random bits. */
export function newGatewayKey() {
  return randomBytes(32).toString('base64url');
}

/** The gateway key kept in `folder`, made at the first call; only its owner may read the file. */
export function keptGatewayKey(folder) {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, KEY_FILE);
  try {
    writeFileSync(file, newGatewayKey(), { flag: 'wx', mode: 0o600 });
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
  }
  const key = readGatewayKey(folder);
  if (key !== undefined) return key;
  // Cut short by a full disk or a crash: no token was ever signed with it.
  rmSync(file);
  return keptGatewayKey(folder);
}

/** The gateway key kept in `folder`, if there is a whole one. */
export function readGatewayKey(folder) {
  const file = join(folder, KEY_FILE);
  const key = existsSync(file) ? readFileSync(file, 'utf8').trim() : '';
  return key.length >= KEY_CHARS_MIN ? key : undefined;
}

/** Has git ignore the folder, without a word in the project's own files. */
export function hideFromGit(folder) {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, '.gitignore');
  if (!existsSync(file)) writeFileSync(file, '*\n');
}

/**
 * Takes the folder for this process until it ends: two backends on the same files would lose messages.
 *
 * @returns {{ release?: () => void, owner?: number | string }} `owner` is the process that has it, if that is another.
 */
export function takeFolder(folder) {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, LOCK_FILE);
  if (!tryLock(file)) return { owner: lockOwner(file) ?? 'unknown' };
  const release = () => unlock(file);
  process.once('exit', release);
  return { release };
}
