/**
 * The tables of SECURITY.md that are made from the code: limits and close codes.
 *
 * Owns where they stand in the file and how they are written. What they say is the constants' and the codes' own
 * documentation.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readLimits } from '../../docs/guide/limits.data.mjs';
import { ROOT } from './paths.mjs';

const FILE = join(ROOT, 'SECURITY.md');
const LIMITS = join(ROOT, 'crates', 'protocol', 'src', 'limits.rs');
const CODES = join(ROOT, 'crates', 'protocol', 'src', 'codes.rs');

const CONSTANT = /((?:^\/\/\/ .*\n)+)pub const ([A-Z_]+):/gm;
const CLOSE_CODE = /^ {4}\/\/\/ (4\d\d\d): (.+)$/gm;
const section = (name) =>
  new RegExp(`(<!-- ${name}: made from the code by npm run format -->\n)[^]*?(\n<!-- end of ${name} -->)`);

/** What differs between the file and the code, one sentence each. */
export function checkSecurityTables() {
  return readFileSync(FILE, 'utf8') === written()
    ? []
    : ['SECURITY.md has tables of other limits or close codes than the code: npm run format writes them'];
}

/** Writes the tables into the file. */
export function writeSecurityTables() {
  writeFileSync(FILE, written());
}

function written() {
  let text = readFileSync(FILE, 'utf8');
  for (const [name, rows] of [
    ['limits', limitRows()],
    ['close codes', closeCodeRows()],
  ]) {
    if (!section(name).test(text)) throw new Error(`SECURITY.md has no place for the ${name}`);
    text = text.replace(section(name), (_, start, end) => `${start}\n${rows.join('\n')}\n${end}`);
  }
  return text;
}

function limitRows() {
  const rust = readFileSync(LIMITS, 'utf8');
  const values = readLimits(rust);
  const rows = [...rust.matchAll(CONSTANT)].map(([, about, name]) => {
    const words = about
      .replaceAll(/^\/\/\/ /gm, '')
      .replaceAll('\n', ' ')
      .trim();
    return `| \`${name}\` | ${values[name]} | ${cell(words)} |`;
  });
  return ['| limit | value | what it bounds |', '|---|---|---|', ...rows];
}

function closeCodeRows() {
  const rust = readFileSync(CODES, 'utf8');
  const rows = [...rust.matchAll(CLOSE_CODE)].map(([, code, words]) => `| ${code} | ${cell(words)} |`);
  return ['| close code | meaning |', '|---|---|', ...rows];
}

/** Links of rustdoc lead nowhere here. */
function cell(text) {
  return text.replaceAll(/\[(`[^`]+`)\](?:\([^)]*\))?/g, '$1').replaceAll('|', '\\|');
}
