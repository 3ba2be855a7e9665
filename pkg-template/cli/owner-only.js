/**
 * Files and folders that nobody but their owner may look into: they hold a key, or what people wrote.
 *
 * Where something belongs to somebody else, or the disk knows no permissions, they stay as they are: a shared folder is
 * its owner's to guard.
 */

import { chmodSync, mkdirSync } from 'node:fs';

export const OWNER_ONLY_FILE = 0o600;
const OWNER_ONLY_FOLDER = 0o700;

/** Makes a folder, unless it is there. Returns whether it made it. */
export function makeOwnFolder(folder) {
  return mkdirSync(folder, { recursive: true, mode: OWNER_ONLY_FOLDER }) !== undefined;
}

/** Takes everybody else's permissions from a folder. */
export function narrowFolder(folder) {
  return narrow(folder, OWNER_ONLY_FOLDER);
}

/** Takes everybody else's permissions from a file. Returns whether that could be done. */
export function narrowFile(file) {
  return narrow(file, OWNER_ONLY_FILE);
}

function narrow(path, mode) {
  try {
    chmodSync(path, mode);
    return true;
  } catch {
    return false;
  }
}
