/**
 * The workerd processes that this process started: Miniflare does not tell them, and ends them gently.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** Process ids of the workerd children of this process. */
export function workerdProcesses() {
  const table = process.platform === 'linux' ? readProc() : askPs();
  return table
    .filter(({ parent, name }) => parent === process.pid && name.includes('workerd'))
    .map(({ pid }) => pid);
}

/** Ends processes as a crash does: nothing is flushed, nobody is told. */
export function killWorkerd(pids) {
  if (pids.length === 0) throw new Error('there is no workerd process to kill');
  for (const pid of pids) process.kill(pid, 'SIGKILL');
}

/** Not `ps`: small images come without it. */
function readProc() {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .flatMap((entry) => {
      try {
        const match = /^(\d+) \((.*)\) \S (\d+)/s.exec(readFileSync(`/proc/${entry}/stat`, 'utf8'));
        return match ? [{ pid: Number(match[1]), name: match[2], parent: Number(match[3]) }] : [];
      } catch {
        // It ended while the list was read.
        return [];
      }
    });
}

function askPs() {
  const { stdout } = spawnSync('ps', ['-A', '-o', 'pid=,ppid=,comm='], { encoding: 'utf8' });
  return (stdout ?? '').split('\n').flatMap((line) => {
    const match = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line);
    return match ? [{ pid: Number(match[1]), parent: Number(match[2]), name: match[3] }] : [];
  });
}
