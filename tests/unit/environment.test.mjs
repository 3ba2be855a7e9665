/**
 * Environment helpers: which variable is which setting, what is said when one is missing, and hosts that have
 * no variables. Owns nothing but expectations; what it sets, it puts back.
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, test } from 'node:test';
import vm from 'node:vm';

import {
  getDoEnvironment,
  getSpacesEnvironment,
  validateDoEnvironment,
  validateSpacesEnvironment,
} from '../../pkg-template/environment.js';
import { ChatError } from '../../pkg-template/errors.js';

const VARIABLES = [
  'KURATCHI_SPACES_WORKER_URL',
  'KURATCHI_GATEWAY_KEY',
  'KURATCHI_SPACES_GATEWAY_KEY',
  'CLOUDFLARE_ACCOUNT_ID',
  'CLOUDFLARE_API_TOKEN',
  'KURATCHI_SPACES_SCRIPT_NAME',
];

const EMPTY_SPACES = { workerUrl: '', gatewayKey: '' };
const EMPTY_DO = { accountId: '', apiToken: '', gatewayKey: '', scriptName: 'kuratchi-spaces' };

let before;

beforeEach(() => {
  before = VARIABLES.map((name) => process.env[name]);
  for (const name of VARIABLES) {
    delete process.env[name];
  }
});

afterEach(() => {
  VARIABLES.forEach((name, index) => {
    if (before[index] === undefined) {
      delete process.env[name];
    } else {
      process.env[name] = before[index];
    }
  });
});

/** Runs the module's own text in a fresh realm with the given globals, after a bundler's `rewrite` of it. */
function inRealm(globals, rewrite = (text) => text) {
  const source = readFileSync(new URL('../../pkg-template/environment.js', import.meta.url), 'utf8')
    .replace(/^import .*$/gm, '')
    .replace(/^export /gm, '');
  const context = vm.createContext({ ChatError, ...globals });
  const script = `${rewrite(source)}; ({ getSpacesEnvironment, getDoEnvironment });`;
  const module = vm.runInContext(script, context);
  return { spaces: { ...module.getSpacesEnvironment() }, deployment: { ...module.getDoEnvironment() } };
}

function checkRefused(run, message, field) {
  assert.throws(run, (error) => {
    assert.ok(error instanceof ChatError, String(error));
    assert.equal(error.message, message);
    assert.equal(error.code, 'invalidArgument');
    assert.equal(error.field, field);
    return true;
  });
}

describe('reading', () => {
  test('what is not set is empty', () => {
    assert.deepEqual(getSpacesEnvironment(), EMPTY_SPACES);
    assert.deepEqual(getDoEnvironment(), EMPTY_DO);
  });

  test('each variable fills its setting', () => {
    process.env.KURATCHI_SPACES_WORKER_URL = 'https://chat.example.com';
    process.env.KURATCHI_SPACES_GATEWAY_KEY = 'second';
    process.env.CLOUDFLARE_ACCOUNT_ID = 'account';
    process.env.CLOUDFLARE_API_TOKEN = 'api';
    process.env.KURATCHI_SPACES_SCRIPT_NAME = 'my-chat';
    assert.deepEqual(getSpacesEnvironment(), { workerUrl: 'https://chat.example.com', gatewayKey: 'second' });
    assert.deepEqual(getDoEnvironment(), {
      accountId: 'account',
      apiToken: 'api',
      gatewayKey: 'second',
      scriptName: 'my-chat',
    });
    process.env.KURATCHI_GATEWAY_KEY = 'first';
    assert.equal(getSpacesEnvironment().gatewayKey, 'first');
    assert.equal(getDoEnvironment().gatewayKey, 'first');
  });

  test('variables are read at each call, not at import', () => {
    assert.equal(getSpacesEnvironment().gatewayKey, '');
    process.env.KURATCHI_GATEWAY_KEY = 'set later';
    assert.equal(getSpacesEnvironment().gatewayKey, 'set later');
  });
});

describe('hosts', () => {
  test('process is not defined: all is empty', () => {
    assert.deepEqual(inRealm({}), { spaces: EMPTY_SPACES, deployment: EMPTY_DO });
  });

  test('a process without variables, or with other things in them', () => {
    const hosts = [null, {}, { env: null }, { env: {} }, { env: { KURATCHI_GATEWAY_KEY: 7 } }];
    for (const process of hosts) {
      assert.deepEqual(inRealm({ process }), { spaces: EMPTY_SPACES, deployment: EMPTY_DO });
    }
  });

  test('a host that refuses access by throwing', () => {
    const refuse = () => {
      throw new Error('permission denied');
    };
    for (const process of [
      {
        get env() {
          return refuse();
        },
      },
      { env: new Proxy({}, { get: refuse }) },
    ]) {
      assert.deepEqual(inRealm({ process }), { spaces: EMPTY_SPACES, deployment: EMPTY_DO });
    }
  });

  test('bundlers that replace process.env textually change nothing', () => {
    const process = { env: { KURATCHI_GATEWAY_KEY: 'key' } };
    const rewrites = [
      (text) => text.replace(/process\.env\.\w+/g, 'undefined'),
      (text) => text.replace(/process\??\.env/g, '({})'),
      (text) => text.replace(/(globalThis\.)?process\??\.env/g, '{}'),
    ];
    for (const rewrite of rewrites) {
      assert.equal(inRealm({ process }, rewrite).spaces.gatewayKey, 'key');
      assert.equal(inRealm({}, rewrite).spaces.gatewayKey, '');
    }
  });
});

describe('validating', () => {
  const WORKER_URL = 'workerUrl is required or set KURATCHI_SPACES_WORKER_URL';
  const GATEWAY_KEY = 'gatewayKey is required or set KURATCHI_SPACES_GATEWAY_KEY';
  const ACCOUNT_ID = 'accountId is required or set CLOUDFLARE_ACCOUNT_ID';
  const API_TOKEN = 'apiToken is required or set CLOUDFLARE_API_TOKEN';

  test('what is whole passes', () => {
    assert.equal(validateSpacesEnvironment({ workerUrl: 'https://x', gatewayKey: 'k' }), undefined);
    assert.equal(validateDoEnvironment({ accountId: 'a', apiToken: 't', gatewayKey: 'k' }), undefined);
  });

  test('every missing setting is named', () => {
    const spaces = (config) => () => validateSpacesEnvironment(config);
    checkRefused(spaces({ gatewayKey: 'k' }), WORKER_URL, 'workerUrl');
    checkRefused(spaces({ workerUrl: 'https://x', gatewayKey: '' }), GATEWAY_KEY, 'gatewayKey');
    checkRefused(spaces(getSpacesEnvironment()), `${WORKER_URL}; ${GATEWAY_KEY}`, 'workerUrl');
    const deployment = (config) => () => validateDoEnvironment(config);
    checkRefused(deployment({ apiToken: 't', gatewayKey: 'k' }), ACCOUNT_ID, 'accountId');
    checkRefused(deployment(getDoEnvironment()), `${ACCOUNT_ID}; ${API_TOKEN}; ${GATEWAY_KEY}`, 'accountId');
  });

  test('a setting of another type is named, and its value not shown', () => {
    const config = { workerUrl: new URL('https://x'), gatewayKey: 'k' };
    checkRefused(() => validateSpacesEnvironment(config), 'workerUrl must be a string', 'workerUrl');
  });

  test('no config at all', () => {
    for (const config of [undefined, null, 'config']) {
      checkRefused(() => validateSpacesEnvironment(config), 'config must be an object', 'config');
      checkRefused(() => validateDoEnvironment(config), 'config must be an object', 'config');
    }
  });
});
