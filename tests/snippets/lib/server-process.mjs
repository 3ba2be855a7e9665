/**
 * A command that serves until it is stopped, such as `npm run dev`.
 *
 * Owns the process with all that it starts. Must not know what it serves.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { stripAnsi } from '../../../scripts/lib/process.mjs';
import { until } from '../../e2e/lib/waiting.mjs';

/** The first start may download what it runs on. */
const READY_MS_MAX = 180_000;
const STOP_MS_MAX = 10_000;

/**
 * Starts it in a shell.
 *
 * @returns {{ says: (pattern: RegExp) => Promise<RegExpExecArray>, output: () => string, stop: () => Promise<void> }}
 */
export function startServer(line, cwd, env) {
  // Its own process group, so that a stop reaches what npm starts.
  const child = spawn('sh', ['-c', line], { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      output += stripAnsi(text);
    });
  }
  const isOver = () => child.exitCode !== null || child.signalCode !== null;
  return {
    output: () => output,
    says: (pattern) =>
      until(
        () => {
          if (isOver()) throw new Error(`${line} ended:\n${output}`);
          return pattern.exec(output);
        },
        `${line} says ${pattern}`,
        READY_MS_MAX,
      ),
    async stop() {
      if (isOver()) return;
      const closed = once(child, 'close');
      signal(child.pid, 'SIGINT');
      const timer = setTimeout(() => signal(child.pid, 'SIGKILL'), STOP_MS_MAX);
      await closed;
      clearTimeout(timer);
    },
  };
}

function signal(group, name) {
  try {
    process.kill(-group, name);
  } catch {
    // It ended between the check and the signal.
  }
}
