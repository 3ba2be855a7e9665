/**
 * A page as it is looked at: by axe, and by people, in pictures of each state.
 *
 * Owns the screens and colour schemes, and where pictures are left. Must not know what the page is about.
 */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { BUILD } from '../../../scripts/lib/paths.mjs';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Where pictures are left for people to look at. */
export const PICTURES = join(BUILD, 'screenshots');

const SCREENS = {
  desktop: { width: 1000, height: 720 },
  phone: { width: 390, height: 844 },
};

/** Axe with every rule that it has. `evaluate` is not bound by the page's content security policy. */
export async function assertAccessible(tab, view) {
  await tab.evaluate(AXE);
  const violations = await tab.evaluate(async () => {
    const { violations } = await globalThis.axe.run(document, { resultTypes: ['violations'] });
    return violations.map(({ id, help, nodes }) => ({
      id,
      help,
      targets: nodes.map(({ target, failureSummary }) => ({ target, failureSummary })),
    }));
  });
  assert.deepEqual(violations, [], `axe finds nothing in ${view}`);
}

export async function assertFits(tab) {
  const widths = await tab.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(widths[0] <= widths[1], `nothing is wider than the screen: ${widths}`);
}

/** Looks at one state light and dark, wide and narrow, with axe and for people: a picture of each. */
export async function lookAt(tab, view, screens = SCREENS) {
  for (const [screen, size] of Object.entries(screens)) {
    await tab.setViewportSize(size);
    for (const colorScheme of ['light', 'dark']) {
      await tab.emulateMedia({ colorScheme });
      await assertAccessible(tab, `${view} on a ${colorScheme} ${screen}`);
      await leavePicture(tab, `${view}-${screen}-${colorScheme}`);
    }
    await assertFits(tab);
  }
}

/** Takes a picture of a state, for people to look at. */
export async function leavePicture(tab, view) {
  mkdirSync(PICTURES, { recursive: true });
  await tab.screenshot({ path: join(PICTURES, `state-${view}.png`) });
}
