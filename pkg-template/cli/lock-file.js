/**
 * Lock files: one process at a time, and never held up by one that died.
 *
 * Owns what stands in a lock file and when its owner counts as gone. Must not know what is locked.
 */

import { closeSync, openSync, readFileSync, rmSync, statSync, writeSync } from 'node:fs';

/** Between creating a lock file and writing it, its owner can not be read: as young as this, it counts as alive. */
const UNWRITTEN_MS_MAX = 5_000;
const TAKEOVER_MS_MAX = 10_000;

/** Takes the lock if nobody alive has it. Returns whether it is ours now; give it back with {@link unlock}. */
export function tryLock(file) {
  if (createExclusive(file)) return true;
  if (isAlive(readOwner(file))) return false;
  // The owner died. Taking its lock over is itself guarded, or two waiters could each remove the other's.
  const guard = `${file}.takeover`;
  if (!createExclusive(guard)) {
    if (!isAlive(readOwner(guard)) && ageMs(guard) > TAKEOVER_MS_MAX) rmSync(guard, { force: true });
    return false;
  }
  try {
    if (!isAlive(readOwner(file))) rmSync(file, { force: true });
    return createExclusive(file);
  } finally {
    rmSync(guard, { force: true });
  }
}

/** Gives a lock back that is ours. */
export function unlock(file) {
  rmSync(file, { force: true });
}

/** Whether somebody alive has the lock. */
export function isLocked(file) {
  return isAlive(readOwner(file));
}

/** Process id of the lock's owner; `undefined` where it can not be told. */
export function lockOwner(file) {
  return readOwner(file)?.pid;
}

function createExclusive(file) {
  let descriptor;
  try {
    descriptor = openSync(file, 'wx');
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  }
  writeSync(descriptor, JSON.stringify({ pid: process.pid, started: processStart(process.pid) }));
  closeSync(descriptor);
  return true;
}

function readOwner(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    // A folder of that name is nobody's lock, however young.
    if (error.code === 'EISDIR') return undefined;
    const isYoung = ageMs(file) < UNWRITTEN_MS_MAX;
    return isYoung ? { pid: process.pid, started: processStart(process.pid) } : undefined;
  }
}

function ageMs(file) {
  try {
    return Date.now() - statSync(file).mtimeMs;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

/** Whether the process that wrote `{pid, started}` still runs. A process id alone may be someone else's by now. */
function isAlive(record) {
  if (!record) return false;
  try {
    process.kill(record.pid, 0);
  } catch (error) {
    if (error.code !== 'EPERM') return false;
  }
  return record.started === undefined || record.started === processStart(record.pid);
}

/** When a process started, in the kernel's own ticks since boot; `undefined` where there is no /proc. */
function processStart(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}
