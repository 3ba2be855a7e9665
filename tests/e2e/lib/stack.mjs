/**
 * All that an end-to-end test needs: the Worker, the page's server and a browser, one of each per test file.
 *
 * Owns starting and ending them, and what a page did wrong while nobody looked. Knows nothing about chatting.
 */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, test as nodeTest } from 'node:test';
import { chromium } from 'playwright-core';
import { serve } from '../../../examples-web/vanilla/server.mjs';
import { newGatewayKey, startBackend } from '../../../scripts/lib/backend.mjs';
import { CHROMIUM_FLAGS, chromium as chromiumPath } from '../../../scripts/lib/browsers.mjs';
import { PKG_DEV, WORKER_TEST } from '../../../scripts/lib/paths.mjs';
import { startNaturalBrowser } from './natural-browser.mjs';
import { startNetwork } from './network.mjs';
import { Peer } from './peer.mjs';
import { servePeople } from './people-page.mjs';
import { Person } from './person.mjs';
import { startProxy } from './proxy.mjs';
import { PATIENCE_MS } from './waiting.mjs';
import { killWorkerd, workerdProcesses } from './workerd.mjs';

export { PATIENCE_MS, until } from './waiting.mjs';

const CHROMIUM = process.env.CHROMIUM_BIN ?? chromiumPath();

/** No test takes this long unless it hangs. */
const TEST_TIMEOUT_MS = 90_000;

/**
 * A test that ends in any case.
 *
 * @param {string} name
 * @param {() => Promise<void>} fn
 * @param {{ timeout?: number }} [options]
 */
export function test(name, fn, { timeout = TEST_TIMEOUT_MS } = {}) {
  nodeTest(name, { timeout }, fn);
}

/**
 * Starts everything before the file's first test and ends it after its last one.
 *
 * @param {{ vars?: Record<string, string> }} [options] Settings of the Worker.
 * @returns {Stack}
 */
export function useStack(options) {
  const stack = new Stack(options);
  before(() => stack.start());
  // What a test that failed half-way has shut must not fail the next one.
  afterEach(() => stack.tidyUp());
  after(() => stack.stop());
  return stack;
}

export class Stack {
  /** As `startBackend` gives it. */
  backend;
  /** Between pages and the Worker: see proxy.mjs. */
  proxy;
  /** Where the page is. */
  url;
  #vars;
  #gatewayKey = newGatewayKey();
  #folder;
  #page;
  #people;
  #brought = [];
  #visitors = [];
  #workerd = [];
  #browser;
  #natural;

  constructor({ vars = {} } = {}) {
    this.#vars = vars;
  }

  async start() {
    this.#folder = await mkdtemp(join(tmpdir(), 'kuratchi-e2e-'));
    this.backend = await this.#startBackend(0);
    this.proxy = await startProxy(this.backend.url);
    this.#page = await serve({
      workerUrl: this.proxy.url,
      gatewayKey: this.#gatewayKey,
      packageDir: PKG_DEV,
    });
    this.url = this.#page.url;
    this.#people = await servePeople({ gatewayKey: this.#gatewayKey, packageDir: PKG_DEV });
    this.#browser = await chromium.launch({
      executablePath: CHROMIUM,
      args: [...CHROMIUM_FLAGS, '--js-flags=--expose-gc'],
    });
  }

  async stop() {
    await this.#browser?.close();
    await this.#natural?.close();
    await this.#page?.close();
    await this.#people?.close();
    await this.proxy?.close();
    await this.backend?.stop();
    if (this.#folder) await rm(this.#folder, { recursive: true, force: true });
  }

  /** Opens the proxy's gates and sends home whoever a test has brought. */
  async tidyUp() {
    this.proxy.release();
    for (const tab of this.#visitors.splice(0)) await tab.close();
    for (const thing of this.#brought.splice(0)) await thing.close();
  }

  /** Stops the Worker, and starts it again on the same port and data when the returned function is called. */
  async stopBackend() {
    const port = Number(new URL(this.backend.url).port);
    await this.backend.stop();
    return async () => {
      this.backend = await this.#startBackend(port);
    };
  }

  /** Kills the Worker as a crash would, and starts it again on the same port and data. */
  async crashBackend() {
    const port = Number(new URL(this.backend.url).port);
    killWorkerd(this.#workerd);
    await this.backend.stop();
    this.backend = await this.#startBackend(port);
  }

  /** A space that nobody has been in. */
  newSpace(kind = 'test') {
    return `${kind}-${randomUUID().slice(0, 8)}`;
  }

  /**
   * A tab of a browser of its own, as if on another machine.
   *
   * @param {object} [options] As Playwright's `newContext`.
   * @returns {Promise<import('playwright-core').Page>}
   */
  async newTab(options) {
    const context = await this.#browser.newContext({
      viewport: { width: 900, height: 700 },
      locale: 'en-GB',
      timezoneId: 'UTC',
      reducedMotion: 'reduce',
      ...options,
    });
    context.setDefaultTimeout(PATIENCE_MS);
    return this.newTabIn(context);
  }

  /** A tab that may be hidden and frozen: see natural-browser.mjs. All such tabs are of one browser. */
  async newNaturalTab() {
    this.#natural ??= await startNaturalBrowser(CHROMIUM);
    return this.newTabIn(this.#natural.context);
  }

  /** Another tab of a browser that is open. */
  async newTabIn(context) {
    const tab = await context.newPage();
    watch(tab);
    return tab;
  }

  /**
   * A tab on the page, but without its script: for tests of the client alone. The document itself is the real
   * one, because Chromium lets a made-up one connect to nothing local.
   */
  async newBareTab({ initScript } = {}) {
    const tab = await this.newTab();
    if (initScript) await tab.addInitScript(initScript);
    await tab.route(`${this.url}/app.js`, (route) =>
      route.fulfill({ contentType: 'text/javascript', body: 'export {};' }),
    );
    await tab.goto(this.url);
    return tab;
  }

  /** Somebody who takes part by HTTP alone, straight at the Worker. */
  newPeer(spaceId, userId = 'peer') {
    return new Peer(() => this.backend, spaceId, userId);
  }

  /** The same with a token that names nobody. */
  newStranger(spaceId, senderId) {
    return new Peer(() => this.backend, spaceId, senderId, { isProven: false });
  }

  /** Where people's pages are, and their tokens. */
  get peopleUrl() {
    return this.#people.url;
  }

  /** A network of somebody's own on the way to the Worker. */
  async newNetwork() {
    return this.keep(await startNetwork(this.proxy.url));
  }

  /** Something that the present test has brought, and that ends with it: `close()` is called. */
  keep(thing) {
    this.#brought.push(thing);
    return thing;
  }

  /**
   * Somebody who chats, not there yet.
   *
   * @param {string} name
   * @param {string} spaceId
   * @param {object} [options]
   * @param {object} [options.tab] Default: one of a browser of its own.
   * @param {string | null} [options.user] Whom the token names, or nobody. Default: the name.
   * @param {number} [options.expiryMs] How long a token lasts.
   * @param {number} [options.tokensUnanswered] How many questions for a token are never answered, in each page.
   * @param {boolean} [options.recorded] Whether the tab keeps what they said beyond its pages: see `record()`.
   * @param {boolean} [options.renews] Whether the client gets a function that fetches tokens, and not a token.
   * @param {string} [options.gatewayKey] What an app of the TypeScript SDK passes as well.
   * @param {boolean} [options.legacyWorker] Whether the app says that the worker is one of that SDK.
   * @param {{ url: string, faults: object }} [options.network] The way to a worker. Default: one of their own to ours.
   */
  async newPerson(
    name,
    spaceId,
    {
      tab,
      user = name,
      expiryMs = 3_600_000,
      tokensUnanswered = 0,
      recorded = false,
      renews = true,
      gatewayKey,
      legacyWorker,
      network,
    } = {},
  ) {
    const claims = user === null ? {} : { userId: user };
    const query = new URLSearchParams({ spaceId, expiryMs: String(expiryMs), ...claims });
    const tokenUrl = `${this.#people.url}/token?${query}`;
    const token = renews ? { tokenUrl } : { spaceToken: await (await fetch(tokenUrl)).text() };
    const place = tab ?? (await this.newTab());
    // Closing a tab twice is fine; one that is driven from elsewhere is closed there.
    if (tab === undefined || tab.context) this.#visitors.push(place);
    return new Person(name, place, {
      pageUrl: this.#people.url,
      network: network ?? (await this.newNetwork()),
      options: {
        spaceId,
        user: user ?? name,
        tokensUnanswered,
        recorded,
        gatewayKey,
        legacyWorker,
        ...token,
      },
    });
  }

  /** Asks a test hook of the Worker about a space; a body makes it a `POST`. */
  async hook(name, spaceId, body) {
    const { url, gatewayKey } = this.backend;
    const response = await fetch(`${url}/__test/${name}?${new URLSearchParams({ spaceId })}`, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { Authorization: `Bearer ${gatewayKey}` },
      body: body && JSON.stringify(body),
    });
    assert.ok(response.ok, `the test hook ${name} answered ${response.status}`);
    return response.json();
  }

  async #startBackend(port) {
    const before = workerdProcesses();
    const backend = await startBackend({
      port,
      workerDir: WORKER_TEST,
      persistDir: this.#folder,
      gatewayKey: this.#gatewayKey,
      vars: this.#vars,
    });
    this.#workerd = workerdProcesses().filter((pid) => !before.includes(pid));
    return backend;
  }
}

const problems = new WeakMap();

function watch(tab) {
  const found = [];
  problems.set(tab, found);
  tab.on('pageerror', (error) => found.push(`uncaught: ${error.message}`));
  tab.on('console', (message) => {
    // A refused request is reported by the browser itself; tests that cause one expect it.
    const isNetwork = /Failed to load resource|net::ERR_|WebSocket connection to/.test(message.text());
    if (message.type() === 'error' && !isNetwork) found.push(`console: ${message.text()}`);
  });
}

/** Fails if the tab had an uncaught error, an unhandled rejection or an error on its console. */
export function assertNoProblems(...tabs) {
  for (const tab of tabs) assert.deepEqual(problems.get(tab), []);
}
