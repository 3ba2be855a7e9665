/**
 * `npx kuratchi-spaces deploy`, from the packed package, against a stand-in of Cloudflare's API.
 */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Installed } from '../packaging/lib/installed.mjs';
import { Cloudflare } from './lib/cloudflare.mjs';
import { runCommand } from './lib/command.mjs';

const KEY = 'a-gateway-key-of-more-than-32-characters';
const NAME = 'team-chat';
const HOST = `${NAME}.acme.workers.dev`;

describe('deploy', () => {
  const installed = new Installed();
  let folder;
  let cloudflare;
  let account;
  let healthy;

  before(async () => {
    await installed.pack();
    folder = await installed.project('owner');
    cloudflare = await Cloudflare.start();
    account = cloudflare.addAccount();
    healthy = createServer((_, response) => response.end('{"status":"ok","service":"kuratchi-spaces"}'));
    await new Promise((resolve) => healthy.listen(0, '127.0.0.1', resolve));
    // As an owner has them: the project's file, and not the command line.
    const lines = [`CLOUDFLARE_API_TOKEN=${account.token}`, `KURATCHI_GATEWAY_KEY='${KEY}'`];
    writeFileSync(join(folder, '.env'), `${lines.join('\n')}\nUNRELATED=1\n`);
  });
  after(async () => {
    healthy?.close();
    healthy?.closeAllConnections();
    await cloudflare?.stop();
    installed.remove();
    assert.deepEqual(cloudflare.problems, []);
  });

  async function deploy(args = [], env = {}) {
    const told = await runCommand(folder, ['deploy', '--script-name', NAME, ...args], {
      env: { CLOUDFLARE_API_BASE_URL: cloudflare.baseUrl, ...env },
      hosts: { [HOST]: `http://127.0.0.1:${healthy.address().port}` },
    });
    for (const secret of [account.token, KEY]) assert.ok(!(told.stdout + told.stderr).includes(secret));
    return told;
  }

  const writes = () => cloudflare.requests.filter((request) => !request.startsWith('GET '));

  test('a dry run shows the requests and makes none of them', async () => {
    const { code, stdout, stderr } = await deploy(['--dry-run']);
    assert.equal(code, 0, stderr);
    assert.match(stderr, new RegExp(`Create the Worker ${NAME} in account ${account.id}`));
    assert.match(stderr, new RegExp(`address +https://${HOST}`));
    const path = `/accounts/${account.id}/workers/scripts/${NAME}`;
    assert.match(stdout, new RegExp(`^PUT ${path}\n {2}metadata {2}\\{$`, 'm'));
    assert.match(stdout, /"new_sqlite_classes": \[\s+"Space"\s+\]/);
    assert.match(stdout, /"text": "\(secret\)"/);
    assert.match(stdout, /^ {2}index_bg\.wasm {2}application\/wasm, \d{6,} bytes$/m);
    assert.match(stdout, new RegExp(`^POST ${path}/subdomain$`, 'm'));
    assert.deepEqual(writes(), []);
  });

  test('deploys, prints the address alone on standard output, and can be run again', async () => {
    const first = await deploy();
    assert.deepEqual([first.code, first.stdout], [0, `https://${HOST}\n`], first.stderr);
    assert.match(first.stderr, /Create the Worker/);
    assert.match(first.stderr, new RegExp(`Deployed\\. .*KURATCHI_SPACES_WORKER_URL=https://${HOST}`));
    const again = await deploy(['--yes']);
    assert.deepEqual([again.code, again.stdout], [0, `https://${HOST}\n`], again.stderr);
    assert.match(again.stderr, /Update the Worker/);
    assert.equal(cloudflare.script(account.id, NAME).metadata.migrations, undefined);
  });

  test('replaces another program only with --yes', async () => {
    cloudflare.addScript(account.id, 'website');
    const shown = await deploy(['--dry-run', '--script-name', 'website']);
    assert.equal(shown.code, 0);
    assert.match(shown.stderr, /REPLACE the Worker, which is another program now, website/);
    const before = writes();
    const { code, stdout, stderr } = await deploy(['--script-name', 'website']);
    assert.deepEqual([code, stdout], [1, '']);
    assert.match(stderr, /the Worker website in account .* is another program.*choose another name.*--yes/);
    assert.deepEqual(writes(), before, 'nothing was changed');
  });

  test('what is missing or refused is told with its cure, and code 1', async () => {
    const refused = await deploy([], { CLOUDFLARE_API_TOKEN: 'another' });
    assert.deepEqual([refused.code, refused.stdout], [1, '']);
    assert.match(refused.stderr, /code 10000.*permission "Workers Scripts: Edit"/s);
    assert.doesNotMatch(refused.stderr, /^\s+at /m, 'no stack');
    const bare = await installed.project('stranger');
    const { code, stderr } = await runCommand(bare, ['deploy']);
    assert.equal(code, 1);
    assert.match(stderr, /apiToken is required or set CLOUDFLARE_API_TOKEN; gatewayKey is required/);
    assert.match(stderr, /template "Edit Cloudflare Workers".*\n.*\n {2}node -e/);
  });

  test('a file in the folder does not say where the API token goes', async () => {
    const asked = [];
    const elsewhere = createServer((request, response) => {
      asked.push(request.url);
      response.end('{}');
    });
    await new Promise((resolve) => elsewhere.listen(0, '127.0.0.1', resolve));
    const foreign = await installed.project('foreign');
    const baseUrl = `http://127.0.0.1:${elsewhere.address().port}`;
    writeFileSync(join(foreign, '.env'), `CLOUDFLARE_API_BASE_URL=${baseUrl}\n`);
    const env = { CLOUDFLARE_API_TOKEN: account.token, KURATCHI_GATEWAY_KEY: KEY };
    const args = ['deploy', '--script-name', NAME, '--dry-run'];
    const hosts = { 'api.cloudflare.com': new URL(cloudflare.baseUrl).origin };
    const { code, stderr } = await runCommand(foreign, args, { env, hosts });
    assert.equal(code, 0, stderr);
    assert.deepEqual(asked, []);
    const named = await runCommand(foreign, args, { env: { ...env, CLOUDFLARE_API_BASE_URL: baseUrl } });
    assert.match(named.stderr, new RegExp(`asked at ${baseUrl}`));
    assert.ok(asked.length > 0);
    elsewhere.closeAllConnections();
    elsewhere.close();
  });

  test("a key of the environment goes to the account of a folder's file only with --yes", async () => {
    const strange = await installed.project('strange');
    const file = join(strange, '.env');
    writeFileSync(file, `CLOUDFLARE_API_TOKEN=${account.token}\nCLOUDFLARE_ACCOUNT_ID=${account.id}\n`);
    const run = (args, env) =>
      runCommand(strange, ['deploy', '--script-name', NAME, ...args], {
        env: { CLOUDFLARE_API_BASE_URL: cloudflare.baseUrl, ...env },
        hosts: { [HOST]: `http://127.0.0.1:${healthy.address().port}` },
      });
    const told = new RegExp(`The API token comes from ${file}, and the gateway key from the environment`);
    for (const name of ['KURATCHI_GATEWAY_KEY', 'KURATCHI_SPACES_GATEWAY_KEY']) {
      const before = cloudflare.requests.length;
      const { code, stdout, stderr } = await run([], { [name]: KEY });
      assert.deepEqual([code, stdout, cloudflare.requests.length], [1, '', before]);
      assert.match(stderr, told);
      assert.match(stderr, /Set CLOUDFLARE_API_TOKEN in the environment too.*--yes/);
    }
    const wanted = await run(['--yes'], { KURATCHI_GATEWAY_KEY: KEY });
    assert.equal(wanted.code, 0, wanted.stderr);
    assert.match(wanted.stderr, told);
    // The account's id alone gives nothing away.
    const both = await run([], { KURATCHI_GATEWAY_KEY: KEY, CLOUDFLARE_API_TOKEN: account.token });
    assert.equal(both.code, 0, both.stderr);
    assert.doesNotMatch(both.stderr, /comes from/);
    writeFileSync(join(strange, '.env.local'), `KURATCHI_GATEWAY_KEY=${KEY}\n`);
    const owner = await run([], {});
    assert.equal(owner.code, 0, owner.stderr);
    assert.doesNotMatch(owner.stderr, /comes from/);
  });

  test('a short key is warned about, and so is that of the local backend', async () => {
    const short = await deploy(['--dry-run'], { KURATCHI_GATEWAY_KEY: 'tiny key' });
    assert.equal(short.code, 0);
    assert.match(short.stderr, /gateway key is short/);
    assert.doesNotMatch(short.stderr, /local backend/);
    mkdirSync(join(folder, '.kuratchi'));
    writeFileSync(join(folder, '.kuratchi', 'gateway-key'), KEY);
    const local = await deploy(['--dry-run']);
    assert.equal(local.code, 0);
    assert.match(local.stderr, /gateway key of the local backend/);
    assert.doesNotMatch(local.stderr, /is short/);
  });
});
