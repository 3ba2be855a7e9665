/**
 * What every test of the package in a browser needs: the packed package, the Worker, the browser.
 */
import { after, before } from 'node:test';
import { startBrowser } from './chat.mjs';
import { Installed } from './installed.mjs';
import { startWorker } from './worker.mjs';

/**
 * Packs the package and starts Worker and browser before the tests of the surrounding `describe`, and ends both after them.
 *
 * @returns {{
 *   installed: Installed,
 *   worker: import('./worker.mjs').Backend,
 *   browser: import('playwright-core').Browser,
 * }} `worker` and `browser` are there once tests run.
 */
export function usePackage() {
  const used = { installed: new Installed(), worker: undefined, browser: undefined };
  before(async () => {
    await used.installed.pack();
    used.worker = await startWorker();
    used.browser = await startBrowser();
  });
  after(async () => {
    await used.browser?.close();
    await used.worker?.stop();
    used.installed.remove();
  });
  return used;
}
