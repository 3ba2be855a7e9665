/**
 * One conversation with a project's chat page in real Chromium: history, a live message, one of the page's own, and one of a
 * second page.
 *
 * Owns the browser, what a page has to show for it, and everything that went wrong without anybody awaiting it. Every
 * project's page shows the messages' texts as items of a list, and has a field and a button; which space it enters is
 * in its address. Must not know how the page is made.
 */
import assert from 'node:assert/strict';
import { brotliCompressSync } from 'node:zlib';
import { chromium } from 'playwright-core';
import { CHROMIUM_FLAGS, chromium as chromiumPath } from '../../../scripts/lib/browsers.mjs';

/** Longer than a page takes to connect on a slow machine, a dev server's first answer included. */
const PATIENCE_MS = 30_000;

/** What a page is told that brings a gateway key, as the components of the SDK's documentation do. */
export const KEY_WARNING = /^warning: kuratchi-spaces: gatewayKey: it is not needed in a browser/;

/** What the conversation is made of. */
const BEFORE = ['First of two before', 'Second of two before'];
const LIVE = 'While you look';
const OWN = 'From the page';
const OTHER = 'From another page';

/** Starts the browser. */
export function startBrowser() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM_BIN ?? chromiumPath(),
    args: [...CHROMIUM_FLAGS],
  });
}

/** The browser's version, as `Chromium 140`. */
export function nameOf(browser) {
  return `Chromium ${browser.version().split('.')[0]}`;
}

/**
 * Opens a tab that keeps what goes wrong in it.
 *
 * @returns {Promise<Tab>}
 */
export async function openTab(browser) {
  const context = await browser.newContext({ viewport: { width: 720, height: 480 } });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  return new Tab(page, context);
}

export class Tab {
  /** Playwright's page. */
  page;
  /** Errors and warnings on the console, and errors that nobody caught. */
  problems = [];
  #context;
  #sockets = [];
  #answers = [];

  constructor(page, context) {
    this.page = page;
    this.#context = context;
    page.on('pageerror', (error) => this.problems.push(`uncaught: ${error.message}`));
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) {
        this.problems.push(`${message.type()}: ${message.text()} (${message.location().url})`);
      }
    });
    page.on('websocket', (socket) => this.#sockets.push(socket.url()));
    page.on('response', (response) => this.#answers.push(response));
  }

  /** How many sockets the page has opened to the Worker: dev servers have some of their own. */
  socketsTo(workerUrl) {
    return this.#sockets.filter((url) => url.startsWith(workerUrl.replace(/^http/, 'ws'))).length;
  }

  /** How many answers have come from addresses that start with this. */
  answersFrom(url) {
    return this.#answers.filter((response) => response.url().startsWith(url)).length;
  }

  /** What the page's own server has sent, each file compressed with brotli as a web server would: bytes. */
  async bytesShipped() {
    const { origin } = new URL(this.page.url());
    const own = this.#answers.filter(
      (response) => response.url().startsWith(origin) && response.status() === 200,
    );
    const bodies = await Promise.all(own.map((response) => response.body().catch(() => Buffer.alloc(0))));
    return bodies.reduce((sum, body) => sum + brotliCompressSync(body).length, 0);
  }

  /** Waits until the page shows these texts, in this order and nothing else. */
  async shows(texts, items = 'li') {
    const wanted = JSON.stringify(texts);
    const look = ([selector, expected]) =>
      JSON.stringify([...document.querySelectorAll(selector)].map((item) => item.textContent.trim())) ===
      expected;
    await this.page.waitForFunction(look, [items, wanted]).catch(async () => {
      const shown = await this.page.locator(items).allTextContents();
      assert.deepEqual(
        shown,
        texts,
        `the page shows something else; its problems: ${this.problems.join('; ')}`,
      );
    });
  }

  /** Types into the page's only field and clicks its button. */
  async say(text) {
    await this.page.locator('input').fill(text);
    await this.page.getByRole('button', { name: 'Send' }).click();
  }

  async close() {
    await this.#context.close();
  }
}

/** Where a page without a server of its own gets its space from. */
function behindTheHash(url, { spaceId, spaceToken, workerUrl }) {
  return `${url}#${encodeURIComponent(JSON.stringify({ spaceId, spaceToken, workerUrl }))}`;
}

/** Where a page finds its space whose server makes the token. */
export function inTheQuery(url, { spaceId }) {
  return `${url}?${new URLSearchParams({ space: spaceId })}`;
}

/**
 * Opens a page and then a second one, and has the conversation. Fails if anything is missing, doubled or out of order, if
 * anything is on the console, or if a page opened more than one socket.
 *
 * @param {import('playwright-core').Browser} browser
 * @param {import('./worker.mjs').Backend} worker
 * @param {string} url The page's.
 * @param {object} [options]
 * @param {(url: string, space: object) => string} [options.address] Of the page for a space.
 * @param {string} [options.items] Selector of the messages.
 * @param {RegExp[]} [options.expects] Problems that are none, each of which there has to be.
 * @param {(told: { tab: Tab, peer: object, space: object, shown: string[] }) => Promise<void>} [options.andThen] What
 *   else to do, in the open page.
 * @returns {Promise<{ bytes: number }>}
 */
export async function chatOn(
  browser,
  worker,
  url,
  { address = behindTheHash, items = 'li', expects = [], andThen } = {},
) {
  const space = await worker.admit();
  const peer = worker.peer(space.spaceId);
  await peer.postAll(BEFORE);
  const tab = await openTab(browser);
  const other = await openTab(browser);
  try {
    await tab.page.goto(address(url, space));
    await tab.shows(BEFORE, items);
    await peer.post(LIVE);
    await tab.shows([...BEFORE, LIVE], items);
    await tab.say(OWN);
    await tab.shows([...BEFORE, LIVE, OWN], items);
    const bytes = await tab.bytesShipped();
    await other.page.goto(address(url, space));
    await other.shows([...BEFORE, LIVE, OWN], items);
    await other.say(OTHER);
    const shown = [...BEFORE, LIVE, OWN, OTHER];
    for (const each of [tab, other]) await each.shows(shown, items);
    await peer.sees(shown);
    for (const each of [tab, other]) assert.equal(each.socketsTo(space.workerUrl), 1, 'sockets opened');
    await andThen?.({ tab, peer, space, shown });
    for (const each of [tab, other]) {
      const isExpected = (problem) => expects.some((pattern) => pattern.test(problem));
      assert.deepEqual(
        each.problems.filter((problem) => !isExpected(problem)),
        [],
      );
      assert.equal(each.problems.length, expects.length, 'each expected problem once');
    }
    return { bytes };
  } finally {
    await tab.close();
    await other.close();
  }
}
