/**
 * Attackers who know a space's name, and have no token: what it costs those who have one.
 */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { FirstVersionClient } from '../contract/lib/first-version-client.mjs';
import { SecondVersionClient } from '../contract/lib/second-version-client.mjs';
import { workerdProcesses } from '../e2e/lib/workerd.mjs';
import { startBareObject } from '../load/lib/bare-object.mjs';
import { MemoryWatch } from '../load/lib/memory.mjs';
import { Server } from '../load/lib/server.mjs';
import { firstHeard, frame, knock, repeatedly, tryToKnock } from './lib/attack.mjs';
import { report } from './lib/report.mjs';

const TEST_MS_MAX = 120_000;
/** As long as the issue asks for. Before it was mended the runtime ended within 1 to 6 s. */
const PINGS_MS = 60_000;
const PINGS = 200;
const CALL_EVERY_MS = 1_000;
const OBJECTS_WANTED = 3_000;
/** A socket takes a tenth of that, and is given back. */
const UPGRADES_MIB_MAX = 200;
const LONG_FRAME_BYTES = 31 * 1024 * 1024;
const LONG_FRAMES = 3;
/** What garbage collection and the allocator add to either figure. */
const MEMORY_SLACK_MIB = 48;
const LOGIN_MS_MAX = 5_000;
/** How long who was turned away waits before the next try. */
const RETRY_MS = 250;
const NAMELESS = 20;
const TURNED_AWAY = 300;
/** `PER_SOURCE_MAX` of places.js. */
const PER_NETWORK = 100;
/** What takes longest to be read as a name. A local runtime takes 60 kB of headers. */
const LONG_NAME = Array.from({ length: 60 }, () => `xn--4gq${'a'.repeat(980)}`).join('.');
const LONG_NAMES = 20;
const isOldRuntime = Number(process.versions.node.split('.')[0]) < 22;

const add = report('Without a token');
let folder;
let server;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'kuratchi-abuse-'));
  server = await Server.start({ persistDir: folder });
});
after(async () => {
  await server?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** SQLite files of spaces. */
const objectFiles = (place = folder) =>
  readdirSync(place, { recursive: true }).filter((name) => name.endsWith('.sqlite'));

test('the runtime survives pings among frames whose sender drops the connection', {
  timeout: TEST_MS_MAX,
}, async () => {
  const spaceId = server.newSpace();
  const member = await server.second(spaceId, 'honest');
  const token = await server.token(spaceId, 'mallory');
  const { pid } = server;
  const one = Buffer.concat([frame(Buffer.from([7])), frame('{"type":"ping"}')]);
  const burst = Buffer.concat(Array.from({ length: PINGS }, () => one));
  const message = frame('{"type":"message","text":"x","clientMessageId":"m"}');
  let [said, acked] = [0, 0];
  let isOver = false;
  const honest = (async () => {
    while (!isOver) {
      said += 1;
      const { type } = await member.deliver(`still here ${randomUUID()}`);
      acked += Number(type === 'ack');
      await sleep(CALL_EVERY_MS);
    }
  })();
  const times = await repeatedly(6, PINGS_MS, async (lane) => {
    // Some without a token, some members who ping among messages.
    const socket = await tryToKnock(server.url, { spaceId, ...(lane % 2 === 0 && { token }) });
    if (!socket) return sleep(20);
    socket.write(lane % 3 === 0 ? Buffer.concat([message, burst, message]) : burst);
    await sleep(5);
    socket.destroy();
  });
  isOver = true;
  await honest;
  assert.ok(workerdProcesses().includes(pid), 'the same runtime runs');
  assert.equal(acked, said, 'each message of a member is acknowledged');
  assert.ok(acked > (0.4 * PINGS_MS) / CALL_EVERY_MS, `${acked} messages of a member`);
  add(
    `pings among frames, then the connection is dropped (${times} times in ${PINGS_MS / 1_000} s)`,
    'workerd ends within 1–6 s',
    `it runs on; ${acked} of ${said} messages of a member acknowledged`,
  );
});

/** The answer of `/health` to a request with these headers, and how long it took. */
function health(url, headers) {
  const askedAt = performance.now();
  return new Promise((resolve, reject) => {
    const asked = get(`${url}/health`, { headers }, (response) => {
      response.resume();
      const allowed = response.headers['access-control-allow-origin'];
      response.once('end', () =>
        resolve({ status: response.statusCode, allowed, ms: performance.now() - askedAt }),
      );
    });
    asked.once('error', reject);
  });
}

const middle = (answers) => answers.map(({ ms }) => ms).sort((a, b) => a - b)[answers.length >> 1];

test('a name that is longer than any is not read', { timeout: TEST_MS_MAX }, async () => {
  const listing = await Server.start({
    vars: { ALLOWED_ORIGINS: 'https://*.example.com, https://example.org', ALLOWED_HOSTS: '<address>' },
  });
  try {
    const ask = async (headers) => {
      const answers = [];
      while (answers.length < LONG_NAMES) answers.push(await health(listing.url, headers));
      return answers;
    };
    const [good] = await ask({ origin: 'https://a.example.com' });
    assert.deepEqual([good.status, good.allowed], [200, 'https://a.example.com']);
    // It would be one of those that are listed.
    const long = await health(listing.url, { origin: `https://${'a'.repeat(300)}.example.com` });
    assert.deepEqual([long.status, long.allowed], [200, undefined]);
    const origins = await ask({ origin: `https://${LONG_NAME}` });
    for (const { status, allowed } of origins) assert.deepEqual([status, allowed], [200, undefined]);
    const hosts = await ask({ host: LONG_NAME });
    // A newer Miniflare cannot read it, and refuses it before the Worker does.
    for (const { status } of hosts) assert.ok([403, 500].includes(status), `${status}`);
    const spaceId = listing.newSpace();
    const token = await listing.token(spaceId, 'ada');
    const socket = await knock(listing.url, { spaceId, token, origin: `https://${LONG_NAME}` });
    assert.match(await firstHeard(socket, LOGIN_MS_MAX), /originRefused/);
    socket.destroy();
    add(
      '`Origin` of 60 kB, two entries in ALLOWED_ORIGINS',
      '200 ms a request: 20 lanes shut everybody out',
      `${middle(origins).toFixed(0)} ms; as a \`Host\`, which Miniflare reads as well, ${middle(hosts).toFixed(0)} ms`,
    );
  } finally {
    await listing.stop();
  }
});

test('who proves nothing makes no object and no file', { timeout: TEST_MS_MAX }, async () => {
  const before = objectFiles().length;
  const memory = new MemoryWatch(server.pid);
  for (let done = 0; done < OBJECTS_WANTED; done += 100) {
    const sockets = await Promise.all(
      Array.from({ length: 100 }, () => tryToKnock(server.url, { spaceId: `made-up-${randomUUID()}` })),
    );
    for (const socket of sockets) socket?.write(frame('{"type":"message","text":"x"}'));
    for (const socket of sockets) socket?.destroy();
  }
  const { before: memoryBefore, after: memoryAfter } = memory.stop();
  assert.equal(objectFiles().length, before);
  assert.ok(!(memoryAfter - memoryBefore > UPGRADES_MIB_MAX), `${memoryAfter - memoryBefore} MiB more`);
  add(
    `${OBJECTS_WANTED} upgrades to spaces that nobody made`,
    `${OBJECTS_WANTED} objects, a file of 8 KB each, for ever`,
    `0 objects, 0 files; memory ${memoryBefore.toFixed(0)} → ${memoryAfter.toFixed(0)} MiB`,
  );
});

test('where everybody has to be named, whoever is not makes no object and no file', {
  timeout: TEST_MS_MAX,
}, async () => {
  const own = mkdtempSync(join(tmpdir(), 'kuratchi-abuse-'));
  const named = await Server.start({ persistDir: own, vars: { REQUIRE_IDENTITY: '1' } });
  try {
    // The runtime has one of its own.
    const before = objectFiles(own).length;
    const codes = [];
    for (let at = 0; at < NAMELESS; at += 1) {
      const spaceId = named.newSpace();
      const token = await named.token(spaceId);
      const second = new SecondVersionClient(named.url, { spaceId, token });
      const first = await new FirstVersionClient({
        workerUrl: named.url,
        spaceId,
        spaceToken: token,
      }).connect();
      const ends = await Promise.all([second.closed, first.socket.closed]);
      codes.push(...ends.map(({ code }) => code));
    }
    assert.deepEqual([...new Set(codes)], [4405], 'identityRequired');
    assert.equal(objectFiles(own).length, before);
    const ada = await named.second(named.newSpace(), 'ada');
    assert.equal((await ada.deliver('let in')).type, 'ack');
    assert.ok(objectFiles(own).length > before);
    add(
      `${2 * NAMELESS} sockets of nobody where everybody has to be named`,
      'an object and a file each, for ever',
      '0 objects, 0 files',
    );
  } finally {
    await named.stop();
    rmSync(own, { recursive: true, force: true });
  }
});

test('a frame of 31 MiB takes no more than at a plain object', { timeout: TEST_MS_MAX }, async () => {
  const known = workerdProcesses();
  const bare = await startBareObject();
  const [barePid] = workerdProcesses().filter((pid) => !known.includes(pid));
  const long = frame('x'.repeat(LONG_FRAME_BYTES));
  try {
    const kept = [];
    for (const [url, pid] of [
      [bare.url, barePid],
      [server.url, server.pid],
    ]) {
      const memory = new MemoryWatch(pid);
      for (let i = 0; i < LONG_FRAMES; i += 1) {
        const socket = await knock(url, { spaceId: server.newSpace() });
        await new Promise((resolve) => socket.write(long, resolve));
        await sleep(500);
        socket.destroy();
      }
      await sleep(2_000);
      const { before: first, peak, after: last } = memory.stop();
      kept.push({ peak: peak - first, kept: last - first });
    }
    const [plain, ours] = kept;
    assert.ok(
      ours.peak <= plain.peak + MEMORY_SLACK_MIB,
      `at most ${ours.peak.toFixed(0)} MiB beside ${plain.peak.toFixed(0)} at a plain object`,
    );
    assert.ok(
      ours.kept <= Math.max(plain.kept, 0) + 2 * MEMORY_SLACK_MIB,
      `${ours.kept.toFixed(0)} MiB kept beside ${plain.kept.toFixed(0)} at a plain object`,
    );
    add(
      `${LONG_FRAMES} frames of 31 MiB, one after the other`,
      '114 MB, not given back',
      `at most ${ours.peak.toFixed(0)} MiB, ${ours.kept.toFixed(0)} kept (plain object: ${plain.peak.toFixed(0)}, ${plain.kept.toFixed(0)})`,
    );
  } finally {
    await bare.stop();
  }
});

test('sockets that come and never authenticate keep nobody out', { timeout: TEST_MS_MAX }, async () => {
  const spaceId = server.newSpace();
  let isOver = false;
  let came = 0;
  const cycling = Promise.all(
    Array.from({ length: 55 }, async () => {
      while (!isOver) {
        const socket = await tryToKnock(server.url, { spaceId });
        came += 1;
        await sleep(200);
        socket?.destroy();
      }
    }),
  );
  const loggedIn = await logins(spaceId, 30);
  isOver = true;
  await cycling;
  assert.equal(loggedIn, 30);
  add(`55 sockets that come and go without a token (${came})`, '30 of 30 logins kept out', '0 of 30');
});

/** Opens sockets as fast as the server takes them, and keeps the newest 1,500. */
async function crowd(spaceId, lanes, isOver) {
  const kept = [];
  let came = 0;
  const lane = async () => {
    while (!isOver()) {
      const socket = await tryToKnock(server.url, { spaceId });
      came += 1;
      if (socket) kept.push(socket);
      if (kept.length > 1_500) kept.shift().destroy();
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  for (const socket of kept) socket.destroy();
  return came;
}

/**
 * Of so many honest logins of the first version, one after the other, how many succeed within 5 s. Who is turned away tries
 * again `retryMs` later, as clients do, or not at all.
 */
async function logins(spaceId, count, retryMs) {
  let passed = 0;
  for (let i = 0; i < count; i += 1) {
    const end = Date.now() + LOGIN_MS_MAX;
    for (let isIn = false; !isIn && Date.now() < end; ) {
      const late = sleep(end - Date.now()).then(() => Promise.reject(new Error('too late')));
      const login = server.first(spaceId, `honest-${i}`);
      isIn = await Promise.race([login, late]).then(
        () => true,
        () => false,
      );
      passed += isIn ? 1 : 0;
      if (retryMs === undefined) break;
      await sleep(retryMs);
    }
  }
  return passed;
}

test('sockets that come without a pause and stay keep nobody out', { timeout: TEST_MS_MAX }, async () => {
  const spaceId = server.newSpace();
  let isOver = false;
  const crowding = crowd(spaceId, 20, () => isOver);
  await sleep(1_000);
  // So fast a crowd can be younger, all of it, than whom nobody pushes out: then the newest is told to try again.
  const loggedIn = await logins(spaceId, 10, RETRY_MS);
  isOver = true;
  const came = await crowding;
  add(
    `20 lanes of sockets without a pause, 1,500 kept (${came})`,
    '10 of 10 logins kept out',
    `${10 - loggedIn} of 10`,
  );
  // The runtime of Node 20 takes new connections before it reads from those that it has: see SECURITY.md.
  assert.equal(isOldRuntime ? await logins(spaceId, 10) : loggedIn, 10);
});

for (const scheme of ['https', 'http']) {
  test(
    `those who are turned away over ${scheme} and do not answer the close are bounded by their network`,
    {
      timeout: TEST_MS_MAX,
    },
    () => turnAway(`${scheme}://chat.example.com`),
  );
}

async function turnAway(edgeUrl) {
  const edge = await Server.start({ edge: edgeUrl });
  try {
    const spaceId = edge.newSpace();
    const bad = `${spaceId}.rnd.9999999999999.signature`;
    const from = '203.0.113.7';
    const sockets = [];
    for (let at = 0; at < TURNED_AWAY; at += 1) {
      sockets.push(await knock(edge.url, { spaceId, token: bad, from }));
    }
    const open = sockets.filter(({ isAccepted }) => isAccepted).length;
    assert.equal(open, PER_NETWORK);
    // Who is somewhere else is told why, and who has a token comes in.
    const other = await knock(edge.url, { spaceId, token: bad, from: '203.0.113.8' });
    const good = await knock(edge.url, { spaceId, token: await edge.token(spaceId, 'ada'), from });
    assert.ok(other.isAccepted && good.isAccepted);
    for (const socket of [...sockets, other, good]) socket.destroy();
    const { protocol } = new URL(edgeUrl);
    add(
      `${TURNED_AWAY} sockets with bad tokens that answer no close, ${protocol}`,
      `${TURNED_AWAY} open`,
      `${open} open`,
    );
  } finally {
    await edge.stop();
  }
}
