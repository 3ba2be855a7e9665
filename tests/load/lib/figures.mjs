/** Figures and tables of a test file. */
import { table } from '../../../scripts/lib/table.mjs';

/**
 * Prints a table under a title.
 *
 * @param {string} title
 * @param {string[]} heading
 * @param {(string | number)[][]} rows
 */
export function printTable(title, heading, rows) {
  const texts = rows.map((row) => row.map(String));
  console.log(`\n${title}\n\n${table([heading, ...texts])}\n`);
}

/**
 * The value below which a share of the values lies.
 *
 * @param {number[]} values At least one.
 * @param {number} share 0 to 1.
 */
export function percentile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)];
}

/** Median, 99th percentile and maximum of times, in whole milliseconds. */
export function latencies(times) {
  return [0.5, 0.99, 1].map((share) => percentile(times, share).toFixed(0));
}
