/**
 * A Chromium that treats its tabs as it does at home.
 *
 * Owns its process and profile. Playwright makes every tab believe to be in front, which the tests of this
 * folder want; Chromium never freezes such a tab. Here nothing is pretended: one tab is in front, the others
 * are hidden, and a frozen one really stands still.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { NATURAL_FLAGS } from '../../../scripts/lib/browsers.mjs';
import { PATIENCE_MS } from './waiting.mjs';

/** Ends the browser when its input ends: that also happens when this process is killed. */
const GUARD = '"$@" & child=$!; read -r line; kill "$child"; wait "$child"';

/**
 * @param {string} program Path of Chromium.
 * @returns {Promise<{ context: import('playwright-core').BrowserContext, close: () => Promise<void> }>}
 */
export async function startNaturalBrowser(program) {
  const profile = await mkdtemp(join(tmpdir(), 'kuratchi-browser-'));
  const flags = [...NATURAL_FLAGS, '--headless', '--remote-debugging-port=0', `--user-data-dir=${profile}`];
  const process = spawn('sh', ['-c', GUARD, 'browser-guard', program, ...flags, 'about:blank'], {
    stdio: ['pipe', 'ignore', 'pipe'],
  });
  const exited = once(process, 'exit');
  const close = async () => {
    process.stdin.end();
    await exited;
    await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    const browser = await chromium.connectOverCDP(await endpoint(process), { noDefaults: true });
    const [context] = browser.contexts();
    context.setDefaultTimeout(PATIENCE_MS);
    return { context, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Where the browser says that it listens. */
function endpoint(process) {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`Chromium did not say where: ${said}`)), PATIENCE_MS);
    let said = '';
    process.stderr.setEncoding('utf8');
    process.stderr.on('data', (text) => {
      said += text;
      const match = /DevTools listening on (ws:\S+)\s/.exec(said);
      if (!match) return;
      clearTimeout(late);
      resolve(match[1]);
    });
    process.once('exit', (code) => {
      clearTimeout(late);
      reject(new Error(`Chromium ended with exit code ${code}: ${said}`));
    });
  });
}

/** Freezes a tab as Chromium does with one that was long in the background. It becomes hidden, too. */
export async function freeze(tab) {
  await setLifecycle(tab, 'frozen');
}

/** Thaws a tab and brings it to the front. */
export async function thaw(tab) {
  await tab.bringToFront();
  await setLifecycle(tab, 'active');
}

async function setLifecycle(tab, state) {
  const session = await tab.context().newCDPSession(tab);
  await session.send('Page.setWebLifecycleState', { state });
  await session.detach();
}
