/**
 * The tool cache outside the clone, and the lock that lets one builder at a time into it.
 *
 * Owns the life of cached folders: built in a temporary one, renamed when complete, never half there.
 * Knows nothing about what is in them.
 */
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { cacheDir } from './paths.mjs';
import { onInterrupt } from './process.mjs';
import { note } from './steps.mjs';

const held = new Set();

/** Folder of one tool version, whether or not it is there. */
export function cached(name) {
  return join(cacheDir(), name);
}

/**
 * Fills `<cache>/<name>` once. `fill(dir)` works in a temporary folder beside it, which takes the name only
 * when `fill` has returned; an interrupted one leaves nothing under the name. A folder that is there but of
 * which `isComplete(dir)` says no is replaced.
 */
export async function fillCache(name, isComplete, fill) {
  const target = cached(name);
  await withLock(join(cacheDir(), 'builder.lock'), async () => {
    // Whoever held the lock before may have made it.
    if (existsSync(target) && isComplete(target)) return;
    sweep(cacheDir());
    rmSync(target, { recursive: true, force: true });
    const temporary = mkdtempSync(join(cacheDir(), '.new-'));
    const forget = onInterrupt(() => rmSync(temporary, { recursive: true, force: true }));
    try {
      await fill(temporary);
      renameSync(temporary, target);
    } finally {
      rmSync(temporary, { recursive: true, force: true });
      forget();
    }
  });
  return target;
}

/**
 * Runs `fn` while this process holds the lock file. A lock whose owner died is taken over; a lock that this
 * process holds already is entered again.
 */
export async function withLock(file, fn) {
  if (held.has(file)) return fn();
  mkdirSync(dirname(file), { recursive: true });
  let told = false;
  while (!tryLock(file)) {
    if (!told) note(`waiting for another set-up (process ${owner(file)?.pid ?? 'unknown'}) to finish …`);
    told = true;
    await sleep(500);
  }
  const release = hold(file);
  try {
    return await fn();
  } finally {
    release();
  }
}

/**
 * Takes the lock file until the process ends, however it ends.
 *
 * @returns {number|string|undefined} The process id of its owner, if that is another one; the lock is not taken then.
 */
export function takeLock(file) {
  mkdirSync(dirname(file), { recursive: true });
  if (!tryLock(file)) return owner(file)?.pid ?? 'unknown';
  process.once('exit', hold(file));
  return undefined;
}

/** Notes a lock as ours. Returns what gives it back; an interrupt does so, too. */
function hold(file) {
  held.add(file);
  const release = () => {
    forget();
    held.delete(file);
    rmSync(file, { force: true });
  };
  const forget = onInterrupt(release);
  return release;
}

function tryLock(file) {
  if (createExclusive(file)) return true;
  if (isAlive(owner(file))) return false;
  // The owner died. Taking its lock over is itself guarded, or two waiters could each remove the other's.
  const guard = `${file}.takeover`;
  if (!createExclusive(guard)) {
    if (!isAlive(owner(guard)) && ageMs(guard) > 10_000) rmSync(guard, { force: true });
    return false;
  }
  try {
    if (!isAlive(owner(file))) rmSync(file, { force: true });
    return createExclusive(file);
  } finally {
    rmSync(guard, { force: true });
  }
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

function owner(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    // Gone, or its owner is between creating and writing it: as young as that, it counts as alive.
    return ageMs(file) < 5_000 ? { pid: process.pid, started: processStart(process.pid) } : undefined;
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

/** Removes temporary folders that interrupted builders left. Called with the lock held, so none is in use. */
function sweep(folder) {
  for (const entry of readdirSync(folder)) {
    if (entry.startsWith('.new-')) rmSync(join(folder, entry), { recursive: true, force: true });
  }
}
