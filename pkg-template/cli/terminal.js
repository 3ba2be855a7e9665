/**
 * What a person sees of the command line: words, colours, questions, exit codes.
 *
 * Owns the two streams: results go to standard output, everything else to standard error. Must not know commands.
 */

import { createInterface } from 'node:readline/promises';
import { stripVTControlCharacters } from 'node:util';

/** All went well. */
export const EXIT_OK = 0;
/** Something is wrong, and was told. */
export const EXIT_FAILED = 1;
/** The command was not understood. */
export const EXIT_USAGE = 2;
/** Ctrl-C before there was anything to end in order. */
export const EXIT_INTERRUPTED = 130;

/** Something that a person can mend: the message says what happened and what to do; nobody needs a stack. */
export class Failure extends Error {
  name = 'Failure';
}

/** A value on the command line that can not be. */
export class UsageError extends Failure {
  name = 'UsageError';
}

const CODES = { bold: [1, 22], dim: [2, 22], red: [31, 39], green: [32, 39], yellow: [33, 39] };

/** A text in colour, where `stream` shows colours and nobody asked for none. */
export function paint(stream, style, text) {
  // https://no-color.org: any value but an empty one.
  if (!stream.isTTY || process.env.NO_COLOR || process.env.TERM === 'dumb') return text;
  const [on, off] = CODES[style];
  return `\u001b[${on}m${text}\u001b[${off}m`;
}

/** A result, for people and for pipes. */
export function print(text) {
  process.stdout.write(`${text}\n`);
}

/** Something about it, for people. */
export function note(text) {
  process.stderr.write(`${text}\n`);
}

/** What does things to a terminal, and what turns the direction of the text around it. */
const CONTROLS =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for.
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** A text from elsewhere: without the characters that could do things to a terminal. */
export function harmless(text) {
  return stripVTControlCharacters(String(text)).replaceAll(CONTROLS, '');
}

/** Characters of a line that is printed. */
const LINE_CHARACTERS_MAX = 400;

/** A text from elsewhere in one line, which can not be taken for two. */
export function oneLine(text) {
  const line = harmless(text).replaceAll(/\s+/g, ' ');
  return line.length > LINE_CHARACTERS_MAX ? `${line.slice(0, LINE_CHARACTERS_MAX)}…` : line;
}

/** Whether somebody is there to be asked. */
export function isInteractive() {
  return Boolean(process.stdin.isTTY && process.stderr.isTTY);
}

/** A question to be answered with yes or no; no answer is no. */
export async function confirm(question) {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    // Ctrl-C and an end of input close it, and leave the question without an answer.
    const closed = new Promise((resolve) => terminal.once('close', () => resolve('')));
    const answer = await Promise.race([terminal.question(`${question} [y/N] `), closed]);
    return /^y(?:es)?$/i.test(answer.trim());
  } finally {
    terminal.close();
  }
}

/**
 * Whoever reads the output may stop reading (`| head`): that is no reason to fail. A result that could not be written
 * for another reason, as on a full disk, is.
 */
export function watchStreams() {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error) => {
      if (error.code === 'EPIPE') return;
      process.exitCode = EXIT_FAILED;
      if (stream === process.stdout)
        note(`The output could not be written (${error.code ?? error.message}).`);
    });
  }
}
