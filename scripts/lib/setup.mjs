/**
 * The set-up of each command, put together from steps: a command names what it needs and gets no more.
 *
 * Owns the order of the steps. Knows nothing about what the commands do afterwards.
 */
import { missingBrowserPackages } from './browsers.mjs';
import { buildClient, buildWorker } from './build.mjs';
import { currentNodeStep } from './current-node.mjs';
import { modulesStep } from './modules.mjs';
import { VERSIONS } from './paths.mjs';
import { note, step } from './steps.mjs';
import { hasLinker, installPackages, missingPackages, requireBasics } from './system.mjs';
import {
  addRustupTarget,
  buildStandardLibrary,
  missingWasmPackages,
  requireDebianFallback,
  wasmCargo,
} from './toolchain.mjs';
import { cargoDeny, geckodriver, installStep, wasmBindgen, wasmPack } from './tools.mjs';

/**
 * Sets up what is needed and missing.
 *
 * @param {object} needs
 * @param {boolean} [needs.modules] Node modules.
 * @param {boolean} [needs.currentNode] A current Node beside the one that runs this.
 * @param {boolean} [needs.wasm] The Wasm target.
 * @param {boolean} [needs.bindgen] The wasm-bindgen CLI.
 * @param {boolean} [needs.deny] cargo-deny.
 * @param {boolean} [needs.pack] wasm-pack.
 * @param {boolean} [needs.chromium] Chromium and its driver.
 * @param {boolean} [needs.firefox] Firefox and its driver.
 * @param {boolean} [needs.client] The client built into `.build/pkg-dev`.
 * @param {boolean} [needs.worker] The Worker built into `.build/worker`.
 * @param {boolean} [needs.workerTest] The Worker with test hooks built into `.build/worker-test`.
 */
export async function setUp(needs) {
  requireBasics();
  if (needs.modules) await step(modulesStep);
  if (needs.currentNode) await step(currentNodeStep);
  const fallback = needs.wasm && !(await hasRustupTarget());
  await step(packagesStep({ ...needs, fallback }));
  if (fallback) await step(standardLibraryStep);
  if (needs.bindgen) {
    await step(installStep(wasmBindgen(), 'it makes the JS glue of client and Worker', '3 min'));
  }
  if (needs.firefox) await step(installStep(geckodriver(), 'it drives Firefox in the tests', '2 min'));
  if (needs.deny) await step(installStep(cargoDeny(), 'it looks at licences and sources', '5 min'));
  if (needs.pack) await step(installStep(wasmPack(), 'it makes the npm package', '2 min'));
  if (needs.client) await step(clientStep);
  if (needs.worker) await step(workerStep);
  if (needs.workerTest) await step(workerTestStep);
}

/** True when rustup's target (or a fallback of an earlier run) is there; tries rustup when neither is. */
async function hasRustupTarget() {
  let there = wasmCargo() !== undefined;
  await step({
    what: 'Wasm target',
    why: 'client and Worker are Rust compiled to Wasm; rustup is asked first',
    about: '20 s',
    done: () => wasmCargo()?.description,
    async act() {
      there = await addRustupTarget();
      if (there) return wasmCargo().description;
      requireDebianFallback();
      note("rustup has no answer here; Debian's compiler takes its place");
      return 'by way of Debian';
    },
  });
  return there;
}

/** One step for all packages of the system, so that without root there is one command to run. */
function packagesStep({ fallback, chromium, firefox }) {
  const missing = () => [
    ...(hasLinker() ? [] : missingPackages(VERSIONS.debian.linker)),
    ...(fallback ? missingWasmPackages() : []),
    ...missingBrowserPackages({ chromium, firefox }),
  ];
  const reasons = [
    'rustc needs a C linker',
    ...(fallback ? ['the Wasm target comes from Debian'] : []),
    ...(chromium || firefox ? ['the tests run in real browsers'] : []),
  ];
  const why = reasons.join(', ');
  return {
    what: 'System packages',
    why,
    about: '1 min',
    done: () => missing().length === 0,
    async act() {
      await installPackages(missing(), why);
      // The name of the linker for Wasm is known only once the package index is up to date.
      await installPackages(missing(), why);
    },
  };
}

const standardLibraryStep = {
  what: "Rust's standard library for Wasm",
  why: 'Debian ships its source only',
  about: '1 min',
  act: buildStandardLibrary,
};

const clientStep = {
  what: 'Client',
  why: 'compiled to Wasm for the browser, with the Worker that the package brings; cargo decides what is new',
  about: '3 min the first time',
  act: buildClient,
};

const workerStep = {
  what: 'Worker',
  why: 'compiled to Wasm for workerd; cargo decides what is new',
  about: '2 min the first time',
  act: () => buildWorker(),
};

const workerTestStep = {
  what: 'Worker with test hooks',
  why: 'the tests count how often it was constructed',
  about: '2 min the first time',
  act: () => buildWorker({ testHooks: true }),
};
