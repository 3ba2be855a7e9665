/**
 * The tool cache outside the clone, and the lock that lets one builder at a time into it.
 *
 * Owns the life of cached folders: built in a temporary one, renamed when complete, never half there.
 * Knows nothing about what is in them.
 */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { lockOwner, tryLock, unlock } from '../../pkg-template/cli/lock-file.js';
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
    if (!told) note(`waiting for another set-up (process ${lockOwner(file) ?? 'unknown'}) to finish …`);
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
  if (!tryLock(file)) return lockOwner(file) ?? 'unknown';
  process.once('exit', hold(file));
  return undefined;
}

/** Notes a lock as ours. Returns what gives it back; an interrupt does so, too. */
function hold(file) {
  held.add(file);
  const release = () => {
    forget();
    held.delete(file);
    unlock(file);
  };
  const forget = onInterrupt(release);
  return release;
}

/** Removes temporary folders that interrupted builders left. Called with the lock held, so none is in use. */
function sweep(folder) {
  for (const entry of readdirSync(folder)) {
    if (entry.startsWith('.new-')) rmSync(join(folder, entry), { recursive: true, force: true });
  }
}
