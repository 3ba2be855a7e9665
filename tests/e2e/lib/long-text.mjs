/** A text of which pages show the beginning, until somebody wants the rest. */
import assert from 'node:assert/strict';

const LINES = 60;
export const LONG_TEXT = Array.from({ length: LINES }, (_, index) => `line ${index + 1}`).join('\n');

/**
 * Has all of the text shown by keyboard. The focus stays in the text: the button that had it is gone.
 *
 * @param {import('playwright-core').Page} tab A page that shows {@link LONG_TEXT} once.
 */
export async function showAllByKeyboard(tab) {
  const button = tab.getByRole('button', { name: 'Show all' });
  await button.waitFor();
  const text = tab.locator('.text', { hasText: 'line 1' });
  assert.doesNotMatch(await text.innerText(), /line 41/);
  await button.focus();
  await tab.keyboard.press('Enter');
  await button.waitFor({ state: 'detached' });
  assert.equal(await text.innerText(), LONG_TEXT);
  const isInText = await text.evaluate(
    (element) => document.activeElement === element || element.contains(document.activeElement),
  );
  assert.ok(isInText, 'the focus is in the text');
}
