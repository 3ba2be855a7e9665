/**
 * `npx kuratchi-spaces dev` and `token`, from the packed package in a project of its own: real processes.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, request } from 'node:http';
import { delimiter, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { validateSpaceToken } from '../../pkg-template/tokens.js';
import { currentNode } from '../../scripts/lib/current-node.mjs';
import { Installed, runProgram } from '../packaging/lib/installed.mjs';
import { borrow, runCommand, start } from './lib/command.mjs';

const TEST_MS_MAX = 60_000;
const URL_LINE = /^ {2}Worker {2}(http:\/\/\S+)$/m;

/** Sends what it is told to, and tells what is stored. */
const CHAT = `
  import { client } from 'kuratchi-spaces';
  import { WebSocket } from 'ws';
  const { SPACE_TOKEN: spaceToken, WORKER_URL: workerUrl, TEXT: text } = process.env;
  const space = client({ spaceId: 'lobby', spaceToken, workerUrl, webSocket: WebSocket });
  await space.connect({ timeoutMs: 15_000 });
  if (text) await space.sendMessage({ senderId: 'ada', senderType: 'user', text }, { until: 'stored' });
  const messages = await space.getMessages();
  space.close();
  console.log(JSON.stringify(messages.map((message) => message.text)));
`;

/** The process id of the runtime that a command runs. */
function runtimeOf(pid) {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ');
  const child = children.find((each) => readFileSync(`/proc/${each}/comm`, 'utf8').startsWith('workerd'));
  return Number(child);
}

/** The ports that a process itself listens on. */
function listeningPorts(pid) {
  const LISTENS = '0A';
  const own = new Set(
    readdirSync(`/proc/${pid}/fd`).map((fd) => {
      try {
        return readlinkSync(`/proc/${pid}/fd/${fd}`);
      } catch {
        return '';
      }
    }),
  );
  return ['tcp', 'tcp6'].flatMap((kind) =>
    readFileSync(`/proc/${pid}/net/${kind}`, 'utf8')
      .trim()
      .split('\n')
      .slice(1)
      .map((line) => line.trim().split(/\s+/))
      .filter(([, , , state, , , , , , inode]) => state === LISTENS && own.has(`socket:[${inode}]`))
      .map(([, address]) => Number.parseInt(address.split(':')[1], 16)),
  );
}

/** The status of `/health`, asked for under the name of another host. */
function statusUnder(host, url, more = {}) {
  return new Promise((resolve, reject) => {
    const asked = request(new URL('/health', url), { headers: { host, ...more } }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    asked.once('error', reject);
    asked.end();
  });
}

describe('dev and token', () => {
  const installed = new Installed();
  let folder;

  before(async () => {
    await installed.pack();
    folder = await installed.project('backend', { 'chat.js': CHAT });
    borrow(folder, 'miniflare');
    borrow(folder, 'ws');
  });
  after(() => installed.remove());

  const dataOf = (name) => join(folder, name);

  /** Starts a backend and waits until it runs. */
  async function backend(...args) {
    const command = start(folder, ['dev', '--port', '0', ...args]);
    const [, url] = await command.says(URL_LINE);
    await command.says(/Ctrl-C stops/);
    return { command, url };
  }

  async function token(...args) {
    const { code, stdout, stderr } = await runCommand(folder, ['token', 'lobby', ...args]);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^\S+\n$/, 'the token alone is on standard output');
    return stdout.trim();
  }

  const chat = (url, spaceToken, text = '') =>
    runProgram(folder, 'chat.js', { env: { WORKER_URL: url, SPACE_TOKEN: spaceToken, TEXT: text } });

  async function stop(command) {
    command.kill('SIGINT');
    assert.deepEqual(await command.ended, { code: 0, signal: null }, command.stderr);
  }

  test('a backend chats, and what was said is there after a restart', { timeout: TEST_MS_MAX }, async () => {
    const first = await backend();
    const spaceToken = await token('--user', 'ada', '--name', 'Ada', '--caps', 'metadata, moderate');
    assert.deepEqual(await chat(first.url, spaceToken, 'Kept?'), ['Kept?']);
    await stop(first.command);
    assert.match(first.command.stderr, /messages are kept in \.kuratchi/);
    const second = await backend();
    assert.deepEqual(await chat(second.url, spaceToken, 'Kept.'), ['Kept?', 'Kept.']);
    await stop(second.command);
  });

  test('the key is for its owner alone, out of git and out of logs', { timeout: TEST_MS_MAX }, async () => {
    const { command } = await backend('--data', 'private');
    await stop(command);
    const file = join(dataOf('private'), 'gateway-key');
    const key = readFileSync(file, 'utf8').trim();
    assert.equal(key.length, 43);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.equal(statSync(dataOf('private')).mode & 0o777, 0o700);
    assert.ok(!(command.stdout + command.stderr).includes(key), 'a pipe is no terminal');
    assert.match(command.stdout, /KURATCHI_GATEWAY_KEY=<the contents of private\/gateway-key>/);
    spawnSync('git', ['init', '-q'], { cwd: folder });
    const { stdout } = spawnSync('git', ['status', '--short', '--untracked-files=all', 'private'], {
      cwd: folder,
      encoding: 'utf8',
    });
    assert.equal(stdout, '');
  });

  test('an environment file gets address and key, and keeps the rest', { timeout: TEST_MS_MAX }, async () => {
    const file = join(folder, '.env.local');
    writeFileSync(file, '');
    chmodSync(file, 0o644);
    writeFileSync(file, 'OTHER=1 # mine\nKURATCHI_GATEWAY_KEY=old\nLAST="x"\n');
    const { command, url } = await backend('--write-env', '.env.local');
    const key = readFileSync(join(dataOf('.kuratchi'), 'gateway-key'), 'utf8').trim();
    assert.equal(
      readFileSync(file, 'utf8'),
      `OTHER=1 # mine\n# KURATCHI_GATEWAY_KEY=old\nKURATCHI_GATEWAY_KEY=${key}\nLAST="x"\nKURATCHI_SPACES_WORKER_URL=${url}\n`,
    );
    assert.equal(statSync(file).mode & 0o777, 0o600, 'it holds a key now');
    assert.match(
      command.stderr,
      /\.env\.local had another KURATCHI_GATEWAY_KEY: it stands there as a comment now/,
    );
    // From here on the other commands have it from there.
    const { code, stdout } = await runCommand(folder, ['doctor']);
    assert.equal(code, 0, stdout);
    assert.match(stdout, /^ok {4}The gateway key is there \(KURATCHI_GATEWAY_KEY, 43 characters\)$/m);
    assert.match(stdout, /^ok {4}A WebSocket opens and is welcomed$/m);
    assert.doesNotMatch(command.stderr, /is set here/);
    await stop(command);
    // What the shell has counts before any file.
    const exported = { env: { KURATCHI_GATEWAY_KEY: 'another key of another Worker' } };
    const again = start(folder, ['dev', '--port', '0', '--write-env', '.env.local'], exported);
    await again.says(/Ctrl-C stops/);
    assert.match(
      again.stderr,
      /KURATCHI_GATEWAY_KEY is set here to something else.*before \.env\.local.*unset it/,
    );
    assert.doesNotMatch(again.stderr, /another Worker/);
    await stop(again);
    writeFileSync(file, '');
  });

  test('doctor finds the backend that runs here, and its key', { timeout: TEST_MS_MAX }, async () => {
    const { command, url } = await backend();
    const found = await runCommand(folder, ['doctor']);
    assert.equal(found.code, 0, found.stdout);
    assert.ok(found.stdout.includes(`The Worker's address is ${url}\n`), found.stdout);
    await stop(command);
    const { code, stdout } = await runCommand(folder, ['doctor']);
    assert.equal(code, 1);
    assert.match(stdout, /address is not known/);
  });

  test('two backends never share their data', { timeout: TEST_MS_MAX }, async () => {
    const { command } = await backend();
    const { code, stderr } = await runCommand(folder, ['dev', '--port', '0']);
    assert.equal(code, 1);
    assert.match(stderr, new RegExp(`already runs on \\.kuratchi \\(process ${command.pid}\\).*--data`));
    await stop(command);
  });

  test('a killed one leaves neither process nor lock', { timeout: TEST_MS_MAX }, async () => {
    const { command, url } = await backend();
    command.kill('SIGKILL');
    await command.ended;
    await gone(url);
    const next = await backend();
    await stop(next.command);
  });

  test('a runtime that dies is started again on the same data, until it dies too often', {
    timeout: TEST_MS_MAX,
  }, async () => {
    const { command, url } = await backend();
    const spaceToken = await token('--user', 'ada');
    await chat(url, spaceToken, 'before');
    process.kill(runtimeOf(command.pid), 'SIGKILL');
    await command.says(/The runtime \(workerd\) died; it is started again on the same data/);
    await command.says(/The runtime is back\./);
    const texts = await chat(url, spaceToken, 'after');
    assert.deepEqual(texts.slice(-2), ['before', 'after']);
    process.kill(runtimeOf(command.pid), 'SIGKILL');
    await command.says(/The runtime is back\..*The runtime is back\./s);
    process.kill(runtimeOf(command.pid), 'SIGKILL');
    const { code } = await command.ended;
    assert.equal(code, 1);
    assert.match(command.stderr, /died 3 times within a minute/);
    assert.match(command.stderr, /not started again\. It was ended by SIGKILL: .* It said nothing of it\./);
    assert.match(command.stderr, /What was stored is kept/);
    const next = await backend();
    process.kill(runtimeOf(next.command.pid), 'SIGKILL');
    await next.command.says(/The runtime is back\./);
    // Not by the signal handlers of a Miniflare that was started later.
    await stop(next.command);
    assert.match(next.command.stderr, /Stopping; messages are kept/);
  });

  test('a runtime that dies while it starts again is a death like any other', {
    timeout: TEST_MS_MAX,
  }, async () => {
    const { command } = await backend();
    let over = false;
    command.ended.then(() => {
      over = true;
    });
    while (!over) {
      try {
        process.kill(runtimeOf(command.pid), 'SIGKILL');
      } catch {
        // There is none at the moment.
      }
      await sleep(5);
    }
    assert.match(command.stderr, /died 3 times within a minute/);
    assert.doesNotMatch(command.stderr, /at (async )?\S+ \(.*:\d+:\d+\)/, 'no stack');
  });

  test('data that a newer runtime has used is told in words', { timeout: TEST_MS_MAX }, async () => {
    const { command, url } = await backend('--data', 'newer');
    await chat(url, await token('--user', 'ada', '--data', 'newer'), 'before');
    await stop(command);
    const metadata = join(folder, 'newer', 'spaces', 'kuratchi-spaces-Space', 'metadata.sqlite');
    // As a newer one does: it gives its table one more column.
    const code = `
      const { DatabaseSync } = require('node:sqlite');
      new DatabaseSync(process.argv[1]).exec('ALTER TABLE _cf_ALARM ADD COLUMN newer TEXT');
    `;
    const changed = spawnSync(currentNode(), ['-e', code, metadata], { encoding: 'utf8' });
    assert.equal(changed.status, 0, changed.stderr);
    const ended = await runCommand(folder, ['dev', '--port', '0', '--data', 'newer']);
    assert.equal(ended.code, 1);
    assert.match(
      ended.stderr,
      /The runtime \(workerd\) did not start\. It .*ended .*\. It said last:\n.*_cf_ALARM/,
    );
    assert.match(
      ended.stderr,
      /used by a newer runtime .* Use the newer Node .* or another folder \(--data\)\./,
    );
    assert.doesNotMatch(ended.stderr, /at (async )?\S+ \(.*:\d+:\d+\)/, 'no stack');
  });

  test('a port that somebody took while the runtime was dead is told in words', {
    timeout: TEST_MS_MAX,
  }, async () => {
    const { command, url } = await backend();
    const thief = createServer();
    process.kill(runtimeOf(command.pid), 'SIGKILL');
    const { hostname, port } = new URL(url);
    while (!thief.listening) {
      await new Promise((resolve) => {
        thief.once('error', resolve);
        thief.listen(Number(port), hostname, resolve);
      });
      await sleep(2);
    }
    const { code } = await command.ended;
    thief.close();
    assert.equal(code, 1);
    assert.match(command.stderr, new RegExp(`Port ${port} of 127.0.0.1 is taken`));
  });

  test('nothing else that listens does anything for anybody', { timeout: TEST_MS_MAX }, async () => {
    const { command, url } = await backend();
    const ports = listeningPorts(command.pid);
    assert.ok(ports.length > 0, 'Miniflare listens for the runtime');
    const victim = join(folder, 'victim.txt');
    writeFileSync(victim, 'original');
    for (const port of ports) {
      assert.notEqual(String(port), new URL(url).port);
      const up = '../'.repeat(20);
      for (const [method, path] of [
        ['POST', `/core/store-temp-file?extension=x/${up}${victim.slice(1)}`],
        ['POST', `/core/store-temp-file?prefix=${up}${victim.slice(1)}&extension=`],
        ['POST', '/browser/launch'],
        ['GET', '/core/do-storage/kuratchi-spaces-Space'],
        ['POST', '/'],
      ]) {
        const answer = await fetch(`http://127.0.0.1:${port}${path}`, {
          method,
          ...(method === 'POST' && { body: 'overwritten' }),
        });
        assert.equal(answer.status, 404, path);
      }
      const headers = { 'MF-Log-Level': '1' };
      await fetch(`http://127.0.0.1:${port}/core/log`, { method: 'POST', headers, body: 'forged words' });
    }
    assert.equal(readFileSync(victim, 'utf8'), 'original');
    assert.deepEqual(
      readdirSync(folder).filter((name) => name.startsWith('victim')),
      ['victim.txt'],
    );
    await stop(command);
    assert.doesNotMatch(command.stderr + command.stdout, /forged words/);
  });

  test('a folder that was there keeps its permissions, and what people write is private in it', {
    timeout: TEST_MS_MAX,
  }, async () => {
    mkdirSync(dataOf('shared'));
    chmodSync(dataOf('shared'), 0o755);
    const { command } = await backend('--data', 'shared');
    await stop(command);
    const mode = (...names) => statSync(join(dataOf('shared'), ...names)).mode & 0o777;
    assert.deepEqual([mode(), mode('spaces'), mode('gateway-key')], [0o755, 0o700, 0o600]);
  });

  test('a setting that cannot be read is told once', { timeout: TEST_MS_MAX }, async () => {
    const { command } = await backend('--var', 'SEND_BURST=many');
    await command.says(/SEND_BURST/);
    await stop(command);
    assert.equal(command.stderr.match(/SEND_BURST/g).length, 1, command.stderr);
  });

  test('names that lead here from elsewhere are refused', { timeout: TEST_MS_MAX }, async () => {
    const { command, url } = await backend();
    const { port } = new URL(url);
    for (const [host, status] of [
      [`localhost:${port}`, 200],
      [`127.0.0.1:${port}`, 200],
      [`app.localhost:${port}`, 200],
      [`evil.example:${port}`, 403],
      ['evil.example', 403],
    ]) {
      assert.equal(await statusUnder(host, url), status, host);
    }
    // The local runtime's own header for the address that was asked.
    const imitated = { 'MF-Original-URL': `${url}/health` };
    assert.equal(await statusUnder('evil.example', url, imitated), 403);
    await stop(command);
  });

  test('a port that is taken is named, and without a wish the next free one is found', {
    timeout: TEST_MS_MAX,
  }, async () => {
    const server = createServer();
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address();
    const { code, stderr } = await runCommand(folder, ['dev', '--port', `${port}`]);
    server.close();
    assert.equal(code, 1);
    assert.match(stderr, new RegExp(`Port ${port} of 127\\.0\\.0\\.1 is taken`));
  });

  test('an address that is not of this machine is told as such, before anything is done', async () => {
    // Of a network for documentation: nobody has it.
    const { code, stderr } = await runCommand(folder, ['dev', '--host', '203.0.113.9', '--data', 'unused']);
    assert.equal(code, 1);
    assert.match(
      stderr,
      /^This machine can not listen on 203\.0\.113\.9 \(EADDRNOTAVAIL\): leave --host out.*\n$/,
    );
    assert.ok(!existsSync(dataOf('unused')));
  });

  test('settings reach the Worker', { timeout: TEST_MS_MAX }, async () => {
    const { command, url } = await backend(
      '--data',
      'listed',
      '--var',
      'ALLOWED_ORIGINS=https://app.example.com',
    );
    const { headers } = await fetch(`${url}/health`, { headers: { Origin: 'https://app.example.com' } });
    assert.equal(headers.get('Access-Control-Allow-Origin'), 'https://app.example.com');
    const args = ['doctor', '--worker-url', url, '--data', 'listed', '--origin'];
    const good = await runCommand(folder, [...args, 'https://app.example.com']);
    assert.match(good.stdout, /^ok {4}Pages of https:\/\/app\.example\.com may talk to it$/m);
    assert.equal(good.code, 0, good.stdout);
    const bad = await runCommand(folder, [...args, 'https://other.example.com']);
    assert.match(
      bad.stdout,
      /^fail {2}Pages of https:\/\/other\.example\.com may not talk to it\n.*ALLOWED_ORIGINS/m,
    );
    assert.match(bad.stdout, /^fail {2}A WebSocket of https:\/\/other\.example\.com is refused$/m);
    assert.equal(bad.code, 1);
    await stop(command);
  });

  test('an entry of a list that cannot be read is named, and shuts nobody else out', {
    timeout: TEST_MS_MAX,
  }, async () => {
    const list = 'https://app.example.com, ftp://files.example.com';
    const { command, url } = await backend('--data', 'misspelt', '--var', `ALLOWED_ORIGINS=${list}`);
    const named =
      /`ftp:\/\/files\.example\.com` of the Worker's variable ALLOWED_ORIGINS is passed over: expected/;
    await command.says(named);
    const { headers } = await fetch(`${url}/health`, { headers: { Origin: 'https://app.example.com' } });
    assert.equal(headers.get('Access-Control-Allow-Origin'), 'https://app.example.com');
    const { code, stdout } = await runCommand(folder, [
      ...['doctor', '--worker-url', url, '--data', 'misspelt'],
      ...['--origin', 'https://app.example.com'],
    ]);
    assert.equal(code, 1);
    assert.match(stdout, new RegExp(`^fail {2}${named.source}`, 'm'));
    assert.match(stdout, /\n1 to mend/);
    assert.equal(command.stderr.match(new RegExp(named, 'g'))?.length, 1, 'once');
    await stop(command);
  });

  test('Miniflare is fetched once where the project has none', { timeout: TEST_MS_MAX }, async () => {
    const bare = await installed.project('bare');
    const env = { KURATCHI_CACHE_DIR: join(bare, 'cache') };
    for (const fetches of [true, false]) {
      const command = start(bare, ['dev', '--port', '0'], { env });
      await command.says(URL_LINE);
      command.kill('SIGTERM');
      assert.deepEqual(await command.ended, { code: 0, signal: null });
      assert.equal(/Fetching Miniflare .*once.* into .*cache/.test(command.stderr), fetches, command.stderr);
    }
    assert.deepEqual(readdirSync(env.KURATCHI_CACHE_DIR).length, 1, 'nothing unfinished is left');
  });

  test('what can not be fetched is told with another way', { timeout: TEST_MS_MAX }, async () => {
    const bare = await installed.project('offline');
    const bin = join(bare, 'own-bin');
    mkdirSync(bin);
    writeFileSync(join(bin, 'npm'), '#!/bin/sh\necho "npm error network" >&2\nexit 7\n');
    chmodSync(join(bin, 'npm'), 0o755);
    const env = { KURATCHI_CACHE_DIR: join(bare, 'cache'), PATH: `${bin}${delimiter}${process.env.PATH}` };
    const { code, stderr } = await runCommand(bare, ['dev'], { env });
    assert.equal(code, 1);
    assert.match(
      stderr,
      /exit code 7\nnpm error network\nInstall it into the project instead: npm install --save-dev/,
    );
    assert.deepEqual(readdirSync(env.KURATCHI_CACHE_DIR), []);
    assert.ok(!existsSync(join(bare, '.kuratchi', 'running.lock')));
  });

  test('without a network that is told, and soon', { timeout: TEST_MS_MAX }, async () => {
    const bare = await installed.project('cut-off');
    // A port that nobody listens on.
    const server = createServer();
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address();
    await new Promise((resolve) => server.close(resolve));
    const env = {
      KURATCHI_CACHE_DIR: join(bare, 'cache'),
      npm_config_registry: `http://127.0.0.1:${port}/`,
      npm_config_cache: join(bare, 'npm-cache'),
    };
    const { code, stderr } = await runCommand(bare, ['dev', '--port', '0'], { env });
    assert.equal(code, 1);
    assert.match(stderr, /npm does not reach its registry\..*ECONNREFUSED.*Check the network connection/s);
    assert.doesNotMatch(stderr, /npm install --save-dev|^\s+at /m);
  });

  test("a token is of the environment's key, and says so where it is not", async () => {
    const bare = await installed.project('tokens');
    const none = await runCommand(bare, ['token', 'lobby']);
    assert.deepEqual([none.code, none.stdout], [1, '']);
    assert.match(none.stderr, /set KURATCHI_GATEWAY_KEY, or start a local backend/);
    writeFileSync(join(bare, '.env'), 'export KURATCHI_GATEWAY_KEY="the key of .env" # comment\n');
    const made = await runCommand(bare, ['token', 'a space', '-u', 'ada', '-e', '90s']);
    assert.equal(await validateSpaceToken(made.stdout.trim(), 'a space', 'the key of .env'), true);
    const [, exp] = /\.(\d+)\.[^.]+\n$/.exec(made.stdout);
    assert.ok(Math.abs(Number(exp) - Date.now() - 90_000) < 30_000);
    const env = { KURATCHI_GATEWAY_KEY: 'the environment comes first' };
    const other = await runCommand(bare, ['token', 'lobby'], { env });
    assert.equal(await validateSpaceToken(other.stdout.trim(), 'lobby', env.KURATCHI_GATEWAY_KEY), true);
  });

  test('the command for a token works as it is printed, whatever key the environment has', {
    timeout: TEST_MS_MAX,
  }, async () => {
    const env = { KURATCHI_GATEWAY_KEY: 'the key of the Worker on the network' };
    for (const args of [[], ['--data', 'my data']]) {
      const command = start(folder, ['dev', '--port', '0', ...args], { env });
      const [, url] = await command.says(URL_LINE);
      const [, line] = await command.says(/^ {2}npx kuratchi-spaces (token lobby .+)\n\nCtrl-C stops/m);
      const words = line.match(/"[^"]+"|\S+/g).map((word) => word.replaceAll('"', ''));
      const made = await runCommand(folder, words, { env });
      assert.equal(made.code, 0, made.stderr);
      assert.match(made.stderr, /^Signed with the key of the local backend in /);
      await chat(url, made.stdout.trim(), 'Hello');
      const other = await runCommand(folder, ['token', 'lobby'], { env });
      assert.equal(other.code, 0);
      assert.equal(
        /key of the environment.*--data \.kuratchi signs with that/.test(other.stderr),
        args.length === 0,
      );
      assert.equal(await validateSpaceToken(other.stdout.trim(), 'lobby', env.KURATCHI_GATEWAY_KEY), true);
      await stop(command);
    }
    const none = await runCommand(folder, ['token', 'lobby', '--data', 'nowhere'], { env });
    assert.deepEqual([none.code, none.stdout], [1, '']);
    assert.match(none.stderr, /^There is no key in nowhere: leave --data out/);
  });

  test('folders where files should be, and files where folders should be, are told in a line', {
    timeout: TEST_MS_MAX,
  }, async () => {
    const project = await installed.project('folders');
    borrow(project, 'miniflare');
    const data = join(project, '.kuratchi');
    const run = async (...args) => {
      const { code, stderr, stdout } = await runCommand(project, args);
      assert.doesNotMatch(stderr, /^\s+at /m, 'no stack');
      return { code, stderr, stdout };
    };
    const refused = async (path, ...args) => {
      const { code, stderr } = await run('dev', '--port', '0', ...args);
      assert.equal(code, 1);
      assert.ok(
        stderr
          .split('\n')
          .some((line) => line.startsWith(`${path} `) && /: move it away|Move that away/.test(line)),
        stderr,
      );
    };
    for (const name of ['.env', '.env.local', '.kuratchi/gateway-key', '.kuratchi/running-at']) {
      mkdirSync(join(project, name), { recursive: true });
    }
    // This process is alive.
    writeFileSync(join(data, 'running.lock'), JSON.stringify({ pid: process.pid }));
    assert.match((await run('token', 'lobby')).stderr, /There is no key to sign with/);
    assert.match((await run('doctor')).stdout, /There is no gateway key.*address is not known/s);
    rmSync(join(data, 'running.lock'));
    await refused(join(data, 'running-at'));
    rmSync(join(data, 'running-at'), { recursive: true });
    await refused(join(data, 'gateway-key'));
    mkdirSync(join(data, 'running.lock'));
    await refused(join(data, 'running.lock'));
    rmSync(data, { recursive: true });
    writeFileSync(data, '');
    await refused(data);
    await refused(join(data, 'below'), '--data', '.kuratchi/below');
    assert.match((await run('token', 'lobby')).stderr, /There is no key to sign with/);
    rmSync(join(project, '.env.local'), { recursive: true });
    symlinkSync('.env.local', join(project, '.env.local'));
    const unreadable = await run('token', 'lobby');
    assert.equal(unreadable.code, 1);
    assert.ok(
      unreadable.stderr.startsWith(`${join(project, '.env.local')} can not be used (ELOOP)`),
      unreadable.stderr,
    );
    assert.equal((await run('token', '--help')).code, 0);
  });

  test('a result that can not be written is a failure; a reader that left is none', {
    skip: !existsSync('/dev/full') && 'there is no /dev/full here',
  }, () => {
    const program = join(folder, 'node_modules', '.bin', 'kuratchi-spaces');
    const shell = (line) =>
      spawnSync('sh', ['-c', line, 'sh', program], {
        cwd: folder,
        encoding: 'utf8',
        env: { ...process.env, KURATCHI_GATEWAY_KEY: 'key' },
      });
    const full = shell('"$1" token lobby > /dev/full');
    assert.equal(full.status, 1);
    assert.equal(full.stderr, 'The output could not be written (ENOSPC).\n');
    const left = shell('{ "$1" token lobby; echo "code $?" >&2; } | true');
    assert.equal(left.stderr, 'code 0\n');
  });

  test('what is not understood ends with code 2 and says what is', async () => {
    const cases = [
      [[], /Usage: kuratchi-spaces/],
      [['nope'], /unknown command 'nope'\n\(--help/],
      [['dev', '--port', '70000'], /Expected a port from 1 to 65535/],
      [['dev', '--var', 'LOG'], /--var LOG: expected NAME=value/],
      [['dev', '--var', 'gateway-key=s3cret'], /--var gateway-key: expected NAME=value/],
      [
        ['dev', '--var', 'LOG=debug', '--var', 'KURATCHI_GATEWAY_KEY=s3cret', '--data', 'unused'],
        /--var KURATCHI_GATEWAY_KEY: .*its key is in unused\/gateway-key/,
      ],
      [['dev', '--var', 'GATEWAY_KEY=s3cret'], /--var GATEWAY_KEY: /],
      [['dev', '--var', 'KURATCHI_SPACES_GATEWAY_KEY=s3cret'], /--var KURATCHI_SPACES_GATEWAY_KEY: /],
      [['dev', '--var', 'CLOUDFLARE_API_TOKEN=s3cret'], /--var CLOUDFLARE_API_TOKEN: .*environment/],
      [['token'], /missing required argument 'spaceId'/],
      [
        ['token', 'lobby', '--caps', 'moderator'],
        /"moderator" is none; there are inspect, metadata, moderate, system/,
      ],
      [['token', 'lobby', '--expiry', '1'], /--expiry 1: expected a number with s, m, h or d/],
    ];
    for (const [args, expected] of cases) {
      const { code, stdout, stderr } = await runCommand(folder, args);
      assert.equal(code, 2, args.join(' '));
      assert.match(stdout + stderr, expected);
      assert.doesNotMatch(stdout + stderr, /s3cret/);
    }
    const bad = await runCommand(folder, ['token', 'lobby', '--role', 'king'], {
      env: { KURATCHI_GATEWAY_KEY: 'key' },
    });
    assert.deepEqual([bad.code, bad.stderr], [1, "role must be 'customer', 'user', 'agent' or 'support'\n"]);
  });

  test('help and version are no failures', async () => {
    const { version } = JSON.parse(
      readFileSync(join(folder, 'node_modules', 'kuratchi-spaces', 'package.json'), 'utf8'),
    );
    assert.deepEqual((await runCommand(folder, ['--version'])).stdout, `${version}\n`);
    for (const args of [['--help'], ['help', 'deploy'], ['dev', '--help']]) {
      const { code, stdout } = await runCommand(folder, args);
      assert.equal(code, 0);
      assert.match(stdout, /^Usage: kuratchi-spaces/);
    }
  });
});

/** Waits until nobody answers any more. */
async function gone(url) {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const isThere = await fetch(`${url}/health`).then(
      () => true,
      () => false,
    );
    if (!isThere) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`${url} still answers after 10 s`);
}
