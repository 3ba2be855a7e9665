/** Waiting for conditions, with an end. */

/** Longer than anything takes on a slow machine. What waits, waits for a condition. */
export const PATIENCE_MS = 20_000;

/** Waits until `check` gives something true, and gives that. */
export async function until(check, what, patienceMs = PATIENCE_MS) {
  const end = Date.now() + patienceMs;
  for (;;) {
    const value = await check();
    if (value) return value;
    if (Date.now() > end) throw new Error(`waited ${patienceMs} ms in vain until ${what}`);
    await sleep(20);
  }
}

/** Resolves after `ms`. Only for what lasts by itself: an outage, a silence. */
export function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
