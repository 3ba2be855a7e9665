/**
 * Child processes: run one to its end, show that it is alive, and leave none behind.
 *
 * Owns spawning, progress lines and the clean-up on Ctrl-C. Knows no tool by name.
 */
import { spawn, spawnSync } from 'node:child_process';
import { StringDecoder } from 'node:string_decoder';

/** Without a terminal, a line this often says that a long child is still at work. */
const QUIET_PROGRESS_MS = 25_000;
const TERMINAL_PROGRESS_MS = 500;
/** Enough for an error with its cause on top of a long explanation, as npm prints it. */
const TAIL_LINES = 200;

const children = new Set();
const cleanups = new Set();

/** A message for the person at the keyboard: printed alone, without a stack. */
export class UserError extends Error {
  name = 'UserError';
}

/** A child that ended badly. `output` holds the last lines that it printed. */
export class CommandError extends Error {
  name = 'CommandError';
  constructor(message, { code, output }) {
    super(message);
    this.code = code;
    this.output = output;
  }
}

/** Registers `fn` to run synchronously when the process is interrupted. Returns its removal. */
export function onInterrupt(fn) {
  cleanups.add(fn);
  return () => cleanups.delete(fn);
}

/** Stops every child and runs the registered clean-ups. */
export function killChildren(signal = 'SIGTERM') {
  for (const child of children) signalTree(child, signal);
  for (const fn of [...cleanups]) fn();
  cleanups.clear();
}

/** Makes Ctrl-C and SIGTERM stop the children first. For scripts that have no shutdown of their own. */
export function exitOnInterrupt() {
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ]) {
    process.once(signal, () => {
      killChildren();
      process.exit(code);
    });
  }
}

/** Runs `main`; a failure is printed (a `UserError` without its stack) and ends with exit code 1. */
export function runMain(main) {
  exitOnInterrupt();
  // Whoever reads the output may stop reading (`| head`): that is no reason to stop serving.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', ignoreClosedPipe);
  main().catch((error) => {
    killChildren();
    if (error instanceof CommandError) {
      if (error.output) process.stderr.write(`\n${error.output}\n`);
      process.stderr.write(`\n${error.message}\n`);
    } else {
      process.stderr.write(`\n${isForPeople(error) ? error.message : (error?.stack ?? error)}\n`);
    }
    process.exit(1);
  });
}

/** Whether an error says all that there is to say: ours, and the package's own commands'. */
function isForPeople(error) {
  return error instanceof UserError || error?.name === 'Failure';
}

function ignoreClosedPipe(error) {
  if (error.code !== 'EPIPE') throw error;
}

/** First line of a command's standard output, or `undefined` when it can not be run or fails. */
export function probe(command, args, options = {}) {
  const result = spawnSync(command, args, { encoding: 'utf8', timeout: 30_000, ...options });
  return result.status === 0 ? result.stdout.trim() : undefined;
}

/**
 * Runs a command to its end.
 *
 * @param {string} command
 * @param {string[]} args
 * @param {object} [options]
 * @param {'progress'|'stream'|'silent'} [options.show] `progress` (default): its last line, now and then;
 *   `stream`: all it prints; `silent`: nothing.
 * @param {number} [options.timeoutMs] Stops the child after this time and fails.
 * @param {(line: string) => void} [options.onLine] Sees each line of output.
 * @param {(line: string) => boolean} [options.isData] Lines that are for `onLine` and not for a person.
 * @param {boolean} [options.allowFailure] Returns instead of throwing when the exit code is not 0.
 * @returns {Promise<{ code: number, stdout: string, output: string }>} `output` is the tail of everything.
 */
export function run(command, args, options = {}) {
  const {
    show = 'progress',
    timeoutMs,
    onLine,
    isData,
    allowFailure = false,
    cwd,
    env = process.env,
    label,
  } = options;
  const started = Date.now();
  const tail = [];
  let stdout = '';
  let lastLine = '';
  return new Promise((resolvePromise, reject) => {
    const child = spawn(command, args, {
      cwd,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
      // Its own process group, so that a stop reaches rustc behind cargo as well.
      detached: process.platform !== 'win32',
    });
    children.add(child);
    const take = (line) => {
      const plain = stripAnsi(line).trimEnd();
      if (show === 'stream') process.stdout.write(`${line}\n`);
      onLine?.(plain);
      if (plain.trim() === '' || isData?.(plain)) return;
      lastLine = plain.trim();
      tail.push(plain);
      if (tail.length > TAIL_LINES) tail.shift();
    };
    const flushOut = readLines(child.stdout, take, (text) => {
      stdout += text;
    });
    const flushErr = readLines(child.stderr, take);
    const ticker = show === 'progress' ? startTicker(started, () => lastLine) : undefined;
    let timedOut = false;
    const timer =
      timeoutMs &&
      setTimeout(() => {
        timedOut = true;
        signalTree(child, 'SIGTERM');
        setTimeout(() => signalTree(child, 'SIGKILL'), 3_000).unref();
      }, timeoutMs);
    const finish = () => {
      clearTimeout(timer);
      ticker?.stop();
      children.delete(child);
    };
    child.on('error', (error) => {
      finish();
      const text = `could not run ${command}: ${error.message}`;
      if (allowFailure) resolvePromise({ code: 127, stdout: '', output: text });
      else reject(new CommandError(text, { code: 127, output: '' }));
    });
    child.on('close', (status, signal) => {
      flushOut();
      flushErr();
      finish();
      const code = timedOut ? 124 : (status ?? 128);
      const output = tail.join('\n');
      if (code === 0 || allowFailure) return resolvePromise({ code, stdout, output });
      const how = timedOut
        ? `was stopped after ${seconds(timeoutMs)}`
        : signal
          ? `was ended by ${signal}`
          : `failed with exit code ${code}`;
      const shown = show === 'stream' ? '' : output;
      reject(new CommandError(`${label ?? [command, ...args].join(' ')} ${how}`, { code, output: shown }));
    });
  });
}

/** `75300` → `1 min 15 s`. */
export function seconds(ms) {
  if (ms < 10_000) return `${(ms / 1000).toFixed(1)} s`;
  const whole = Math.round(ms / 1000);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

/** Removes colour and cursor codes. */
export function stripAnsi(text) {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the escape character is what is looked for.
  return text.replace(/\u001b(?:\[[0-9;?]*[A-Za-z]|\([A-Z0-9])/g, '');
}

function readLines(stream, onLine, onText) {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  stream.on('data', (chunk) => {
    const text = decoder.write(chunk);
    onText?.(text);
    const lines = (rest + text).split(/\r?\n|\r/);
    rest = lines.pop();
    for (const line of lines) onLine(line);
  });
  return () => {
    if (rest !== '') onLine(rest);
    rest = '';
  };
}

function startTicker(started, lastLine) {
  const terminal = process.stdout.isTTY;
  const timer = setInterval(
    () => {
      const text = `      … ${seconds(Date.now() - started)}  ${lastLine()}`;
      if (!terminal) return process.stdout.write(`${text.slice(0, 110)}\n`);
      const width = process.stdout.columns || 80;
      process.stdout.write(`\r\u001b[K${text.slice(0, width - 1)}`);
    },
    terminal ? TERMINAL_PROGRESS_MS : QUIET_PROGRESS_MS,
  );
  return {
    stop() {
      clearInterval(timer);
      if (terminal) process.stdout.write('\r\u001b[K');
    },
  };
}

function signalTree(child, signal) {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  try {
    if (process.platform === 'win32') child.kill(signal);
    else process.kill(-child.pid, signal);
  } catch {
    // It ended between the check and the signal.
  }
}
