/** Whether a list of messages stays at its end while the field below it changes its height. */
import assert from 'node:assert/strict';
import { until } from './stack.mjs';

/** More than the server takes. */
const TEXT_TOO_LONG = 'y'.repeat(20_000);

const pixelsBelow = (log) => log.evaluate((box) => box.scrollHeight - box.clientHeight - box.scrollTop);

/** Scroll events, and what comes of them, take a frame or two. */
const framesPass = (tab) =>
  tab.evaluate(
    () =>
      new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(resolve)))),
  );

/**
 * Writes a text of many lines and has one refused that is too long, with a list at its end that is higher than its box.
 *
 * @param {{ tab: import('playwright-core').Page, log: object }} page
 * @param {import('playwright-core').Locator} field
 */
export async function assertListStaysAtEnd({ tab, log }, field) {
  await until(async () => Math.abs(await pixelsBelow(log)) < 2, 'the list is at its end');
  await field.focus();
  for (let line = 0; line < 12; line += 1) {
    await tab.keyboard.type('a');
    await tab.keyboard.press('Shift+Enter');
    await framesPass(tab);
  }
  assert.ok(Math.abs(await pixelsBelow(log)) < 2, `${await pixelsBelow(log)} px below as the field grows`);
  await field.fill(TEXT_TOO_LONG);
  await framesPass(tab);
  await field.press('Enter');
  await tab.getByText('Not sent. The message is too long').waitFor();
  await framesPass(tab);
  assert.equal((await field.inputValue()).length, TEXT_TOO_LONG.length);
  assert.ok(Math.abs(await pixelsBelow(log)) < 2, `${await pixelsBelow(log)} px below after a refusal`);
  await field.fill('');
  await framesPass(tab);
  assert.ok(Math.abs(await pixelsBelow(log)) < 2, `${await pixelsBelow(log)} px below as the field shrinks`);
  assert.equal(await tab.locator('.new-pill:visible').count(), 0, 'nothing says that there is more below');
}
