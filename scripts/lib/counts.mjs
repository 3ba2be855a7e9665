/**
 * Test counts and what failed, read from the runners' own lines.
 *
 * Owns the formats of cargo, the wasm-bindgen test runner, Node's test runner and our own check.
 */

/** What a suite says of its failures may be as long as it likes; what is said again at the end may not. */
const FAILURE_LINES_MAX = 80;

/**
 * Collects counts from the lines of a run, and the runner's own words about what failed.
 *
 * @returns {{
 *   line: (text: string) => void,
 *   counts: { passed: number, failed: number, skipped: number },
 *   failures: string[],
 * }}
 */
export function counter() {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  const failures = [];
  let isAboutFailures = false;
  const line = (text) => {
    // Node's `spec` reporter says it last; cargo says it before the result of each test program.
    if (/^(\S+ failing tests|failures):$/.test(text)) isAboutFailures = true;
    else if (text.startsWith('test result:')) isAboutFailures = false;
    if (isAboutFailures && failures.length < FAILURE_LINES_MAX) failures.push(text);
    // cargo test and wasm-bindgen-test-runner, once for each test program.
    const rust = /^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored/.exec(text);
    if (rust) {
      counts.passed += Number(rust[1]);
      counts.failed += Number(rust[2]);
      counts.skipped += Number(rust[3]);
      return;
    }
    // Node's `spec` reporter, once for the whole run.
    const node = /^\S* ?(pass|fail|cancelled|skipped|todo) (\d+)$/.exec(text);
    if (node) {
      const kind = { pass: 'passed', fail: 'failed', cancelled: 'failed' }[node[1]] ?? 'skipped';
      counts[kind] += Number(node[2]);
      return;
    }
    const own = /^check: (\d+) passed, (\d+) failed$/.exec(text);
    if (own) {
      counts.passed += Number(own[1]);
      counts.failed += Number(own[2]);
    }
  };
  return { line, counts, failures };
}

/**
 * The verdict on a suite. A runner that fails without a failed test, runs nothing or leaves a test out has
 * failed, whatever it counted.
 *
 * @param {{ passed: number, failed: number, skipped: number }} counts
 * @param {number} code The runner's exit code.
 * @returns {{ passed: number, failed: number, why?: string }}
 */
export function verdict({ passed, failed, skipped }, code) {
  if (skipped > 0) return { passed, failed: failed + skipped, why: `${skipped} left out` };
  if (failed > 0) return { passed, failed };
  if (code === 124) return { passed, failed: 1, why: 'took too long' };
  if (code !== 0) return { passed, failed: 1, why: `runner ended with exit code ${code}` };
  if (passed === 0) return { passed, failed: 1, why: 'ran no test' };
  return { passed, failed };
}
