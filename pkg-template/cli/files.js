/**
 * What a person hears of the file system.
 *
 * Owns which of its errors are theirs to mend, and the words for them: the path, and what to do. Must not know what a file is for.
 */

import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import { Failure } from './terminal.js';

/** The package's own folder: what is not as it should be there is a mistake of ours. */
const OWN_FOLDER = fileURLToPath(new URL('..', import.meta.url));

/** A folder is no such file: Python keeps its own things in one that is called `.env`. */
const NO_FILE = ['ENOENT', 'ENOTDIR', 'EISDIR'];

const REASONS = {
  EACCES: 'is not yours to use: change its permissions or its owner, or name another place',
  EEXIST: 'is there, and is no folder: move it away, or name another place',
  EISDIR: 'is a folder, where a file is to be: move it away, or name another place',
  ENOENT: 'is not there: make its folder, or name another place',
  ENOSPC: 'can not be written: the disk is full',
  ENOTDIR: 'can not be: something on the way to it is no folder. Move that away, or name another place',
  EROFS: 'can not be written: the disk is read-only. Name another place',
};
REASONS.EPERM = REASONS.EACCES;
REASONS.ERR_FS_EISDIR = REASONS.EISDIR;

/**
 * The text of a file; nothing where there is none.
 *
 * @param {string} file
 * @returns {string | undefined}
 * @throws {Failure} Where there is one that can not be read.
 */
export function readText(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (NO_FILE.includes(error.code)) return undefined;
    throw fileFailure(error) ?? error;
  }
}

/**
 * An error of the file system, in words; nothing for others, and for files of the package.
 *
 * @param {unknown} error
 * @returns {Failure | undefined}
 */
export function fileFailure(error) {
  const { code, path, syscall } = error ?? {};
  if (syscall === 'uv_cwd') {
    return new Failure('The folder that this was started in is gone: change to another one.', {
      cause: error,
    });
  }
  // Those of programs that can not be started have a path as well.
  if (typeof path !== 'string' || typeof code !== 'string' || syscall?.startsWith('spawn')) return undefined;
  if (resolve(path).startsWith(OWN_FOLDER)) return undefined;
  return new Failure(
    `${path} ${REASONS[code] ?? `can not be used (${code}): look at it, or name another place`}.`,
    { cause: error },
  );
}
