/**
 * Frames that are small on the way and large when they are inflated. On workerd alone, as it is deployed: Miniflare's own
 * Worker stands before ours and compresses on its own account.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { deflateRawSync } from 'node:zlib';
import { COMPATIBILITY_DATE, COMPATIBILITY_FLAGS } from '../../pkg-template/server/worker-metadata.js';
import { WORKER } from '../../scripts/lib/paths.mjs';
import { until } from '../e2e/lib/waiting.mjs';
import { MemoryWatch } from '../load/lib/memory.mjs';
import { report } from './lib/report.mjs';

/** The one that Miniflare brings. */
const { default: workerd } = createRequire(createRequire(import.meta.url).resolve('miniflare'))('workerd');

const TEST_MS_MAX = 60_000;
const INFLATED_BYTES = 31 * 1024 * 1024;
const LANES = 20;
const FLOOD_MS = 5_000;
const MEMORY_MIB_MAX = 128;

const add = report('Compressed frames');

/** workerd alone, with the Worker as it is deployed; `flags` of its runtime. */
async function startWorkerd(flags) {
  const folder = mkdtempSync(join(tmpdir(), 'kuratchi-workerd-'));
  const port = await freePort();
  for (const name of ['index.js', 'index_bg.wasm']) copyFileSync(join(WORKER, name), join(folder, name));
  writeFileSync(
    join(folder, 'config.capnp'),
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "disk", disk = (path = "${folder}", writable = true)), (name = "main", worker = .chat)],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")],
);
const chat :Workerd.Worker = (
  modules = [(name = "index.js", esModule = embed "index.js"), (name = "index_bg.wasm", wasm = embed "index_bg.wasm")],
  compatibilityDate = "${COMPATIBILITY_DATE}",
  compatibilityFlags = ${JSON.stringify(flags)},
  bindings = [
    (name = "GATEWAY_KEY", text = "${'k'.repeat(40)}"),
    (name = "PING_ANSWERS", text = "runtime"),
    (name = "SPACES", durableObjectNamespace = "Space"),
  ],
  durableObjectNamespaces = [(className = "Space", uniqueKey = "spaces", enableSql = true)],
  durableObjectStorage = (localDisk = "disk"),
);
`,
  );
  const child = spawn(workerd, ['serve', join(folder, 'config.capnp'), '--experimental'], {
    stdio: 'ignore',
  });
  const url = `http://127.0.0.1:${port}`;
  await until(
    () =>
      fetch(`${url}/health`).then(
        ({ ok }) => ok,
        () => false,
      ),
    'workerd serves',
  );
  return {
    port,
    pid: child.pid,
    async stop() {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill();
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** Knocks with an offer of compression. Resolves with the socket and the server's answer. */
function knock(port) {
  const socket = connect({ host: '127.0.0.1', port });
  return new Promise((resolve) => {
    socket.once('connect', () =>
      socket.write(
        `GET /?spaceId=lobby HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
          `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\n` +
          'Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n',
      ),
    );
    socket.once('data', (data) => resolve({ socket, answer: data.toString() }));
    socket.on('error', () => resolve({ socket, answer: '' }));
  });
}

/** One text frame, compressed (RFC 7692). Its mask is zero, which leaves it as it is. */
function compressedFrame() {
  const deflated = deflateRawSync(Buffer.alloc(INFLATED_BYTES, 'x'), { finishFlush: 2 });
  const body = deflated.subarray(0, deflated.length - 4);
  const head = Buffer.alloc(14);
  head[0] = 0xc1;
  head[1] = 0x80 | 127;
  head.writeBigUInt64BE(BigInt(body.length), 2);
  return Buffer.concat([head, body]);
}

/** Floods for a while. Resolves with the memory that it took at most. */
async function flood({ port, pid }) {
  const frame = compressedFrame();
  const memory = new MemoryWatch(pid);
  const end = Date.now() + FLOOD_MS;
  const lane = async () => {
    while (Date.now() < end) {
      const { socket } = await knock(port);
      socket.write(frame);
      await sleep(600);
      socket.destroy();
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  const { before, peak } = memory.stop();
  return peak - before;
}

test('small frames that inflate to 31 MiB are not inflated', { timeout: TEST_MS_MAX }, async () => {
  const grown = [];
  for (const flags of [[], [...COMPATIBILITY_FLAGS]]) {
    const worker = await startWorkerd(flags);
    try {
      const { socket, answer } = await knock(worker.port);
      socket.destroy();
      assert.match(answer, /^HTTP\/1\.1 101 /);
      assert.equal(answer.includes('permessage-deflate'), flags.length === 0, answer);
      grown.push(await flood(worker));
    } finally {
      await worker.stop();
    }
  }
  const [compressed, plain] = grown;
  assert.ok(!(plain > MEMORY_MIB_MAX), `${plain} MiB more`);
  add(
    `${LANES} lanes of frames of 30 kB that inflate to 31 MiB, without a token`,
    `${compressed.toFixed(0)} MiB more with compression`,
    `${plain.toFixed(0)} MiB more as deployed`,
  );
});
