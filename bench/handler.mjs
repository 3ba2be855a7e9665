/**
 * `npm run bench`: what a message costs in a page, our client beside the least that JavaScript could do.
 *
 * Owns the rounds and the table. What is measured runs in handler.page.js. Nothing here fails for being slow. `--short` shows that
 * it runs, with figures that mean little.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { CHROMIUM_FLAGS, chromium as chromiumPath } from '../scripts/lib/browsers.mjs';
import { PKG_DEV } from '../scripts/lib/paths.mjs';
import { runMain, UserError } from '../scripts/lib/process.mjs';
import { table } from '../scripts/lib/table.mjs';
import { serveFiles } from '../tests/packaging/lib/files-server.mjs';
import { cells, machine, median } from './figures.mjs';

const IS_SHORT = process.argv.includes('--short');
const MESSAGES = IS_SHORT ? 500 : 20_000;
const MESSAGE_BYTES = 250;
const PER_FRAME = [1, 50];
/** Rounds that are counted; one more before them warms the engines up. */
const ROUNDS = IS_SHORT ? 1 : 9;

const PAGE_SCRIPT = fileURLToPath(new URL('./handler.page.js', import.meta.url));

runMain(async () => {
  if (!existsSync(join(PKG_DEV, 'index.js'))) {
    throw new UserError('.build/pkg-dev is missing: run "npm start" once, which builds the client.');
  }
  const script = readFileSync(PAGE_SCRIPT, 'utf8');
  const html = `<!doctype html><title>bench</title><script type="module">${script}</script>`;
  const headers = { 'Content-Type': 'text/html; charset=utf-8' };
  const page = { status: 200, headers, body: html };
  const server = await serveFiles(PKG_DEV, (answer) => (answer.path === '/bench' ? page : answer));
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM_BIN ?? chromiumPath(),
    args: [...CHROMIUM_FLAGS],
  });
  try {
    const tab = await browser.newPage();
    await tab.goto(`${server.url}/bench`);
    await tab.waitForFunction(() => globalThis.measure);
    console.log(`Chromium ${browser.version()}, ${machine()}`);
    console.log(`${MESSAGES} messages of ${MESSAGE_BYTES} bytes, ${ROUNDS} rounds, µs a message\n`);
    print(await rounds(tab));
  } finally {
    await browser.close();
    await server.close();
  }
});

/** Takes turns, so that what disturbs the machine disturbs both; who goes first changes with each round. */
async function rounds(tab) {
  const results = new Map();
  for (let round = 0; round <= ROUNDS; round += 1) {
    for (const perFrame of PER_FRAME) {
      const handlers = round % 2 === 0 ? ['client', 'plain'] : ['plain', 'client'];
      for (const handler of handlers) {
        const work = { handler, perFrame, messages: MESSAGES, bytes: MESSAGE_BYTES };
        const micros = await tab.evaluate((given) => globalThis.measure(given), work);
        if (round === 0) continue;
        const key = `${handler} ${perFrame}`;
        results.set(key, [...(results.get(key) ?? []), micros]);
      }
    }
  }
  return results;
}

function print(results) {
  const rows = PER_FRAME.flatMap((perFrame) => {
    const frame = perFrame === 1 ? '1 a frame' : `${perFrame} a frame`;
    const client = results.get(`client ${perFrame}`);
    const plain = results.get(`plain ${perFrame}`);
    const times = `${(median(client) / median(plain)).toFixed(1)} ×`;
    return [
      [frame, 'kuratchi-spaces', ...cells(client, 2), times],
      [frame, 'JSON.parse + callback', ...cells(plain, 2), ''],
    ];
  });
  const heading = ['', 'handler', 'median', 'least', 'most', 'of plain'];
  console.log(table([heading, ...rows], { left: 2 }));
}
