/**
 * A space of 50,000 messages in a virtual list: all of it loads, any part of it can be seen, and one new message
 * renders one row. Times are printed and not judged.
 */
import assert from 'node:assert/strict';
import { after } from 'node:test';
import { generateToken } from '../../pkg-template/tokens.js';
import { SecondVersionClient } from '../contract/lib/second-version-client.mjs';
import { startApp } from './lib/app.mjs';
import { assertNoProblems, PATIENCE_MS, test, until, useStack } from './lib/stack.mjs';

const MESSAGES = 50_000;
/** In one frame of the client. */
const BATCH = 500;
/** Of a list of 600 pixels: what is shown, and what is kept ready around it. */
const ROWS_MAX = 100;

// Limits of sending are not the subject.
const RATES = {
  SEND_BURST: '1000000',
  SEND_PER_SECOND: '1000000',
  HTTP_BURST: '100000',
  HTTP_PER_SECOND: '10000',
};
const stack = useStack({ vars: RATES });
const apps = [];
let space;

after(async () => {
  for (const app of apps) await app.close();
});

/** Stores all messages, once for all tests. */
async function fill() {
  if (space) return space;
  space = stack.newSpace('long');
  const { url, gatewayKey } = stack.backend;
  const token = await generateToken(space, { gatewayKey, userId: 'writer' });
  const writer = new SecondVersionClient(url, { spaceId: space, token });
  await writer.welcome();
  for (let from = 0; from < MESSAGES; from += BATCH) {
    const ids = Array.from({ length: BATCH }, (_, index) => `id-${String(from + index).padStart(20, '0')}`);
    writer.send(
      ids.map((clientMessageId, index) => ({
        type: 'message',
        clientMessageId,
        text: `message ${from + index}`,
      })),
    );
    await writer.answer(ids.at(-1));
    writer.frames.length = 0;
  }
  await writer.close();
  return space;
}

async function open(name) {
  await fill();
  const app = await startApp(name, { isBuilt: true });
  apps.push(app);
  const tab = await stack.newTab();
  await tab.goto(app.url(await app.query(stack, space, 'reader', { scene: 'long', loose: true })));
  const started = Date.now();
  await tab.evaluate(() => page.loadAll());
  return { tab, loadMs: Date.now() - started };
}

/** The numbers of one framework; fails where a count is not as it should be. */
async function measure(name) {
  const { tab, loadMs } = await open(name);
  const known = Number(await tab.locator('#count').textContent());
  assert.ok(known >= MESSAGES, `${known} messages are in the list`);
  assert.equal(await tab.locator('#count').getAttribute('data-older'), 'false');
  const rows = () => tab.locator('#list').evaluate((list) => list.innerText.split('\n').filter(Boolean));
  const renders = () => tab.evaluate(() => page.renders.row);
  const scrollTo = (index) => tab.evaluate((index) => page.list.scrollToIndex(index), index);
  const sees = async (text) => until(async () => (await rows()).includes(text), `${text} is seen`);
  const scrolled = [];
  for (const index of [0, 12_345, 25_000, 49_000, MESSAGES - 1]) {
    const at = Date.now();
    await scrollTo(index);
    await sees(`message ${index}`);
    scrolled.push(Date.now() - at);
    assert.ok((await rows()).length < ROWS_MAX, 'only a part is in the document');
  }
  // By hand, at the speed that the page keeps up with.
  const frames = await tab.evaluate(async () => {
    const box = document.querySelector('#list');
    const taken = [];
    let last = performance.now();
    for (let step = 0; step < 100; step += 1) {
      box.scrollTop -= 400;
      const now = await new Promise(requestAnimationFrame);
      taken.push(now - last);
      last = now;
    }
    return taken.sort((a, b) => a - b);
  });
  assert.ok((await rows()).length < ROWS_MAX);
  await scrollTo(known - 1);
  await tab.evaluate(() => new Promise((resolve) => setTimeout(resolve, 200)));
  const before = await renders();
  const text = `news for ${name}`;
  await stack.newPeer(space, 'writer').post(text);
  await until(
    async () => Number(await tab.locator('#count').textContent()) === known + 1,
    'it is in the list',
  );
  await scrollTo(known);
  await sees(text);
  const rendered = (await renders()) - before;
  const newMs = await newMessageMs(tab);
  console.log(
    `${name}: ${known} messages loaded in ${loadMs} ms; jumps took ${scrolled.join(', ')} ms; frames while ` +
      `scrolling: median ${frames[50].toFixed(1)} ms, longest ${frames.at(-1).toFixed(1)} ms; one new message ` +
      `rendered ${rendered} row and took ${newMs.toFixed(1)} ms from the store to the screen`,
  );
  assert.equal(rendered, 1, 'one new message renders one row');
  assertNoProblems(tab);
  await tab.close();
}

/** From a message's arrival in the page to the end of the frame that shows it in the count; of several the median. */
async function newMessageMs(tab) {
  const taken = [];
  for (let index = 0; index < 5; index += 1) {
    await tab.evaluate(() => {
      page.shown = new Promise((resolve) => {
        const stop = page.space.on('message', () => {
          stop();
          const at = performance.now();
          requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - at)));
        });
      });
    });
    await stack.newPeer(space, 'writer').post('one more');
    taken.push(await tab.evaluate(() => page.shown));
  }
  return taken.sort((a, b) => a - b)[2];
}

test('react_shows_50_000_messages_and_renders_one_row_for_one_more', () => measure('react'), {
  timeout: 12 * PATIENCE_MS,
});

test('svelte_shows_50_000_messages_and_renders_one_row_for_one_more', () => measure('svelte'), {
  timeout: 12 * PATIENCE_MS,
});
