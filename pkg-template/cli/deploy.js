/**
 * `kuratchi-spaces deploy`: says what it will do, asks, and does it.
 *
 * Owns the words. What is done, and in which order, is `server/deployment.js`.
 */

import { resolve } from 'node:path';

import { readVariable } from '../environment.js';
import { Deployment, readSettings } from '../server/deployment.js';
import { KEY_CHARS_MIN } from '../server/gateway-key.js';
import { withoutSecrets } from '../server/worker-metadata.js';
import { getWorkerModules } from '../server/worker-modules.js';
import { DATA_FOLDER, readGatewayKey } from './local-data.js';
import {
  confirm,
  EXIT_FAILED,
  EXIT_OK,
  Failure,
  harmless,
  isInteractive,
  note,
  oneLine,
  paint,
  print,
} from './terminal.js';

const NEW_KEY = `node -e "console.log(require('node:crypto').randomBytes(32).toString('base64url'))"`;

/** The first one counts. */
const KEY_VARIABLES = ['KURATCHI_GATEWAY_KEY', 'KURATCHI_SPACES_GATEWAY_KEY'];

const INTENTION = {
  create: 'Create the Worker',
  update: 'Update the Worker',
  replace: 'REPLACE the Worker, which is another program now,',
};

/**
 * @param {{accountId?: string, scriptName?: string, dryRun?: boolean, yes?: boolean}} options
 * @param {Map<string, string>} origins Which file of the folder each variable comes from; the others are the environment's.
 * @returns {Promise<number>} The exit code.
 */
export async function deployCommand({ accountId, scriptName, dryRun, yes }, origins) {
  const settings = settingsOrFailure({ accountId, scriptName, replace: yes });
  const stranger = strangersFile(origins);
  if (stranger !== undefined) {
    const told =
      `The API token comes from ${stranger}, and the gateway key from the environment: the account of whoever wrote that ` +
      'file would get the key.';
    if (!dryRun && !yes && !isInteractive()) {
      throw new Failure(
        `${told} Set CLOUDFLARE_API_TOKEN in the environment too; or, where the file is your own, deploy with --yes.`,
      );
    }
    note(paint(process.stderr, 'yellow', harmless(told)));
  }
  for (const warning of keyWarnings(settings.gatewayKey)) {
    note(`${paint(process.stderr, 'yellow', warning)} A good one:\n  ${NEW_KEY}`);
  }
  const deployment = new Deployment(settings, (text) => note(harmless(text)));
  await deployment.survey();
  const plan = deployment.plan();
  note(describe(plan));
  if (dryRun) {
    print(requests(plan));
    return EXIT_OK;
  }
  deployment.refuseReplacing();
  const question =
    stranger === undefined
      ? 'Go on?'
      : `Give the gateway key to the account of the API token in ${oneLine(stranger)}?`;
  if (!yes && isInteractive() && !(await confirm(question))) {
    note('Nothing was changed.');
    return EXIT_FAILED;
  }
  const workerUrl = await deployment.carryOut();
  const verified = await deployment.verify(workerUrl);
  if (verified) await deployment.misconfigured(workerUrl);
  print(workerUrl);
  note(
    verified
      ? `${paint(process.stderr, 'green', 'Deployed.')} For your server: KURATCHI_SPACES_WORKER_URL=${workerUrl}`
      : 'Deployed.',
  );
  return EXIT_OK;
}

/**
 * The file of the folder that names the account, where the key is not from a file as well: the folder may be anybody's, and the
 * key is the shell's.
 */
function strangersFile(origins) {
  const keyVariable = KEY_VARIABLES.find((name) => readVariable(name));
  return origins.has(keyVariable) ? undefined : origins.get('CLOUDFLARE_API_TOKEN');
}

function* keyWarnings(gatewayKey) {
  if (gatewayKey.length < KEY_CHARS_MIN) {
    yield 'The gateway key is short, and whoever guesses it can enter every space.';
  }
  // An environment file that `dev` has written is read here as well.
  if (gatewayKey === localGatewayKey()) {
    yield 'This is the gateway key of the local backend: whoever develops can enter every space.';
  }
}

function localGatewayKey() {
  try {
    return readGatewayKey(resolve(DATA_FOLDER));
  } catch {
    // It is looked at for a warning alone.
    return undefined;
  }
}

function settingsOrFailure(options) {
  try {
    return readSettings(options);
  } catch (error) {
    const cures = [
      [
        'apiToken is required',
        'The API token: make one in the dashboard (My Profile, API Tokens, template "Edit Cloudflare Workers").',
      ],
      [
        'gatewayKey is required',
        `The gateway key signs the tokens of your spaces. Make one, and give it to your server as well:\n  ${NEW_KEY}`,
      ],
    ];
    const missing = cures.filter(([start]) => error.message.includes(start)).map(([, cure]) => `\n${cure}`);
    throw new Failure(error.message + missing.join(''), { cause: error });
  }
}

function describe({ accountId, scriptName, action, metadata, kept, dropped, workerUrl }) {
  const lines = [
    `${INTENTION[action]} ${scriptName} in account ${accountId}`,
    `  address     ${workerUrl}`,
    '  gateway key becomes its secret GATEWAY_KEY',
  ];
  if (metadata.migrations) lines.push('  storage     a Durable Object with SQLite for each space');
  if (kept.length > 0) lines.push(`  stays       ${kept.join(', ')}`);
  if (dropped.length > 0) lines.push(`  goes        ${dropped.join(', ')}`);
  return lines.map(oneLine).join('\n');
}

/** The requests that change something, as they would be made. */
function requests({ accountId, scriptName, metadata, enablesWorkersDev }) {
  const path = `/accounts/${accountId}/workers/scripts/${scriptName}`;
  const parts = getWorkerModules().map(
    ({ name, type, content }) => `  ${name}  ${type}, ${Buffer.byteLength(content)} bytes`,
  );
  const upload = [
    `PUT ${path}`,
    `  metadata  ${JSON.stringify(withoutSecrets(metadata), null, 2).replaceAll('\n', '\n  ')}`,
    ...parts,
  ];
  return [...upload, ...(enablesWorkersDev ? [`POST ${path}/subdomain`, '  {"enabled":true}'] : [])].join(
    '\n',
  );
}
