/**
 * `kuratchi-spaces doctor`: what is wrong with a set-up, and how to mend it.
 *
 * Owns the order of the checks and the look of the findings. What is looked at is `checks.js`.
 */

import { resolve } from 'node:path';

import { getSpacesEnvironment, readVariable } from '../environment.js';
import { untold } from './answers.js';
import {
  checkHealth,
  checkKey,
  checkNode,
  checkSameKey,
  checkSettings,
  checkSpace,
  checkUrl,
  checkWebSocket,
} from './checks.js';
import { checkCors } from './cors.js';
import { readGatewayKey, runningAddress } from './local-data.js';
import { EXIT_FAILED, EXIT_OK, harmless, oneLine, paint, print } from './terminal.js';

const COLOUR = { ok: 'green', note: 'dim', warn: 'yellow', fail: 'red' };

const NO_ORIGIN = untold(
  'Whether your pages may talk to it (CORS) was not looked at',
  'Give the origin of your page: --origin https://app.example.com',
);

/**
 * @param {{workerUrl?: string, origin?: string, space?: string, data: string}} options
 * @param {string} packageVersion
 * @returns {Promise<number>} The exit code: 1 when anything has to be mended.
 */
export async function doctor({ workerUrl: given, origin, space, data }, packageVersion) {
  const levels = [];
  const tell = (findings) => {
    for (const finding of findings) {
      levels.push(finding.level);
      print(line(finding));
    }
    return findings;
  };
  const isFine = (findings) => findings.every(({ level }) => level !== 'fail');
  const environment = getSpacesEnvironment();
  const workerUrl = given || environment.workerUrl || runningAddress(resolve(data));
  const local = readGatewayKey(resolve(data));
  const gatewayKey = environment.gatewayKey || local;

  tell(checkNode(process.versions.node, packageVersion));
  const keyIsFine = isFine(
    tell(
      checkKey({
        first: readVariable('KURATCHI_GATEWAY_KEY'),
        second: readVariable('KURATCHI_SPACES_GATEWAY_KEY'),
        local,
      }),
    ),
  );
  if (isFine(tell(checkUrl(workerUrl)))) {
    const { findings, isOurs } = await checkHealth(workerUrl, packageVersion);
    tell(findings);
    if (isOurs) {
      if (origin) tell(await guarded('CORS', () => checkCors(workerUrl, origin)));
      else tell([NO_ORIGIN]);
      if (keyIsFine) {
        const same = tell(await guarded('The gateway key', () => checkSameKey(workerUrl, gatewayKey, data)));
        if (isFine(same)) {
          tell(await guarded('A WebSocket', () => checkWebSocket(workerUrl, gatewayKey, origin)));
          tell(await guarded('The settings', () => checkSettings(workerUrl, gatewayKey)));
          if (space) tell(await guarded('The space', () => checkSpace(workerUrl, gatewayKey, space)));
        }
      }
    }
  }
  const wrong = levels.filter((level) => level === 'fail').length;
  const doubtful = levels.filter((level) => level === 'warn').length;
  print(`\n${verdict(wrong, doubtful)}`);
  return wrong > 0 ? EXIT_FAILED : EXIT_OK;
}

/** A check that broke off, because the Worker stopped answering meanwhile, is a finding as well. */
async function guarded(what, check) {
  try {
    return await check();
  } catch (error) {
    const why = error?.cause?.code ?? error?.message;
    return [{ level: 'fail', what: `${what} could not be checked: ${why}`, cure: 'Try again.' }];
  }
}

function line({ level, what, cure }) {
  const mark = paint(process.stdout, COLOUR[level], level.padEnd(4));
  return `${mark}  ${oneLine(what)}${cure ? `\n      ${harmless(cure)}` : ''}`;
}

function verdict(wrong, doubtful) {
  if (wrong > 0) return `${wrong} to mend${doubtful > 0 ? `, ${doubtful} to look at` : ''}`;
  return doubtful > 0 ? `Works; ${doubtful} to look at` : 'All is well';
}
