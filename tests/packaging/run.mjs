/**
 * Runs the packaging tests and prints which project was seen to work, in which mode, as one table.
 *
 * `npm test -- packaging` runs those of this folder with the package as it is built for development. `--all`, which is
 * `npm run test:packaging`, sets up what is needed, builds the package for publication, runs those of `frameworks/`
 * besides, and writes the table to `.build/packaging.md`, in the form that README takes. Names choose among the files:
 * `npm run test:packaging -- vite servers`.
 */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { chromium } from '../../scripts/lib/browsers.mjs';
import { buildPackage } from '../../scripts/lib/build.mjs';
import { BUILD, PKG, ROOT } from '../../scripts/lib/paths.mjs';
import { run, runMain, seconds, UserError } from '../../scripts/lib/process.mjs';
import { setUp } from '../../scripts/lib/setup.mjs';
import { step } from '../../scripts/lib/steps.mjs';
import { testing } from './lib/installed.mjs';
import { asMarkdown, asText, recorded, recordingTo } from './lib/report.mjs';

const FOLDER = join('tests', 'packaging');
const FRAMEWORKS = join(FOLDER, 'frameworks');
const TABLE = join(BUILD, 'packaging.md');
/** Longer than all of it takes on two slow cores, with nothing in npm's cache: what takes longer hangs. */
const TIMEOUT_MS = 60 * 60_000;
const SUFFIX = '.test.mjs';

runMain(async () => {
  const started = Date.now();
  const words = process.argv.slice(2);
  const isAll = words.includes('--all');
  const files = chosenFiles(
    isAll,
    words.filter((word) => word !== '--all'),
  );
  const env = isAll ? await publication() : {};
  const folder = mkdtempSync(join(tmpdir(), 'kuratchi-packaging-rows-'));
  const file = join(folder, 'rows');
  writeFileSync(file, '');
  const { code } = await run(
    process.execPath,
    // Servers, bundlers and browsers want the cores for themselves.
    ['--test', '--test-reporter=spec', '--test-concurrency=1', ...files],
    {
      cwd: ROOT,
      env: { ...process.env, CHROMIUM_BIN: chromium(), ...env, ...recordingTo(file) },
      show: 'stream',
      allowFailure: true,
      timeoutMs: TIMEOUT_MS,
    },
  );
  const rows = recorded(file);
  rmSync(folder, { recursive: true });
  if (rows.length > 0) console.log(`\n${asText(rows)}`);
  if (isAll && rows.length > 0) {
    writeFileSync(TABLE, `${asMarkdown(rows)}\n`);
    console.log(`\nThe table is in ${relative(ROOT, TABLE)}.`);
  }
  console.log(`\nTook ${seconds(Date.now() - started)}.`);
  if (code === 124) console.log(`Stopped after ${seconds(TIMEOUT_MS)}.`);
  process.exit(code);
});

function chosenFiles(isAll, words) {
  const all = [FOLDER, ...(isAll ? [FRAMEWORKS] : [])].flatMap((folder) =>
    readdirSync(join(ROOT, folder))
      .filter((file) => file.endsWith(SUFFIX))
      .sort()
      .map((file) => ({ name: file.slice(0, -SUFFIX.length), path: join(folder, file) })),
  );
  const unknown = words.filter((word) => !all.some(({ name }) => name === word));
  if (unknown.length > 0) {
    const known = all.map(({ name }) => name).join(', ');
    throw new UserError(`No packaging test is called ${unknown.join(', ')}; there are: ${known}.`);
  }
  return all.filter(({ name }) => words.length === 0 || words.includes(name)).map(({ path }) => path);
}

/** Sets up, builds the package for publication, and returns the environment in which that is tested. */
async function publication() {
  await setUp({
    ...{ modules: true, wasm: true, bindgen: true, pack: true, chromium: true, workerTest: true },
    currentNode: true,
  });
  await step({
    what: 'Package',
    why: 'the tests install what is published, with its Wasm optimised',
    about: '1 min',
    act: buildPackage,
  });
  return testing(PKG);
}
