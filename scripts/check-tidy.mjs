/**
 * Tidiness: no big files, no paths of somebody's machine, no registry hosts, no tests left out.
 *
 * Looks at every file that git tracks or would track. Run alone it prints what it finds and ends with exit
 * code 1.
 */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ROOT } from './lib/paths.mjs';
import { run, runMain } from './lib/process.mjs';

const BYTES_MAX = 1_000_000;

/** Written so that this file does not hold the words it looks for. */
const words = (...parts) => parts.join('');

/**
 * @type {{ name: string, pattern: RegExp, files: RegExp, except?: RegExp }[]} `files` are those that a rule
 *   is about, `except` those of them that it is not.
 */
export const RULES = [
  {
    name: 'a path of one machine',
    pattern: new RegExp(words('(?:^|[\\s"\'`(=:])/', '(?:root|home|Users|work)/[\\w.-]'), 'm'),
    files: /./,
  },
  {
    name: 'the host of a package registry',
    pattern: new RegExp(
      [
        words('registry\\.', 'npmjs'),
        words('registry\\.', 'yarnpkg'),
        words('(?:static|index)\\.', 'crates\\.io'),
        words('files\\.', 'pythonhosted'),
        words('deb\\.', 'debian\\.org'),
      ].join('|'),
    ),
    files: /./,
  },
  {
    name: 'a test that is left out or runs alone',
    pattern: /\b(?:test|it|describe|suite|t)\.(?:only|skip|todo)\(|\b(?:only|skip|todo): *(?:true|['"`])/,
    files: /^tests\/.*\.(?:mjs|js|ts)$/,
    // These feed such lines to the rules themselves.
    except: /^tests\/unit\/tidy\.test\.mjs$/,
  },
  // A dialog that is cancelled, `mailto:`, a download: the page stays, and would stay without a connection.
  {
    name: 'something that is done on beforeunload',
    pattern: new RegExp(words('addEventListener\\(\\s*[\'"`]', 'beforeunload|on', 'beforeunload')),
    files: /^(?:README\.md|docs\/|examples-web\/|pkg-template\/)/,
  },
  {
    name: 'a Rust test that is left out',
    pattern: /#\[ignore\b/,
    files: /\.rs$/,
  },
];

/**
 * What the rules find in one file.
 *
 * @param {string} file Path from the root, with forward slashes.
 * @param {string} text
 * @returns {string[]} One sentence each, with line numbers.
 */
export function findUntidy(file, text) {
  const lines = text.split('\n');
  return RULES.filter(({ files, except }) => files.test(file) && !except?.test(file)).flatMap(
    ({ name, pattern }) =>
      lines.flatMap((line, index) => (pattern.test(line) ? [`${file}:${index + 1} holds ${name}`] : [])),
  );
}

/** Everything untidy in the clone, one sentence each. */
export async function checkTidy() {
  const args = ['ls-files', '--cached', '--others', '--exclude-standard', '-z'];
  const { stdout } = await run('git', args, { cwd: ROOT, show: 'silent' });
  const found = [];
  for (const file of new Set(stdout.split('\0').filter(Boolean))) {
    const path = join(ROOT, file);
    const size = statSync(path, { throwIfNoEntry: false })?.size;
    // Deleted, but not yet for git.
    if (size === undefined) continue;
    if (size > BYTES_MAX) found.push(`${file} has ${size} bytes, more than ${BYTES_MAX}`);
    const bytes = readFileSync(path);
    if (!bytes.includes(0)) found.push(...findUntidy(file, bytes.toString('utf8')));
  }
  return found;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  runMain(async () => {
    const found = await checkTidy();
    for (const line of found) console.log(line);
    process.exit(found.length === 0 ? 0 : 1);
  });
}
