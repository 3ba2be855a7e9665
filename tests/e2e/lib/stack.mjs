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
import { startProxy } from './proxy.mjs';

/** Longer than anything here takes on a slow machine. What waits, waits for a condition. */
export const PATIENCE_MS = 20_000;

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
  afterEach(() => stack.proxy.release());
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
  #browser;

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
    this.#browser = await chromium.launch({
      executablePath: process.env.CHROMIUM_BIN ?? chromiumPath(),
      args: [...CHROMIUM_FLAGS, '--js-flags=--expose-gc'],
    });
  }

  async stop() {
    await this.#browser?.close();
    await this.#page?.close();
    await this.proxy?.close();
    await this.backend?.stop();
    if (this.#folder) await rm(this.#folder, { recursive: true, force: true });
  }

  /** Stops the Worker, and starts it again on the same port and data when the returned function is called. */
  async stopBackend() {
    const port = Number(new URL(this.backend.url).port);
    await this.backend.stop();
    return async () => {
      this.backend = await this.#startBackend(port);
    };
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

  #startBackend(port) {
    return startBackend({
      port,
      workerDir: WORKER_TEST,
      persistDir: this.#folder,
      gatewayKey: this.#gatewayKey,
      vars: this.#vars,
    });
  }
}

/** Speaks HTTP as `spec/kuratchi.md` has it. */
export class Peer {
  #backend;
  #spaceId;
  #userId;
  #headers;

  constructor(backend, spaceId, userId) {
    this.#backend = backend;
    this.#spaceId = spaceId;
    this.#userId = userId;
  }

  /** Stores a message; resolves with it. */
  async post(text) {
    const body = JSON.stringify({ senderId: this.#userId, senderType: 'user', text });
    return (await this.#ask('/messages', { method: 'POST', body })).message;
  }

  /** Stores messages one after the other; resolves with their texts. */
  async postAll(texts) {
    for (const text of texts) await this.post(text);
    return texts;
  }

  /** The newest messages, oldest first. */
  async messages(limit = 200) {
    return (await this.#ask(`/messages?limit=${limit}`)).messages.reverse();
  }

  async #ask(path, init) {
    const { url, gatewayKey } = this.#backend();
    this.#headers ??= await headersFor(this.#spaceId, this.#userId, gatewayKey);
    const response = await fetch(`${url}${path}`, { ...init, headers: this.#headers });
    const answer = await response.json();
    assert.ok(response.ok, `${init?.method ?? 'GET'} ${path}: ${response.status} ${JSON.stringify(answer)}`);
    return answer;
  }
}

async function headersFor(spaceId, userId, gatewayKey) {
  const { generateToken } = await import('../../../pkg-template/tokens.js');
  const token = await generateToken(spaceId, { gatewayKey, userId });
  return {
    'content-type': 'application/json',
    'x-space-id': headerText(spaceId),
    'x-space-token': headerText(token),
  };
}

/** Headers carry ASCII only. */
function headerText(text) {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the range is all of ASCII.
  return /^[\x00-\x7f]*$/.test(text) ? text : `utf8.${Buffer.from(text).toString('base64url')}`;
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

/** Waits until `check` gives something true, and gives that. */
export async function until(check, what) {
  const end = Date.now() + PATIENCE_MS;
  for (;;) {
    const value = await check();
    if (value) return value;
    if (Date.now() > end) throw new Error(`waited ${PATIENCE_MS} ms in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
