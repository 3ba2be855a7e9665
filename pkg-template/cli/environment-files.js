/**
 * Environment files of a project: `.env` and `.env.local`.
 *
 * Owns which files there are and how they are changed; how they are read is dotenv's, as in Vite. Must not know which
 * variables matter.
 */

import { accessSync, constants, existsSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parse } from 'dotenv';
import { readText } from './files.js';
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
 * @returns {Map<string, string>} Which file each of the variables that were put there comes from.
 */
export function loadEnvironmentFiles(folder, isWanted) {
  const origins = new Map();
  for (const name of FILES) {
    const file = join(folder, name);
    for (const [variable, value] of Object.entries(read(readText(file) ?? ''))) {
      if (!isWanted(variable) || process.env[variable]) continue;
      process.env[variable] = value;
      origins.set(variable, file);
    }
  }
  return origins;
}

/**
 * Why variables cannot be set in a file, in words; nothing where they can.
 *
 * @param {string} file
 * @returns {string | undefined}
 */
export function whyNotIn(file) {
  const folder = dirname(file);
  if (!existsSync(folder) || !statSync(folder).isDirectory())
    return `There is no folder ${folder}: make it, or name another file.`;
  if (existsSync(file) && !statSync(file).isFile()) return `${file} is no file: name another one.`;
  try {
    if (existsSync(file)) accessSync(file, constants.R_OK | constants.W_OK);
    else accessSync(folder, constants.W_OK);
    return undefined;
  } catch {
    return `${file} is not yours to read and write: name another file.`;
  }
}

/**
 * Sets variables in a file: assignments of them are replaced, new ones come last, everything else stays, line ends and
 * `export` too. A file that says the same already is not written. Nobody but its owner may read it afterwards, because it holds a key, unless its permissions are not ours to
 * change.
 *
 * @param {string} file
 * @param {Record<string, string>} variables Values without blanks, quotes and `#`.
 * @param {string[]} [precious] Those of which another value is kept, in a comment: it may be the only copy of a key.
 * @returns {{ isPrivate: boolean, kept: string[] }} Whether it is its owner's alone, and of which variables a value was kept.
 */
export function setInFile(file, variables, precious = []) {
  const before = readText(file) ?? '';
  // Before the key is in it.
  const isPrivate = !existsSync(file) || narrowFile(file);
  const known = read(before);
  const kept = precious.filter((name) => known[name] && known[name] !== variables[name]);
  if (Object.entries(variables).every(([name, value]) => known[name] === value)) return { isPrivate, kept };
  const lineEnd = before.includes('\r\n') ? '\r\n' : '\n';
  const left = new Map(Object.entries(variables));
  const after = before.replaceAll(ASSIGNMENT, (whole, start, name, end) => {
    if (!Object.hasOwn(variables, name)) return whole;
    // Of several assignments of one variable, one is left.
    const value = left.get(name);
    const comment = kept.includes(name) ? commented(whole, lineEnd) : '';
    return left.delete(name) ? `${comment}${start}${name}=${value}${end}` : comment;
  });
  const isOpen = after !== '' && !after.endsWith('\n');
  const added = [...left].map(([name, value]) => `${name}=${value}${lineEnd}`).join('');
  writeFileSync(file, `${after}${isOpen ? lineEnd : ''}${added}`, { mode: OWNER_ONLY_FILE });
  return { isPrivate, kept };
}

/** Lines as a comment. */
function commented(lines, lineEnd) {
  const each = lines.trimEnd().split(/\r?\n/);
  return each.map((line) => `# ${line.trimStart()}${lineEnd}`).join('');
}

function read(text) {
  return parse(text.startsWith(BYTE_ORDER_MARK) ? text.slice(1) : text);
}
