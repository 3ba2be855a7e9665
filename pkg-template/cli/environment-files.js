/**
 * Environment files of a project: `.env` and `.env.local`.
 *
 * Owns reading and writing them. Must not know which variables matter.
 */

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** The first one says more, and what the environment has already says most. */
const FILES = ['.env.local', '.env'];

const LINE = /^\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(.*)$/;

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
    for (const [variable, value] of parse(readFileSync(file, 'utf8'))) {
      if (isWanted(variable) && !process.env[variable]) process.env[variable] = value;
    }
  }
}

/** Sets variables in a file: lines that set them are replaced, new ones come last, the others stay. */
export function setInFile(file, variables) {
  const lines = existsSync(file) ? readFileSync(file, 'utf8').replace(/\n$/, '').split('\n') : [];
  const left = new Map(Object.entries(variables));
  const kept = lines.flatMap((line) => {
    const name = LINE.exec(line)?.[1];
    if (name === undefined || !(name in variables)) return [line];
    // Of several lines for one variable, one is left.
    const value = left.get(name);
    left.delete(name);
    return value === undefined ? [] : [`${name}=${value}`];
  });
  const all = [...kept, ...[...left].map(([name, value]) => `${name}=${value}`)];
  writeFileSync(file, `${all.join('\n').replace(/^\n+/, '')}\n`, { mode: 0o600 });
}

function parse(text) {
  return text.split(/\r?\n/).flatMap((line) => {
    const [, name, rest] = LINE.exec(line) ?? [];
    return name === undefined ? [] : [[name, unquote(rest.trim())]];
  });
}

function unquote(text) {
  const quoted = /^(["'`])(.*?)\1/.exec(text);
  if (quoted) return quoted[2];
  return text.replace(/\s+#.*$/, '').replace(/^#.*$/, '');
}
