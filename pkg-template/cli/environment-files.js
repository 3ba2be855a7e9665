/**
 * Environment files of a project: `.env` and `.env.local`.
 *
 * Owns which files there are and how they are changed; how they are read is dotenv's, as in Vite. Must not know which
 * variables matter.
 */

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'dotenv';
import { narrowFile, OWNER_ONLY_FILE } from './owner-only.js';

/** The first one says more, and what the environment has already says most. */
const FILES = ['.env.local', '.env'];

/**
 * One assignment: what stands before the name, the name, and the end of its last line. A quoted value may go on over
 * several lines, and what looks like an assignment in there is none.
 */
const ASSIGNMENT =
  /^([ \t]*(?:export[ \t]+)?)([\w.-]+)[ \t]*=[ \t]*(?:'[^']*'|"(?:\\"|[^"])*"|`[^`]*`)?[^\r\n]*(\r?\n|$)/gm;
const BYTE_ORDER_MARK = '\ufeff';

/**
 * Puts variables of the project's files into the environment.
 *
 * @param {string} folder
 * @param {(name: string) => boolean} isWanted A file may hold much that is none of our business.
 */
export function loadEnvironmentFiles(folder, isWanted) {
  for (const name of FILES) {
    const file = join(folder, name);
    if (!existsSync(file)) continue;
    for (const [variable, value] of Object.entries(read(readFileSync(file, 'utf8')))) {
      if (isWanted(variable) && !process.env[variable]) process.env[variable] = value;
    }
  }
}

/**
 * Sets variables in a file: assignments of them are replaced, new ones come last, everything else stays, line ends and
 * `export` too. A file that says the same already is not written. Nobody but its owner may read it afterwards, because it
 * holds a key, unless its permissions are not ours to change.
 *
 * @param {string} file
 * @param {Record<string, string>} variables Values without blanks, quotes and `#`.
 * @returns {boolean} Whether it is its owner's alone.
 */
export function setInFile(file, variables) {
  const before = existsSync(file) ? readFileSync(file, 'utf8') : '';
  // Before the key is in it.
  const isPrivate = !existsSync(file) || narrowFile(file);
  const known = read(before);
  if (Object.entries(variables).every(([name, value]) => known[name] === value)) return isPrivate;
  const lineEnd = before.includes('\r\n') ? '\r\n' : '\n';
  const left = new Map(Object.entries(variables));
  const kept = before.replaceAll(ASSIGNMENT, (whole, start, name, end) => {
    if (!Object.hasOwn(variables, name)) return whole;
    // Of several assignments of one variable, one is left.
    const value = left.get(name);
    return left.delete(name) ? `${start}${name}=${value}${end}` : '';
  });
  const isOpen = kept !== '' && !kept.endsWith('\n');
  const added = [...left].map(([name, value]) => `${name}=${value}${lineEnd}`).join('');
  writeFileSync(file, `${kept}${isOpen ? lineEnd : ''}${added}`, { mode: OWNER_ONLY_FILE });
  return isPrivate;
}

function read(text) {
  return parse(text.startsWith(BYTE_ORDER_MARK) ? text.slice(1) : text);
}
