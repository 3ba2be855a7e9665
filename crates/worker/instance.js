/**
 * The one Wasm instance of the isolate: every way into Rust leads through `enter`.
 *
 * Owns recovery. The instance serves the Worker and every object of the isolate. A panic leaves it unusable: nothing is
 * unwound, whatever was borrowed stays borrowed. Rust is entered synchronously only, so a panic always comes out of `enter`
 * as an exception; `enter` then puts a fresh instance in place (`__wbg_reset_state`, which also makes closures of the old one
 * throw instead of running).
 */
import * as rust from './index.js';

/**
 * Kept by the `worker` crate, and written by Rust: `criticalError` by the panic hook (panics.rs), because an
 * exception alone may be swallowed on its way out, and `instanceId` by every new instance, whoever made it.
 */
export const health = rust.__worker_init_state();

/** Runs `work`, and replaces the Wasm instance should it have panicked. */
export function enter(work) {
  let thrown;
  try {
    const result = work();
    if (!health.criticalError) return result;
    thrown = new Error('Rust panicked');
  } catch (error) {
    thrown = error;
  }
  if (health.criticalError || thrown instanceof WebAssembly.RuntimeError) {
    console.error(JSON.stringify({ level: 'error', event: 'panicked', error: String(thrown) }));
    rust.__wbg_reset_state();
    health.criticalError = false;
  }
  throw thrown;
}

/** Logs a failure. Rust counts repeated lines instead of writing each. */
export function logFailure(error) {
  enter(() => rust.log_failure(String(error)));
}

/** For events that nobody waits for: a failure is logged, and the next event starts afresh. */
export function survive(work) {
  try {
    return work();
  } catch (error) {
    // A panic is logged where it is met.
    if (!(error instanceof WebAssembly.RuntimeError)) logFailure(error);
    return undefined;
  }
}
