/**
 * The command line as people have it: the program of the installed package, in a project's folder.
 *
 * Owns its environment, which holds nothing of this machine's settings, and its processes. Must not know commands.
 */
import { spawn } from 'node:child_process';
import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../../../scripts/lib/paths.mjs';

const COMMAND_MS_MAX = 60_000;
const SETTINGS = /^(?:KURATCHI_|CLOUDFLARE_|npm_|NODE_OPTIONS$|NODE_TEST_CONTEXT$|NO_COLOR$|CI$)/i;
const HOSTS = new URL('./hosts.mjs', import.meta.url);

/**
 * Starts a command.
 *
 * @param {string} folder The project.
 * @param {string[]} args
 * @param {{env?: Record<string, string>, hosts?: Record<string, string>}} [options] `hosts`: where host names lead;
 *   with it, to no others.
 * @returns {{ pid: number, stdout: string, stderr: string, ended: Promise<{code: number | null, signal: string | null}>,
 *   says: (pattern: RegExp) => Promise<RegExpExecArray>, kill: (signal: string) => void }}
 */
export function start(folder, args, { env = {}, hosts } = {}) {
  const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !SETTINGS.test(name)));
  const routing = hosts && { NODE_OPTIONS: `--import ${HOSTS}`, TEST_HOSTS: JSON.stringify(hosts) };
  const program = join(folder, 'node_modules', '.bin', 'kuratchi-spaces');
  const child = spawn(program, args, {
    cwd: folder,
    env: { ...clean, ...routing, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const command = { pid: child.pid, stdout: '', stderr: '', kill: (signal) => child.kill(signal) };
  const waiting = new Set();
  for (const name of ['stdout', 'stderr']) {
    child[name].setEncoding('utf8').on('data', (text) => {
      command[name] += text;
      for (const look of waiting) look();
    });
  }
  const timer = setTimeout(() => child.kill('SIGKILL'), COMMAND_MS_MAX);
  command.ended = new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      resolve({ code, signal });
    });
  });
  command.says = (pattern) =>
    new Promise((resolve, reject) => {
      const look = () => {
        const match = pattern.exec(command.stdout) ?? pattern.exec(command.stderr);
        if (match) {
          waiting.delete(look);
          resolve(match);
        }
      };
      waiting.add(look);
      look();
      command.ended.then(() => {
        if (waiting.has(look))
          reject(new Error(`it ended without ${pattern}:\n${command.stdout}${command.stderr}`));
      }, reject);
    });
  return command;
}

/** Runs a command to its end. */
export async function runCommand(folder, args, options) {
  const command = start(folder, args, options);
  const { code } = await command.ended;
  return { code, stdout: command.stdout, stderr: command.stderr };
}

/** Puts a package of the clone into a project, as if it had been installed there. */
export function borrow(folder, name) {
  symlinkSync(join(ROOT, 'node_modules', name), join(folder, 'node_modules', name), 'junction');
}
