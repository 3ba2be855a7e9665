/**
 * The built package in this clone, for tests that need no installed one.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { PKG_DEV } from '../../../scripts/lib/paths.mjs';

/** A module of it, by its path from the package's root. */
export function load(path) {
  const file = join(PKG_DEV, path);
  if (!existsSync(file)) throw new Error(`${file} is missing: \`npm test -- command-line\` builds it first`);
  return import(pathToFileURL(file).href);
}
