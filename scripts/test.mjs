/**
 * `npm test`: sets up what the tests need, runs every suite and closes with `N passed, N failed`.
 *
 * `npm test -- unit e2e` runs those suites only. A suite that fails does not stop the others.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { chromedriver, chromium, firefox } from './lib/browsers.mjs';
import { counter, verdict } from './lib/counts.mjs';
import { currentNode, withCurrentNode } from './lib/current-node.mjs';
import { CRATES, ROOT } from './lib/paths.mjs';
import { run, runMain, seconds, UserError } from './lib/process.mjs';
import { setUp } from './lib/setup.mjs';
import { table } from './lib/table.mjs';
import { nativeCargo, requireWasmCargo, WASM_TARGET } from './lib/toolchain.mjs';
import { geckodriver, wasmBindgenTestRunner } from './lib/tools.mjs';

/** Longer than any suite takes on two slow cores: what takes longer hangs. */
const SUITE_TIMEOUT_MS = 25 * 60_000;
/** The same for one test, or one group of them, that names no time of its own. */
const TEST_TIMEOUT_MS = 10 * 60_000;

/** How many last lines are printed again at the end for a suite that failed and named no failed test. */
const LAST_LINES = 12;

/** Stands in for a runner's exit code when there was nothing to run. */
const NOT_STARTED = 0;

/**
 * What runs beside what. First and last come suites that want all cores: compilers, and loads that are looked at by the clock.
 * Between them, the two lanes run side by side: most of their time their suites wait.
 */
const [FIRST, BROWSERS, SERVERS, LAST] = ['first', 'browsers', 'servers', 'last'];

/**
 * The packaging tests that run something of the package, or of what serves it, in Node. The others ask compilers and browsers,
 * which are the same beside any Node.
 */
const PACKAGING_OF_NODE = ['node', 'vite', 'workerd'];

/** What it takes to build and run apps with the package. */
const NEEDS_OF_APPS = {
  modules: true,
  currentNode: true,
  wasm: true,
  bindgen: true,
  chromium: true,
  client: true,
  workerTest: true,
};

const SUITES = {
  check: {
    lane: FIRST,
    needs: { modules: true, bindgen: true, deny: true },
    command: () => [process.execPath, ['scripts/check.mjs'], process.env],
  },
  native: {
    lane: FIRST,
    needs: {},
    command() {
      const { cargo, env } = nativeCargo();
      return [cargo, ['test', '--no-fail-fast', '--workspace', '--exclude', CRATES.client], env];
    },
  },
  'wasm-chromium': {
    lane: BROWSERS,
    needs: { wasm: true, bindgen: true, chromium: true },
    command: () => wasmTests({ CHROMEDRIVER: chromedriver() }),
  },
  'wasm-firefox': {
    lane: BROWSERS,
    needs: { wasm: true, bindgen: true, firefox: true },
    // Firefox is named: geckodriver does not look for Debian's name of it.
    command: () =>
      wasmTests({ GECKODRIVER: geckodriver().program, GECKODRIVER_ARGS: `--binary ${firefox()}` }),
  },
  unit: {
    lane: SERVERS,
    needs: { modules: true },
    command: () => nodeTests('unit'),
  },
  contract: {
    lane: SERVERS,
    needs: { modules: true, wasm: true, bindgen: true, client: true, workerTest: true },
    command: () => nodeTests('contract'),
  },
  packaging: {
    lane: SERVERS,
    needs: { modules: true, wasm: true, bindgen: true, chromium: true, client: true, workerTest: true },
    // It closes with a table of the projects: it brings its own runner.
    command: () => [process.execPath, ['tests/packaging/run.mjs'], process.env],
  },
  'command-line': {
    lane: SERVERS,
    needs: { modules: true, currentNode: true, wasm: true, bindgen: true, client: true },
    command: () => nodeTests('command-line'),
  },
  // What users have by now, and with it the newest runtime.
  'contract (current Node)': {
    lane: SERVERS,
    needs: { modules: true, currentNode: true, wasm: true, bindgen: true, client: true, workerTest: true },
    command: () => onCurrentNode(SUITES.contract),
  },
  'command-line (current Node)': {
    lane: SERVERS,
    needs: { modules: true, currentNode: true, wasm: true, bindgen: true, client: true },
    command: () => onCurrentNode(SUITES['command-line']),
  },
  'packaging (current Node)': {
    lane: SERVERS,
    needs: NEEDS_OF_APPS,
    command: () => onCurrentNode(SUITES.packaging, PACKAGING_OF_NODE),
  },
  // Every block of code in the README and the documentation.
  snippets: {
    lane: BROWSERS,
    needs: NEEDS_OF_APPS,
    command: () => nodeTests('snippets', { CHROMIUM_BIN: chromium() }),
  },
  docs: {
    lane: BROWSERS,
    needs: { modules: true, chromium: true },
    command: () => nodeTests('docs', { CHROMIUM_BIN: chromium() }),
  },
  e2e: {
    lane: BROWSERS,
    needs: { modules: true, wasm: true, bindgen: true, chromium: true, client: true, workerTest: true },
    // Three files at a time: for most of it they wait for clocks and networks.
    command: () => nodeTests('e2e', { CHROMIUM_BIN: chromium() }, ['--test-concurrency=3']),
  },
  // Attacks that were seen, and what they cost now: it prints both.
  abuse: {
    lane: SERVERS,
    needs: { modules: true, wasm: true, bindgen: true, client: true },
    command: () => nodeTests('abuse', {}, ['--test-concurrency=1']),
  },
  // Compilers and benchmarks, shortly: they want all cores.
  commands: {
    lane: LAST,
    needs: {
      ...{ modules: true, wasm: true, bindgen: true, pack: true },
      ...{ chromium: true, client: true, worker: true },
    },
    command: () => nodeTests('commands', { CHROMIUM_BIN: chromium() }),
  },
  // One file after the other: each of them wants all cores.
  load: {
    lane: LAST,
    needs: { modules: true, wasm: true, bindgen: true, chromium: true, client: true },
    command: () => nodeTests('load', { CHROMIUM_BIN: chromium() }, ['--test-concurrency=1']),
  },
  // One after the other and with a table of what was lost: it brings its own runner.
  faults: {
    lane: BROWSERS,
    needs: {
      ...{ modules: true, wasm: true, bindgen: true, chromium: true, firefox: true },
      ...{ client: true, workerTest: true },
    },
    command: () => [process.execPath, ['tests/e2e/faults.mjs'], process.env],
  },
};

/** Test files that the suite of their folder leaves to another one. */
const IS_OF_FAULTS = /^(faults-.*|ledger)\.test\.mjs$/;

/** Short names for several suites. */
const GROUPS = {
  wasm: ['wasm-chromium', 'wasm-firefox'],
  'current-node': ['contract (current Node)', 'command-line (current Node)', 'packaging (current Node)'],
};

runMain(async () => {
  const started = Date.now();
  const names = chosenSuites(process.argv.slice(2));
  console.log('Setting up the tests');
  await setUp(Object.assign({}, ...names.map((name) => SUITES[name].needs)));
  const results = await runSuites(names);
  const passed = results.reduce((sum, result) => sum + result.passed, 0);
  const failed = results.reduce((sum, result) => sum + result.failed, 0);
  const rows = results.map((result) => [
    result.name,
    `${result.passed}`,
    `${result.failed}`,
    (result.ms / 1000).toFixed(1),
    result.why ?? '',
  ]);
  // Said again: what a suite printed stands far above, and some logs are cut.
  for (const { name, failures } of results) {
    if (failures.length > 0) console.log(`\n== what failed in ${name}\n${failures.join('\n')}`);
  }
  console.log(`\n${table([['suite', 'passed', 'failed', 'seconds', ''], ...rows])}`);
  console.log(`\nSet-up and tests took ${seconds(Date.now() - started)}.`);
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed === 0 ? 0 : 1);
});

function chosenSuites(words) {
  const names = words.flatMap((word) => GROUPS[word] ?? [word]);
  const unknown = names.filter((name) => !(name in SUITES));
  if (unknown.length > 0) {
    const known = [...Object.keys(SUITES), ...Object.keys(GROUPS)].join(', ');
    throw new UserError(`No suite is called ${unknown.join(', ')}; there are: ${known}.`);
  }
  return names.length > 0 ? names : Object.keys(SUITES);
}

/** Runs suites in their lanes. Gives the results in the order of the table of suites. */
async function runSuites(names) {
  const results = new Map();
  const lane = (which) => names.filter((name) => SUITES[name].lane === which);
  const runLane = async (which, isBeside = false) => {
    for (const name of lane(which)) results.set(name, await runSuite(name, isBeside));
  };
  await runLane(FIRST);
  const areBoth = lane(BROWSERS).length > 0 && lane(SERVERS).length > 0;
  await Promise.all([runLane(BROWSERS, areBoth), runLane(SERVERS, areBoth)]);
  await runLane(LAST);
  return names.map((name) => results.get(name));
}

/** Runs a suite. `isBeside`: another one runs at the same time, so each line says whose it is. */
async function runSuite(name, isBeside) {
  console.log(`\n== ${name}`);
  const started = Date.now();
  const { line, counts, failures } = counter();
  let code;
  let output = '';
  try {
    const [command, args, env] = SUITES[name].command();
    const onLine = (text) => {
      if (isBeside) console.log(`[${name}] ${text}`);
      line(text);
    };
    const options = { cwd: ROOT, env, show: isBeside ? 'silent' : 'stream', onLine, allowFailure: true };
    ({ code, output } = await run(command, args, { ...options, timeoutMs: SUITE_TIMEOUT_MS }));
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    console.log(error.message);
    code = NOT_STARTED;
  }
  const result = verdict(counts, code);
  // A runner that was stopped names no failed test: its last lines show how far it got.
  if (result.why !== undefined && failures.length === 0) {
    failures.push(result.why, ...output.split('\n').slice(-LAST_LINES));
  }
  return { name, ms: Date.now() - started, failures, ...result };
}

function wasmTests(driver) {
  const { cargo, env } = requireWasmCargo();
  const runner = `CARGO_TARGET_${WASM_TARGET.toUpperCase().replaceAll('-', '_')}_RUNNER`;
  const clean = { ...env };
  // The runner takes the first driver that it finds named.
  for (const name of ['CHROMEDRIVER', 'GECKODRIVER', 'SAFARIDRIVER']) delete clean[name];
  return [
    cargo,
    ['test', '--target', WASM_TARGET, '-p', CRATES.client, '--tests', '--no-fail-fast'],
    {
      ...clean,
      ...driver,
      [runner]: wasmBindgenTestRunner(),
      WASM_BINDGEN_USE_BROWSER: '1',
      WASM_BINDGEN_TEST_WEBDRIVER_JSON: join(ROOT, 'scripts', 'webdriver.json'),
      WASM_BINDGEN_TEST_TIMEOUT: '120',
    },
  ];
}

/** The same suite, run by a current Node. */
function onCurrentNode(suite, words = []) {
  const [, args, env] = suite.command();
  return [currentNode(), [...args, ...words], withCurrentNode(env)];
}

/** Node before version 21 takes no patterns: the files are listed here. */
function nodeTests(folder, env = {}, flags = []) {
  const path = join(ROOT, 'tests', folder);
  const isOurs = (file) => file.endsWith('.test.mjs') && !IS_OF_FAULTS.test(file);
  const files = existsSync(path) ? readdirSync(path).filter(isOurs) : [];
  if (files.length === 0) throw new UserError(`tests/${folder} holds no *.test.mjs file.`);
  const paths = files.sort().map((file) => join('tests', folder, file));
  const args = ['--test', '--test-reporter=spec', `--test-timeout=${TEST_TIMEOUT_MS}`, ...flags, ...paths];
  return [process.execPath, args, { ...process.env, ...env }];
}
