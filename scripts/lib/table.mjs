/** Text tables for people. */

/**
 * Aligns rows of strings into columns: the first `left` of them to the left, the others to the right.
 *
 * @param {string[][]} rows The first one is the heading.
 * @param {{ left?: number }} [options] Default: one column to the left.
 */
export function table(rows, { left = 1 } = {}) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const line = (row) =>
    row
      .map((cell, column) => (column < left ? cell.padEnd(widths[column]) : cell.padStart(widths[column])))
      .join('  ')
      .trimEnd();
  const rule = widths.map((width) => '-'.repeat(width)).join('  ');
  return [line(rows[0]), rule, ...rows.slice(1).map(line)].join('\n');
}
