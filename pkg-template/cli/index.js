#!/usr/bin/env node
/**
 * `npx kuratchi-spaces`: the commands and their options.
 *
 * Owns names, help and exit codes. What a command does is in the module of its name, loaded when it is asked for.
 */

import { readFileSync } from 'node:fs';
import { Command, CommanderError, InvalidArgumentError } from 'commander';

import { ChatError } from '../errors.js';
import { CloudflareError } from '../server/cloudflare-api.js';
import { loadEnvironmentFiles } from './environment-files.js';
import { fileFailure } from './files.js';
import { DATA_FOLDER } from './local-data.js';
import {
  EXIT_FAILED,
  EXIT_OK,
  EXIT_USAGE,
  Failure,
  harmless,
  note,
  paint,
  UsageError,
  watchStreams,
} from './terminal.js';

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));

/**
 * Variables of the project's .env files that are any of our business. Where Cloudflare's API is does not stand among them: a
 * folder that somebody else wrote would be sent the API token of this shell.
 */
const OURS = /^(?:KURATCHI_|CLOUDFLARE_(?:ACCOUNT_ID|API_TOKEN)$)/;

const dataOption = ['--data <folder>', 'folder of the local backend', DATA_FOLDER];

function makeProgram(done) {
  /** Which file each variable of those files comes from. */
  let origins;
  const program = new Command('kuratchi-spaces')
    .description('Realtime chat rooms on Cloudflare: run them here, deploy them, see what is wrong.')
    .version(version)
    .exitOverride()
    .showHelpAfterError('(--help shows what there is)')
    // Not before: help needs none of them.
    .hook('preAction', () => {
      origins = loadEnvironmentFiles(process.cwd(), (name) => OURS.test(name));
    })
    .configureOutput({ outputError: (text, write) => write(paint(process.stderr, 'red', text)) })
    .addHelpText(
      'after',
      '\nSettings come from the environment, then from .env.local and .env of this folder:\n' +
        '  KURATCHI_SPACES_WORKER_URL, KURATCHI_GATEWAY_KEY, CLOUDFLARE_ACCOUNT_ID, CLOUDFLARE_API_TOKEN\n',
    );
  program
    .command('dev')
    .description('run a backend on this machine, with its data on disk')
    .option('-p, --port <number>', 'port; without it, the first free one from 8787 on', readPort)
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .option(...dataOption)
    // Not --env-file: Node takes that for its own, even behind a program's name.
    .option('--write-env <file>', "write the backend's address and key into this file, as .env.local")
    .option(
      '--var <name=value>',
      'a setting of the Worker, and no secret; may be repeated',
      (value, all) => [...all, value],
      [],
    )
    .action(async (options) => done(await (await import('./dev.js')).dev(options, origins)));
  program
    .command('token')
    .description('make a token for a space, and print it')
    .argument('<spaceId>', 'name of the space')
    .option('-u, --user <id>', 'who its bearer is')
    .option('-n, --name <name>', 'display name')
    .option('-r, --role <role>', 'customer or agent')
    .option('-c, --caps <list>', 'capabilities, with commas between: metadata,moderate,system')
    .option('-e, --expiry <time>', 'how long it is good: 90s, 15m, 1h, 7d', '1h')
    .option('--data <folder>', `sign with the key of the local backend there, as ${DATA_FOLDER}`)
    .action(async (spaceId, options) => done(await (await import('./token.js')).token(spaceId, options)));
  program
    .command('deploy')
    .description('put the Worker on your Cloudflare account, or update it there')
    .option(
      '--account-id <id>',
      'the account; without it CLOUDFLARE_ACCOUNT_ID, or the only one of the API token',
    )
    .option(
      '--script-name <name>',
      'name of the Worker; without it KURATCHI_SPACES_SCRIPT_NAME, or kuratchi-spaces',
    )
    .option('--dry-run', 'show the requests that would change something, and make none')
    .option(
      '-y, --yes',
      'do not ask; replace another program of that name if there is one; give the key of the environment to the account of ' +
        'an API token that a file of this folder holds',
    )
    .addHelpText(
      'after',
      '\nThe API token (CLOUDFLARE_API_TOKEN) and the gateway key (KURATCHI_GATEWAY_KEY) are no options, which others could\n' +
        'read: they come from the environment, or from .env.local or .env of this folder.',
    )
    .action(async (options) => done(await (await import('./deploy.js')).deployCommand(options, origins)));
  program
    .command('doctor')
    .description('look at a set-up: says what is wrong, and how to mend it')
    .option('--worker-url <url>', 'the Worker; without it KURATCHI_SPACES_WORKER_URL, or the local backend')
    .option('--origin <origin>', 'the origin of your page, as https://app.example.com')
    .option('--space <id>', 'a space to look into: how much it stores')
    .option(...dataOption)
    .action(async (options) => done(await (await import('./doctor.js')).doctor(options, version)));
  return program;
}

function readPort(text) {
  const port = Number(text);
  if (/^\d{1,5}$/.test(text) && port <= 65_535) return port;
  throw new InvalidArgumentError('Expected a port from 1 to 65535, or 0 for any.');
}

async function main() {
  watchStreams();
  let exitCode = EXIT_OK;
  const program = makeProgram((code) => {
    exitCode = code;
  });
  if (process.argv.length < 3) {
    program.outputHelp();
    return EXIT_USAGE;
  }
  await program.parseAsync();
  return exitCode;
}

/** What went wrong, for the person at the keyboard; a stack is for mistakes of ours only. */
function tell(error) {
  // Commander has said it already; help and version come by the same way.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_OK : EXIT_USAGE;
  const theirs = [Failure, ChatError, CloudflareError].some((kind) => error instanceof kind)
    ? error
    : fileFailure(error);
  note(paint(process.stderr, 'red', harmless(theirs?.message ?? error?.stack ?? error)));
  return error instanceof UsageError ? EXIT_USAGE : EXIT_FAILED;
}

// Set and not exited with: what is still being written gets written. Miniflare leaves handles that would keep the
// process alive; by then all is said.
const code = await main().catch(tell);
process.exitCode ||= code;
// Once more around: a stream tells of a failure after it has called back.
process.stdout.write('', () => process.stderr.write('', () => setImmediate(() => process.exit())));
