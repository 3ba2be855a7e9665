/**
 * What the commands share that serve until Ctrl-C: ports by name, data that is one process's alone, and the end.
 *
 * Knows nothing about what is served.
 */
import { join } from 'node:path';
import { makeOwnFolder, narrowFolder } from '../../pkg-template/cli/owner-only.js';
import { takeLock } from './cache.mjs';
import { LOCAL_DATA } from './paths.mjs';
import { UserError } from './process.mjs';

/** The port that the environment variable `name` asks for, or else `fallback`. */
export function portFrom(name, fallback) {
  const text = process.env[name];
  if (!text) return fallback;
  const port = Number(text);
  if (Number.isInteger(port) && port >= 1 && port <= 65_535) return port;
  throw new UserError(`${name} is "${text}", expected a port from 1 to 65535.`);
}

/** Takes a folder of data until this process ends. Nobody but its owner may look into it, nor into the one around it. */
export function claimData(folder, what, around = LOCAL_DATA) {
  for (const own of [around, folder]) {
    makeOwnFolder(own);
    narrowFolder(own);
  }
  const other = takeLock(join(folder, 'running.lock'));
  if (other === undefined) return;
  throw new UserError(
    `${what} already runs from this folder (process ${other}): two Workers on the same files would lose messages; stop that one first.`,
  );
}

/** Calls `stop` once, at the first signal to end, and ends the process. */
export function onStop(stop) {
  let stopping = false;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.removeAllListeners(signal);
    process.on(signal, async () => {
      if (stopping) return;
      stopping = true;
      console.log('\nStopping; messages are kept in .kuratchi/');
      await stop();
      process.exit(0);
    });
  }
}
