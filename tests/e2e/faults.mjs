/**
 * `npm run test:faults`: what is lost, doubled or out of order when things go wrong, as one table.
 *
 * Sets up what the tests need, runs `faults-*.test.mjs` of this folder and the ledger's own test, and prints
 * every ledger. Names on the command line choose among the files: `npm run test:faults -- network page`.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from '../../scripts/lib/browsers.mjs';
import { ROOT } from '../../scripts/lib/paths.mjs';
import { run, runMain, seconds, UserError } from '../../scripts/lib/process.mjs';
import { setUp } from '../../scripts/lib/setup.mjs';
import { table } from '../../scripts/lib/table.mjs';
import { perView, total } from './lib/ledger.mjs';

const FOLDER = join('tests', 'e2e');
/** Longer than all of it takes on two slow cores: what takes longer hangs. */
const TIMEOUT_MS = 15 * 60_000;

runMain(async () => {
  const started = Date.now();
  const files = chosenFiles(process.argv.slice(2));
  await setUp({
    modules: true,
    wasm: true,
    bindgen: true,
    chromium: true,
    firefox: true,
    client: true,
    workerTest: true,
  });
  const folder = mkdtempSync(join(tmpdir(), 'kuratchi-ledgers-'));
  const ledgers = join(folder, 'ledgers');
  writeFileSync(ledgers, '');
  const env = { ...process.env, CHROMIUM_BIN: chromium(), KURATCHI_LEDGERS_FILE: ledgers };
  const options = { cwd: ROOT, env, show: 'stream', allowFailure: true, timeoutMs: TIMEOUT_MS };
  // Outages and silences have their own time: files do not share the cores.
  const args = ['--test', '--test-reporter=spec', '--test-concurrency=1', ...files];
  const { code } = await run(process.execPath, args, options);
  const balances = readFileSync(ledgers, 'utf8').trim().split('\n').filter(Boolean).map(JSON.parse);
  rmSync(folder, { recursive: true });
  console.log(`\n${table([HEADING, ...balances.map(row)])}`);
  console.log(`\nTook ${seconds(Date.now() - started)}.`);
  if (code === 124) console.log(`Stopped after ${seconds(TIMEOUT_MS)}.`);
  process.exit(code);
});

function chosenFiles(words) {
  const all = readdirSync(join(ROOT, FOLDER)).filter((file) => /^faults-.*\.test\.mjs$/.test(file));
  const wanted = words.map((word) => `faults-${word}.test.mjs`);
  const unknown = wanted.filter((file) => !all.includes(file));
  if (unknown.length > 0) {
    const known = all.map((file) => file.slice('faults-'.length, -'.test.mjs'.length)).join(', ');
    throw new UserError(`There is no ${unknown.join(', ')} in ${FOLDER}; the names are: ${known}.`);
  }
  const files = wanted.length > 0 ? wanted : ['ledger.test.mjs', ...all.sort()];
  return files.map((file) => join(FOLDER, file));
}

const HEADING = ['what went wrong', 'sent', 'acked', 'faults', 'shown', 'lost', 'doubled', 'out of order'];

function row({ test, sent, accepted, faults, shown, lost, doubled, outOfOrder }) {
  const counts = [sent, accepted, total(faults), perView(shown), lost, doubled, outOfOrder];
  return [test, ...counts.map(String)];
}
