/**
 * `deploy()` against a stand-in of Cloudflare's API that checks every request, and what it uploads in workerd.
 */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, mock, test } from 'node:test';
import { build } from 'esbuild';
import { Log, LogLevel, Miniflare } from 'miniflare';
import WebSocket from 'ws';
import { COMPATIBILITY_FLAGS } from '../../pkg-template/server/worker-metadata.js';
import { startBackend } from '../../scripts/lib/backend.mjs';
import { bin } from '../../scripts/lib/modules.mjs';
import { PKG_DEV, ROOT, WORKER } from '../../scripts/lib/paths.mjs';
import { run } from '../../scripts/lib/process.mjs';
import { Cloudflare } from './lib/cloudflare.mjs';
import { routeHosts } from './lib/hosts.mjs';
import { load } from './lib/package.mjs';

const TEST_MS_MAX = 60_000;
const GATEWAY_KEY = 'a-gateway-key-of-more-than-32-characters';
const NAME = 'kuratchi-spaces';
const HOST = `${NAME}.acme.workers.dev`;

const VARIABLES = [
  'CLOUDFLARE_ACCOUNT_ID',
  'CLOUDFLARE_API_BASE_URL',
  'CLOUDFLARE_API_TOKEN',
  'KURATCHI_GATEWAY_KEY',
  'KURATCHI_SPACES_GATEWAY_KEY',
  'KURATCHI_SPACES_SCRIPT_NAME',
];

const { deploy, deploySpacesWorker, generateToken, getWorkerModules, getWorkerScript } =
  await load('server/index.js');

let cloudflare;
let account;
let healthy;
let unroute;

before(async () => {
  // What answers at the Worker's own address, once it is deployed.
  healthy = createServer((_, response) => response.end('{"status":"ok","service":"kuratchi-spaces"}'));
  await new Promise((resolve) => healthy.listen(0, '127.0.0.1', resolve));
  unroute = routeHosts({ [HOST]: addressOf(healthy), 'chat.example.com': addressOf(healthy) });
});
after(() => {
  unroute();
  healthy.close();
  healthy.closeAllConnections();
});

beforeEach(async () => {
  for (const name of VARIABLES) delete process.env[name];
  cloudflare = await Cloudflare.start();
  process.env.CLOUDFLARE_API_BASE_URL = cloudflare.baseUrl;
  account = cloudflare.addAccount();
});
afterEach(async () => {
  await cloudflare.stop();
  assert.deepEqual(cloudflare.problems, [], 'every request was as documented');
});

function addressOf(server) {
  return `http://127.0.0.1:${server.address().port}`;
}

/** Deploys with all settings; others by `options`. */
function deployed(options = {}) {
  return deploy({ accountId: account.id, apiToken: account.token, gatewayKey: GATEWAY_KEY, ...options });
}

function script(name = NAME) {
  return cloudflare.script(account.id, name);
}

function binding(name) {
  return script().bindings.find((each) => each.name === name);
}

/** The requests that changed something. */
function writes() {
  return cloudflare.requests.filter((request) => !request.startsWith('GET '));
}

/** Runs `work` and gives what it wrote to standard error. */
async function listening(work) {
  const lines = [];
  const error = mock.method(console, 'error', (line) => lines.push(line));
  try {
    return { result: await work(), told: lines.join('\n') };
  } finally {
    error.mock.restore();
  }
}

describe('a first deployment', () => {
  test('uploads the modules, with objects in SQLite and the key as a secret', async () => {
    const result = await deployed();
    assert.deepEqual(result, {
      success: true,
      scriptName: NAME,
      workerUrl: `https://${HOST}`,
      verified: true,
    });
    assert.equal(script().tag, 'v1');
    assert.deepEqual([...script().classes], [['Space', true]]);
    assert.deepEqual(script().bindings, [
      { type: 'durable_object_namespace', name: 'SPACES', class_name: 'Space' },
      { type: 'secret_text', name: 'GATEWAY_KEY', text: GATEWAY_KEY },
      { type: 'plain_text', name: 'PING_ANSWERS', text: 'runtime' },
    ]);
    assert.deepEqual(script().workersDev, { enabled: true, previews_enabled: false });
    assert.deepEqual(
      script().modules.map(({ name, type }) => [name, type]),
      getWorkerModules().map(({ name, type }) => [name, type]),
    );
  });

  test('is the same by its older name, and takes everything from the environment', async () => {
    process.env.CLOUDFLARE_ACCOUNT_ID = account.id;
    process.env.CLOUDFLARE_API_TOKEN = account.token;
    process.env.KURATCHI_SPACES_GATEWAY_KEY = GATEWAY_KEY;
    process.env.KURATCHI_SPACES_SCRIPT_NAME = NAME;
    const result = await deploySpacesWorker();
    assert.equal(result.success, true, result.error);
    assert.equal(binding('GATEWAY_KEY').text, GATEWAY_KEY);
  });

  test("takes the API token's only account when none is named", async () => {
    const { result, told } = await listening(() => deployed({ accountId: '', verbose: true }));
    assert.equal(result.success, true, result.error);
    assert.match(told, /the account Acme \([0-9a-f]{32}\)/);
  });

  test('asks which account when the API token sees several', async () => {
    const other = cloudflare.addAccount({ name: 'Other' });
    cloudflare.tokens.set(account.token, [account.id, other.id]);
    const { success, error } = await deployed({ accountId: undefined });
    assert.equal(success, false);
    assert.match(
      error,
      /^accountId is required or set CLOUDFLARE_ACCOUNT_ID: .*2 accounts, Acme \(.+\), Other \(/,
    );
    assert.deepEqual(writes(), []);
  });

  test('says on request what it does, and never a secret', async () => {
    const silent = await listening(() => deployed());
    assert.equal(silent.told, '');
    const { told } = await listening(() => deployed({ verbose: true }));
    assert.match(told, /^kuratchi-spaces: Updating the Worker kuratchi-spaces/m);
    assert.match(told, /answers$/m);
    for (const secret of [account.token, GATEWAY_KEY]) assert.ok(!told.includes(secret));
  });
});

describe('the next deployment', () => {
  test('changes nothing but the code, and applies no migration twice', async () => {
    await deployed();
    const first = structuredClone(script().bindings);
    cloudflare.requests.length = 0;
    assert.equal((await deployed()).success, true);
    assert.deepEqual(script().bindings, first);
    assert.equal(script().metadata.migrations, undefined);
    assert.deepEqual(writes(), [`PUT /accounts/${account.id}/workers/scripts/${NAME} 200`]);
  });

  test('keeps what the owner has set', async () => {
    await deployed();
    const own = [
      { type: 'plain_text', name: 'ALLOWED_ORIGINS', text: 'https://app.example.com' },
      { type: 'json', name: 'EXTRA', json: { a: 1 } },
      { type: 'secret_text', name: 'HOOK_SECRET', text: 'hush' },
      { type: 'kv_namespace', name: 'CACHE', namespace_id: 'abc' },
      { type: 'durable_object_namespace', name: 'COUNTERS', class_name: 'Counter', script_name: 'counters' },
    ];
    script().bindings.push(...own);
    script().settings = {
      compatibility_flags: ['enable_ctx_exports'],
      limits: { cpu_ms: 50 },
      logpush: true,
      observability: { enabled: true, head_sampling_rate: 0.5 },
      placement: { mode: 'smart' },
      tags: ['team:chat'],
      tail_consumers: [{ service: 'logs' }],
    };
    const before = structuredClone(script().settings);
    before.compatibility_flags.unshift(...COMPATIBILITY_FLAGS);
    const { result, told } = await listening(() => deployed({ verbose: true }));
    assert.equal(result.success, true, result.error);
    for (const each of own) assert.deepEqual(binding(each.name), each);
    assert.deepEqual(script().settings, before);
    assert.match(told, /keeping ALLOWED_ORIGINS, CACHE, COUNTERS, EXTRA, HOOK_SECRET$/m);
  });

  test('sets each flag of the runtime, unless the owner has set its opposite', async () => {
    await deployed();
    const [uncompressed, signal] = COMPATIBILITY_FLAGS;
    assert.deepEqual(script().metadata.compatibility_flags, [
      'no_web_socket_compression',
      'enable_request_signal',
    ]);
    for (const [theirs, expected] of [
      [['web_socket_compression'], [signal, 'web_socket_compression']],
      [['disable_request_signal'], [uncompressed, 'disable_request_signal']],
    ]) {
      script().settings.compatibility_flags = theirs;
      assert.equal((await deployed()).success, true);
      assert.deepEqual(script().metadata.compatibility_flags, expected);
    }
  });

  test('never sets the date of the runtime back', async () => {
    await deployed();
    const tested = script().metadata.compatibility_date;
    for (const [date, expected] of [
      ['2099-01-01', '2099-01-01'],
      ['2020-01-01', tested],
    ]) {
      script().metadata.compatibility_date = date;
      assert.equal((await deployed()).success, true);
      assert.equal(script().metadata.compatibility_date, expected);
    }
  });

  test('takes neither date nor flags over from another program', async () => {
    cloudflare.addScript(account.id, NAME, { settings: { compatibility_flags: ['nodejs_compat'] } });
    assert.equal((await deployed({ replace: true })).success, true);
    assert.deepEqual(script().metadata.compatibility_flags, COMPATIBILITY_FLAGS);
  });

  test('says what goes with the code that it replaces', async () => {
    await deployed();
    script().hasAssets = true;
    script().bindings.push({ type: 'assets', name: 'ASSETS' });
    const { told } = await listening(() => deployed({ verbose: true }));
    assert.match(told, /Updating the Worker .*; dropping ASSETS, static assets$/m);
  });

  test('leaves preview URLs as they are', async () => {
    cloudflare.addScript(account.id, NAME, { workersDev: { enabled: false, previews_enabled: true } });
    assert.equal((await deployed({ replace: true })).success, true);
    assert.deepEqual(script().workersDev, { enabled: true, previews_enabled: true });
  });

  test('replaces the key, also where the Worker has one under its other name', async () => {
    await deployed();
    script().bindings.push({ type: 'secret_text', name: 'KURATCHI_GATEWAY_KEY', text: 'older' });
    const rotated = 'another-gateway-key-of-more-than-32-chars';
    assert.equal((await deployed({ gatewayKey: rotated })).success, true);
    assert.equal(binding('GATEWAY_KEY').text, rotated, 'the one that the Worker looks for first');
  });

  test('leaves a Worker at its own domain that its owner took off workers.dev', async () => {
    await deployed();
    script().workersDev.enabled = false;
    cloudflare.accounts.get(account.id).domains.push({ hostname: 'chat.example.com', service: NAME });
    const result = await deployed();
    assert.deepEqual([result.workerUrl, result.verified], ['https://chat.example.com', true]);
    assert.equal(script().workersDev.enabled, false);
  });

  test('takes workers.dev where the API token may not read domains', async () => {
    await deployed();
    script().workersDev.enabled = false;
    cloudflare.failNext('GET', /domains$/, {
      status: 403,
      body: Cloudflare.refusal(10000, 'Authentication error'),
    });
    assert.equal((await deployed()).workerUrl, `https://${HOST}`);
    assert.equal(script().workersDev.enabled, true);
  });

  test('makes anew what was deleted while it looked', async () => {
    cloudflare.addScript(account.id, NAME);
    cloudflare.failNext('GET', /settings$/, { status: 404, body: Cloudflare.refusal(10007, 'not found') });
    const { result, told } = await listening(() => deployed({ verbose: true }));
    assert.equal(result.success, true, result.error);
    assert.match(told, /Creating the Worker/);
  });

  test('upgrades a Worker that has no migrations', async () => {
    cloudflare.addScript(account.id, NAME, {
      bindings: [{ type: 'plain_text', name: 'LOG', text: 'debug' }],
    });
    const { result, told } = await listening(() => deployed({ replace: true, verbose: true }));
    assert.equal(result.success, true, result.error);
    assert.deepEqual([script().tag, binding('LOG').text], ['v1', 'debug']);
    assert.match(told, /Replacing the Worker/);
  });

  test("upgrades a Worker that was deployed with an owner's own migration tags", async () => {
    cloudflare.addScript(account.id, NAME, {
      tag: 'initial',
      classes: { Space: true },
      bindings: [{ type: 'durable_object_namespace', name: 'SPACES', class_name: 'Space' }],
    });
    assert.equal((await deployed()).success, true);
    assert.equal(script().tag, 'initial');
  });

  test('goes on from another migration tag when the class is not there yet', async () => {
    cloudflare.addScript(account.id, NAME, { tag: 'theirs' });
    assert.equal((await deployed({ replace: true })).success, true);
    assert.deepEqual(script().metadata.migrations, {
      old_tag: 'theirs',
      new_tag: 'v1',
      steps: [{ new_sqlite_classes: ['Space'] }],
    });
  });

  test("takes another program's tag for what it is, also when it is spelt like ours", async () => {
    cloudflare.addScript(account.id, NAME, { tag: 'v1' });
    assert.equal((await deployed({ replace: true })).success, true);
    assert.deepEqual(script().metadata.migrations, {
      old_tag: 'v1',
      new_tag: 'kuratchi-v1',
      steps: [{ new_sqlite_classes: ['Space'] }],
    });
    assert.deepEqual([...script().classes], [['Space', true]]);
    assert.equal((await deployed()).success, true, 'from then on it is one of ours');
    assert.equal(script().metadata.migrations, undefined);
  });

  test('is made again when the answer to the first upload was lost', async () => {
    cloudflare.failNext('PUT', /scripts/, 'lost');
    const result = await deployed();
    assert.equal(result.success, true, result.error);
    assert.deepEqual(
      writes().map((request) => request.split(' ').at(-1)),
      ['lost', '412', '200', '200'],
    );
    assert.deepEqual([...script().classes], [['Space', true]]);
  });
});

describe('settings that the Worker cannot use', () => {
  const list = 'https://app.example.com, ftp://files.example.com';

  for (const [vars, expected] of [
    [{ ALLOWED_ORIGINS: list }, /^`ftp:\/\/files\.example\.com` of the Worker's variable ALLOWED_ORIGINS/],
    [{ PING_ANSWERS: 'nobody' }, /PING_ANSWERS/],
  ]) {
    test(`are named: ${Object.keys(vars)}`, async () => {
      const worker = await startBackend({ workerDir: WORKER, gatewayKey: GATEWAY_KEY, vars });
      const restore = routeHosts({ 'listed.acme.workers.dev': worker.url });
      try {
        const { result, told } = await listening(() => deployed({ scriptName: 'listed', verbose: true }));
        assert.equal(result.success, true, result.error);
        assert.equal(result.misconfigured.length, 1);
        assert.match(result.misconfigured[0], expected);
        assert.ok(told.includes(result.misconfigured[0]), told);
      } finally {
        restore();
        await worker.stop();
      }
    });
  }
});

describe('what goes wrong is told in words', () => {
  /** Deploys, expects a refusal, and gives its text. */
  async function refusal(options) {
    const { success, error, workerUrl } = await deployed(options);
    assert.deepEqual([success, workerUrl], [false, undefined]);
    for (const secret of [account.token, GATEWAY_KEY]) assert.ok(!error.includes(secret), error);
    return error;
  }

  test('bad settings name the field and the variable', async () => {
    const cases = [
      [
        { apiToken: '', gatewayKey: '' },
        /^apiToken is required or set CLOUDFLARE_API_TOKEN; gatewayKey is required/,
      ],
      [{ gatewayKey: undefined }, /^gatewayKey is required or set KURATCHI_SPACES_GATEWAY_KEY$/],
      [{ accountId: 'acme' }, /^accountId must be the 32 hexadecimal digits .*CLOUDFLARE_ACCOUNT_ID/],
      [{ apiToken: 'two\nlines' }, /^apiToken must be visible ASCII .*CLOUDFLARE_API_TOKEN/],
      [{ scriptName: 'Team Chat' }, /^scriptName must be .*KURATCHI_SPACES_SCRIPT_NAME/],
      [{ gatewayKey: 7 }, /^gatewayKey must be a string$/],
      [{ gatewayKey: '\ud800' }, /^gatewayKey must be well-formed/],
      [
        { gatewayKey: `${GATEWAY_KEY}\n` },
        /^gatewayKey must have no blanks, line breaks or quotes around it/,
      ],
      [{ verbose: 'yes' }, /^verbose must be true or false$/],
      [{ replace: 1 }, /^replace must be true or false$/],
    ];
    for (const [options, expected] of cases) assert.match(await refusal(options), expected);
    assert.match((await deploy(null)).error, /^options must be an object$/);
    assert.deepEqual(cloudflare.requests, []);
  });

  test('an API token that is no good, or of another account', async () => {
    assert.match(
      await refusal({ apiToken: 'wrong' }),
      /Authentication error \(code 10000\)\. Check CLOUDFLARE_API_TOKEN/,
    );
    const other = cloudflare.addAccount({ name: 'Other' });
    assert.match(await refusal({ accountId: other.id }), /code 10000/);
    cloudflare.tokens.set(account.token, []);
    assert.match(await refusal({ accountId: '' }), /sees no account$/);
    const none = { status: 200, body: { success: true, errors: [], messages: [], result: null } };
    cloudflare.failNext('GET', /^\/accounts$/, none);
    assert.match(await refusal({ accountId: '' }), /sees no account$/);
  });

  test('an account without a workers.dev subdomain, before anything is uploaded', async () => {
    cloudflare.accounts.get(account.id).subdomain = undefined;
    assert.match(
      await refusal(),
      /no workers\.dev subdomain yet.*dash\.cloudflare\.com\/[0-9a-f]{32}\/workers\/onboarding/s,
    );
    assert.deepEqual(writes(), []);
  });

  test('a Worker of that name that is another program, before anything is uploaded', async () => {
    cloudflare.addScript(account.id, NAME);
    assert.match(
      await refusal(),
      /^the Worker kuratchi-spaces in account .* is another program.*choose another name \(scriptName.*replace: true/,
    );
    assert.deepEqual(writes(), []);
  });

  test('a Worker of that name with data of another program', async () => {
    cloudflare.addScript(account.id, NAME, {
      tag: 'v1',
      classes: { ChatRoom: false },
      bindings: [{ type: 'durable_object_namespace', name: 'ROOMS', class_name: 'ChatRoom' }],
    });
    assert.match(await refusal({ replace: true }), /'ChatRoom'.*\(code 10064\).*Choose another name/s);
    assert.equal(script().tag, 'v1', 'nothing was changed');
  });

  test('a class of the same name that is there already', async () => {
    cloudflare.addScript(account.id, NAME, { tag: 'theirs', classes: { Space: false } });
    assert.match(await refusal({ replace: true }), /\(code 10074\).*Choose another name/s);
  });

  test('a proxy that answers with a page', async () => {
    const body = '<html>\n<h1>Blocked</h1>';
    cloudflare.failNext('GET', /scripts$/, { status: 403, body });
    assert.match(await refusal(), /status 403 and "<html> <h1>Blocked<\/h1>"\. Check CLOUDFLARE_API_TOKEN/);
  });

  test('an answer that repeats a secret', async () => {
    const body = Cloudflare.refusal(10004, `bad value ${GATEWAY_KEY} of ${account.token}`);
    cloudflare.failNext('PUT', /scripts/, { status: 400, body });
    assert.match(await refusal(), /bad value \(secret\) of \(secret\) \(code 10004\)/);
  });

  test('what may pass is tried again, and told', async () => {
    const busy = {
      status: 429,
      body: Cloudflare.refusal(971, 'Please wait'),
      headers: { 'Retry-After': '1' },
    };
    cloudflare.failNext('GET', /scripts$/, busy);
    cloudflare.failNext('GET', /subdomain$/, 'cut');
    cloudflare.failNext('PUT', /scripts/, { status: 500, body: Cloudflare.refusal(10013, 'unknown') });
    const { result, told } = await listening(() => deployed({ verbose: true }));
    assert.equal(result.success, true, result.error);
    assert.equal(told.match(/Trying again in 1 s/g).length, 3, told);
  });

  test('a time to wait may be a date', async () => {
    const headers = { 'Retry-After': new Date(Date.now() + 3_900).toUTCString() };
    cloudflare.failNext('GET', /scripts$/, {
      status: 429,
      body: Cloudflare.refusal(971, 'Please wait'),
      headers,
    });
    const { result, told } = await listening(() => deployed({ verbose: true }));
    assert.equal(result.success, true, result.error);
    assert.match(told, /Trying again in [234] s/);
  });

  test('what was done already, when the rest of it fails', async () => {
    cloudflare.failNext('POST', /subdomain$/, { status: 403, body: Cloudflare.refusal(10000, 'no') });
    assert.match(
      await refusal(),
      /^The Worker and its key are uploaded already; only its address https:\S+ is missing: run this again\. .*code 10000/,
    );
    assert.equal((await deployed()).success, true);
    assert.equal(script().workersDev.enabled, true);
  });

  test('what does not pass ends after four attempts', async () => {
    const body = Cloudflare.refusal(10013, 'workers.api.error.unknown');
    for (let i = 0; i < 4; i += 1) cloudflare.failNext('PUT', /scripts/, { status: 503, body });
    assert.match(await refusal(), /\(code 10013\)\. That is a fault on Cloudflare's side/);
    assert.equal(writes().length, 4);
  });

  test('no network', async () => {
    process.env.CLOUDFLARE_API_BASE_URL = 'https://api.example.com';
    assert.match(await refusal(), /can not be reached .*: ENOTFOUND\. Check the network connection/);
  });

  test('an address that does not answer yet is no failure', async () => {
    const { setTimeout: wait } = globalThis;
    // Half a minute in all, of which nothing is to be seen.
    const pauses = [1_000, 2_000, 4_000, 8_000, 15_000];
    const hurried = (work, ms, ...rest) => wait(work, pauses.includes(ms) ? 0 : ms, ...rest);
    const timers = mock.method(globalThis, 'setTimeout', hurried);
    try {
      const { result, told } = await listening(() => deployed({ scriptName: 'unrouted', verbose: true }));
      assert.deepEqual([result.success, result.verified], [true, false]);
      assert.match(told, /does not answer yet/);
    } finally {
      timers.mock.restore();
    }
  });
});

describe('the modules', () => {
  test('the script alone says that it is not enough, and is the entry module', () => {
    const text = getWorkerScript();
    const [entry, wasm] = getWorkerModules();
    assert.ok(text.endsWith(entry.content));
    const comment = text.slice(0, -entry.content.length);
    assert.match(comment, /^\/\*\n[\s\S]+not enough alone[\s\S]+getWorkerModules\(\)[\s\S]+ \*\/\n$/);
    // Not validated: it handles exceptions in a way that workerd knows and Node 20 does not.
    assert.deepEqual([...wasm.content.subarray(0, 4)], [0, ...Buffer.from('asm')]);
  });

  test('in browsers and in Workers the same names say where to go', async () => {
    const elsewhere = await load('server/elsewhere.js');
    const result = await elsewhere.deploy({ apiToken: 'x' });
    assert.equal(result.success, false);
    assert.match(result.error, /npx kuratchi-spaces deploy/);
    for (const name of ['getWorkerModules', 'getWorkerScript']) {
      assert.throws(elsewhere[name], {
        name: 'ChatError',
        code: 'unsupported',
        message: /only Node, Deno and Bun/,
      });
    }
    const everywhere = ['deploy', 'deploySpacesWorker', 'getWorkerModules', 'getWorkerScript'];
    assert.deepEqual(Object.keys(elsewhere).sort(), everywhere);
    // Their entry has the same names as that of Node, and nothing of Node's.
    const node = await load('server/index.js');
    const worker = await load('server/index.elsewhere.js');
    assert.deepEqual(Object.keys(worker).sort(), Object.keys(node).sort());
    const entry = join(PKG_DEV, 'server', 'index.elsewhere.js');
    const { outputFiles } = await build({ entryPoints: [entry], bundle: true, format: 'esm', write: false });
    assert.doesNotMatch(outputFiles[0].text, /node:|\bimport\b/);
  });

  test('what was uploaded runs in workerd, with the bindings that were uploaded', {
    timeout: TEST_MS_MAX,
  }, async () => {
    await deployed();
    const mf = new Miniflare({
      log: new Log(LogLevel.NONE),
      cf: false,
      compatibilityDate: script().metadata.compatibility_date,
      modules: script().modules.map(({ name, type, content }) => ({
        type: type === 'application/wasm' ? 'CompiledWasm' : 'ESModule',
        path: name,
        contents: content,
      })),
      bindings: Object.fromEntries(
        script()
          .bindings.filter(({ type }) => type === 'secret_text' || type === 'plain_text')
          .map(({ name, text }) => [name, text]),
      ),
      durableObjects: Object.fromEntries(
        script()
          .bindings.filter(({ type }) => type === 'durable_object_namespace')
          .map(({ name, class_name: className }) => [
            name,
            { className, useSQLite: script().classes.get(className) },
          ]),
      ),
    });
    try {
      const { origin } = await mf.ready;
      const { client } = await load('index.node.js');
      const spaceId = `deployed-${randomUUID()}`;
      const spaceToken = await generateToken(spaceId, { gatewayKey: GATEWAY_KEY, userId: 'ada' });
      const told = [];
      const onMessage = ({ text }) => told.push(text);
      const space = client({ spaceId, spaceToken, workerUrl: origin, webSocket: WebSocket, onMessage });
      await space.connect({ timeoutMs: 15_000 });
      const message = { senderId: 'ada', senderType: 'user', text: 'Hello from what was uploaded' };
      await space.sendMessage(message, { until: 'stored' });
      const stored = await space.getMessages();
      space.close();
      assert.deepEqual(told, [message.text]);
      assert.deepEqual(
        stored.map(({ text }) => text),
        [message.text],
      );
    } finally {
      await mf.dispose();
    }
  });
});

describe('wrangler', () => {
  let folder;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'kuratchi-wrangler-'));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  test('takes the same modules and bindings, and its output equals ours', {
    timeout: TEST_MS_MAX,
  }, async () => {
    await deployed();
    const { metadata, modules } = script();
    for (const { name, content } of modules) writeFileSync(join(folder, name), content);
    const [objects] = metadata.bindings;
    const config = {
      name: NAME,
      main: metadata.main_module,
      compatibility_date: metadata.compatibility_date,
      no_bundle: true,
      rules: [{ type: 'CompiledWasm', globs: ['**/*.wasm'], fallthrough: true }],
      durable_objects: { bindings: [{ name: objects.name, class_name: objects.class_name }] },
      migrations: [{ tag: metadata.migrations.new_tag, ...metadata.migrations.steps[0] }],
    };
    writeFileSync(join(folder, 'wrangler.json'), JSON.stringify(config));
    const { stdout } = await run(bin('wrangler'), ['deploy', '--dry-run', '--outdir', 'out'], {
      cwd: folder,
      show: 'silent',
      timeoutMs: TEST_MS_MAX,
      env: { ...process.env, CI: '1', WRANGLER_SEND_METRICS: 'false', WRANGLER_LOG_PATH: folder },
    });
    assert.match(stdout, /SPACES.*Space/);
    assert.match(stdout, /--dry-run: exiting now/);
    for (const { name, content } of modules) {
      assert.ok(readFileSync(join(folder, 'out', name)).equals(Buffer.from(content)), name);
    }
  });

  test('is told the same by the wrangler.toml of the Worker', async () => {
    const toml = readFileSync(join(ROOT, 'crates', 'worker', 'wrangler.toml'), 'utf8');
    await deployed();
    const { metadata } = script();
    const [objects] = metadata.bindings;
    assert.ok(toml.includes(`compatibility_date = "${metadata.compatibility_date}"`));
    assert.ok(toml.includes(`name = "${objects.name}"\nclass_name = "${objects.class_name}"`));
    assert.ok(toml.includes('PING_ANSWERS = "runtime"'));
    assert.ok(toml.includes(`tag = "${metadata.migrations.new_tag}"\nnew_sqlite_classes = ["Space"]`));
  });
});
