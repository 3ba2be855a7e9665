/**
 * Browsers and their drivers: where they are on this machine, and the flags to start them with.
 *
 * Knows nothing about what is tested in them.
 */
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { VERSIONS } from './paths.mjs';
import { UserError } from './process.mjs';
import { missingPackages } from './system.mjs';

const MAC_CHROME = '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome';

/**
 * Flags for a headless Chromium that runs as any user, root included, and talks to nobody but the tests.
 * scripts/webdriver.json holds the same list for the wasm-bindgen tests.
 */
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Popups of the address bar: each window loads them as pages of their own, also where there is no screen, for a second of CPU. */
const ADDRESS_BAR = ['WebUIOmniboxPopup', 'WebUIOmniboxAimPopup', 'WebUIOmniboxFullPopup'];

/** What Playwright switches off by itself: of several such flags Chromium heeds the last one alone. */
export const OFF_IN_PLAYWRIGHT = Object.freeze([
  'AvoidUnnecessaryBeforeUnloadCheckSync',
  'DestroyProfileOnBrowserClose',
  'HttpsUpgrades',
  'HttpsFirstBalancedModeAutoEnable',
  'LensOverlay',
  'MediaRouter',
  'PaintHolding',
  'ThirdPartyStoragePartitioning',
  'AvoidCorsURLLoaderRestartOnRedirect',
  'TcpPortRandomizationWin',
  'OptimizationHints',
  'NetworkTimeServiceQuerying',
  'AimEnabled',
  'PreconnectToSearch',
  'msForceBrowserSignIn',
  'msEdgeUpdateLaunchServicesPreferredVersion',
]);

const withoutFeatures = (...names) => Object.freeze([...FLAGS, `--disable-features=${names.join(',')}`]);

/** Flags for a Chromium that Playwright starts. */
export const CHROMIUM_FLAGS = withoutFeatures(...OFF_IN_PLAYWRIGHT, ...ADDRESS_BAR);

/** Flags for a Chromium that is as people have it, save for what nobody sees. */
export const NATURAL_FLAGS = withoutFeatures(...ADDRESS_BAR);

/** Path of Chromium or Chrome. */
export function chromium() {
  return orFail('Chromium', process.env.CHROMIUM_BIN ?? findChromium());
}

/** Path of chromedriver. */
export function chromedriver() {
  return orFail('chromedriver', process.env.CHROMEDRIVER ?? findInPath('chromedriver'));
}

/** Path of Firefox. */
export function firefox() {
  return orFail('Firefox', process.env.FIREFOX_BIN ?? findFirefox());
}

/** Debian packages of the wanted browsers that are neither installed nor replaced by another copy. */
export function missingBrowserPackages({ chromium: wantsChromium, firefox: wantsFirefox }) {
  const missing = [];
  if (wantsChromium && !(findChromium() && findInPath('chromedriver'))) {
    missing.push(...missingPackages(VERSIONS.debian.chromium));
  }
  if (wantsFirefox && !findFirefox()) missing.push(...missingPackages(VERSIONS.debian.firefox));
  return missing;
}

function findChromium() {
  const found = findInPath('chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable');
  return found ?? (existsSync(MAC_CHROME) ? MAC_CHROME : undefined);
}

function findFirefox() {
  return findInPath('firefox-esr', 'firefox');
}

function findInPath(...names) {
  for (const name of names) {
    for (const folder of (process.env.PATH ?? '').split(delimiter)) {
      const file = join(folder, name);
      if (folder && existsSync(file)) return file;
    }
  }
  return undefined;
}

function orFail(what, path) {
  if (!path) throw new UserError(`${what} is missing: the browser tests run in it; "npm test" installs it.`);
  return path;
}
