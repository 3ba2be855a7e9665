/**
 * The table of the packaging tests: which project was seen to work, in which mode and runtime.
 *
 * Owns the columns, and the way from the test files, each a process of its own, to the one table. Must not know the
 * projects.
 */
import { appendFileSync, readFileSync } from 'node:fs';
import { table } from '../../../scripts/lib/table.mjs';

/** Names the file that rows are added to; without it a row is printed at once. */
const FILE_VARIABLE = 'KURATCHI_PACKAGING_FILE';

const HEADING = ['project', 'versions', 'mode', 'runtime', 'connect', 'send', 'receive', 'seconds', 'kB'];

/**
 * Notes that a project has connected, sent and received.
 *
 * @param {object} row
 * @param {string} row.project
 * @param {string} row.versions
 * @param {string} row.mode
 * @param {string} row.runtime
 * @param {number} row.started When the mode's own work began: milliseconds since 1970.
 * @param {number} [row.bytes] What a visitor of the built page downloads, compressed with brotli.
 */
export function record({ started, ...row }) {
  const line = `${JSON.stringify({ ...row, ms: Date.now() - started })}\n`;
  const file = process.env[FILE_VARIABLE];
  if (file) appendFileSync(file, line);
  else process.stdout.write(line);
}

/** The environment in which test files add their rows to `file`. */
export function recordingTo(file) {
  return { [FILE_VARIABLE]: file };
}

/** The rows of `file`, in the order of project and mode. */
export function recorded(file) {
  const rows = readFileSync(file, 'utf8').split('\n').filter(Boolean).map(JSON.parse);
  return rows.sort((a, b) => a.project.localeCompare(b.project, 'en'));
}

/** The table for a terminal. */
export function asText(rows) {
  return table([HEADING, ...rows.map(cells)], { left: 4 });
}

/** The table as Markdown, for README. */
export function asMarkdown(rows) {
  const line = (texts) => `| ${texts.join(' | ')} |`;
  const rule = HEADING.map((_, column) => (column < 7 ? '---' : '--:'));
  return [HEADING, rule, ...rows.map(cells)].map(line).join('\n');
}

function cells({ project, versions, mode, runtime, ms, bytes }) {
  const size = bytes === undefined ? '' : (bytes / 1000).toFixed(1);
  // A row is written only after all three were seen.
  return [project, versions, mode, runtime, 'yes', 'yes', 'yes', (ms / 1000).toFixed(1), size];
}
