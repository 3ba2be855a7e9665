/** The table that a file of attacks closes with: each with its figure before it was mended, and now. */
import { after } from 'node:test';
import { printTable } from '../../load/lib/figures.mjs';

/**
 * Has the rows printed at the file's end.
 *
 * @param {string} title
 * @returns {(attack: string, before: string, now: string) => void} Adds a row.
 */
export function report(title) {
  const rows = [];
  after(() => printTable(title, ['attack', 'before', 'now'], rows));
  return (attack, before, now) => rows.push([attack, before, now]);
}
