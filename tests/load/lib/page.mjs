/**
 * Our client in real Chromium, for counting: one browser, and a page for each space.
 */
import { readFileSync } from 'node:fs';
import { chromium } from 'playwright-core';
import { CHROMIUM_FLAGS, chromium as chromiumPath } from '../../../scripts/lib/browsers.mjs';
import { PKG_DEV } from '../../../scripts/lib/paths.mjs';
import { servePeople } from '../../e2e/lib/people-page.mjs';
import { until } from '../../e2e/lib/waiting.mjs';

const PAGE_MS_MAX = 20_000;
const PROGRESS_EVERY_MS = 100;

/** Scripts of this folder that the page loads, by the path that it asks for. */
const SCRIPTS = { '/person-page.js': 'load-page.js', '/load/keys.mjs': 'keys.mjs' };

export class Browser {
  #browser;
  #site;
  #pages = [];

  /** Starts Chromium, and the server of the page and the package. */
  static async start() {
    const started = new Browser();
    started.#browser = await chromium.launch({ executablePath: chromiumPath(), args: [...CHROMIUM_FLAGS] });
    // The page gets its tokens from the test: the key of this server signs nothing.
    started.#site = await servePeople({ gatewayKey: 'unused', packageDir: PKG_DEV });
    return started;
  }

  async stop() {
    await this.#browser?.close();
    await this.#site?.close();
  }

  /**
   * Opens a page whose client is connected to a space.
   *
   * @param {{ spaceId: string, spaceToken: string, workerUrl: string }} config
   * @returns {Promise<CountingPage>}
   */
  async open(config) {
    const tab = await this.#browser.newPage();
    tab.setDefaultTimeout(PAGE_MS_MAX);
    const problems = [];
    tab.on('pageerror', (error) => problems.push(error.message));
    for (const [path, file] of Object.entries(SCRIPTS)) {
      const body = readFileSync(new URL(file, import.meta.url), 'utf8');
      await tab.route(`${this.#site.url}${path}`, (route) =>
        route.fulfill({ contentType: 'text/javascript', body }),
      );
    }
    await tab.goto(this.#site.url);
    await until(() => tab.evaluate(() => globalThis.isReady === true), 'the page is loaded');
    await tab.evaluate((given) => globalThis.load.connect(given), config);
    const page = new CountingPage(tab, problems);
    this.#pages.push(page);
    return page;
  }

  /**
   * Records the tasks of every page's main thread, as the browser itself traces them. Resolves with the function that
   * ends it, which resolves with their durations in milliseconds, longest first.
   */
  async traceTasks() {
    const session = await this.#browser.newBrowserCDPSession();
    const events = [];
    session.on('Tracing.dataCollected', ({ value }) => events.push(...value));
    const traceConfig = { includedCategories: ['disabled-by-default-devtools.timeline'] };
    await session.send('Tracing.start', { transferMode: 'ReportEvents', traceConfig });
    return async () => {
      const complete = new Promise((resolve) => session.once('Tracing.tracingComplete', resolve));
      await session.send('Tracing.end');
      await complete;
      await session.detach();
      const thread = ({ pid, tid }) => `${pid}.${tid}`;
      const isName = ({ name, args }) => name === 'thread_name' && args.name === 'CrRendererMain';
      const mains = new Set(events.filter(isName).map(thread));
      return events
        .filter((event) => event.name === 'RunTask' && mains.has(thread(event)))
        .map(({ dur = 0 }) => dur / 1_000)
        .sort((a, b) => b - a);
    };
  }

  /** Closes every page. */
  async closePages() {
    for (const page of this.#pages.splice(0)) await page.close();
  }
}

class CountingPage {
  /** Exceptions that nothing in the page caught. */
  problems;
  #tab;

  constructor(tab, problems) {
    this.#tab = tab;
    this.problems = problems;
  }

  /** How many messages came, the last one's key, and the link's state if it changed since the first connect. */
  progress() {
    return this.#tab.evaluate(() => globalThis.load.progress());
  }

  /** Asks for the progress again and again. `latest()` is the last answer; `stop()` ends it. */
  watchProgress() {
    let latest = { count: 0 };
    const timer = setInterval(async () => {
      latest = await this.progress().catch(() => latest);
    }, PROGRESS_EVERY_MS);
    return { latest: () => latest, stop: () => clearInterval(timer) };
  }

  /** Everything that the callbacks received: keys, states after the first connect, discontinuities, errors. */
  report() {
    return this.#tab.evaluate(() => globalThis.load.report());
  }

  close() {
    return this.#tab.close();
  }
}
