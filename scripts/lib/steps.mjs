/**
 * Set-up steps: what is done, why, about how long it takes, and how long it took.
 *
 * Owns the look of the set-up's output. Knows nothing about the steps themselves.
 */
import { seconds } from './process.mjs';

/**
 * Runs one step unless it is already done.
 *
 * @param {object} step
 * @param {string} step.what What is done, as in `Wasm target`.
 * @param {string} step.why One clause: what needs it.
 * @param {string} step.about How long it takes on two cores, as in `30 s`.
 * @param {() => boolean|string|Promise<boolean|string>} [step.done] True, or a short text, when there is nothing to do.
 * @param {() => Promise<string|void>} step.act Does it. A returned text is shown at the end.
 */
export async function step({ what, why, about, done, act }) {
  const started = Date.now();
  const present = await done?.();
  if (present) {
    const detail = typeof present === 'string' ? ` (${present})` : '';
    console.log(`  ok  ${what}${detail}`);
    return;
  }
  console.log(`  ..  ${what}: ${why}; takes about ${about}`);
  const detail = await act();
  console.log(`  ok  ${what}${detail ? ` (${detail})` : ''}, ${seconds(Date.now() - started)}`);
}

/** A line inside a step. */
export function note(text) {
  console.log(`      ${text}`);
}
