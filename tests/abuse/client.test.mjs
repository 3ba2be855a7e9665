/**
 * Attackers who are the server, or stand where it was: what our client does for them, and what it tells them.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket, WebSocketServer } from 'ws';
import { PKG_DEV } from '../../scripts/lib/paths.mjs';
import { report } from './lib/report.mjs';

const TEST_MS_MAX = 60_000;
const LOOP_MS = 4_500;
const AFTER_CLOSE_MS = 2_000;
const REQUESTS_MAX = 24;
const MESSAGES = 40_000;
const PER_FRAME = 50;
const TEXT = 'x'.repeat(16 * 1024);
const LONG_MESSAGES = 600;
const LONG_TEXT = 'x'.repeat(1_000_000);
/** About the longest frame that is sent here. */
const FRAME_BYTES = 1_000_000;
/** A long text is one byte a character in every engine. */
const TEXTS_MIB_MAX = 64;
/** The app asks for so many at once. */
const LISTS = 60;
const LISTS_MIB_MAX = 512;
const TYPING = 10_000;
const PRESENT = 200_000;
const SHOWN_TYPING_MAX = 100;
const PRESENT_MAX = 5_000;
const SAID_MAX = 2_000;
const PAGE = new URL('./lib/page.mjs', import.meta.url).pathname;

const add = report('As the server');
let client;

before(async () => {
  ({ client } = await import(join(PKG_DEV, 'index.node.js')));
});

/**
 * A server that answers each request by `answer(request, response)` and each socket by `greet(socket)`; without that none
 * opens.
 */
async function listen(answer, greet) {
  const seen = [];
  const server = createServer((request, response) => {
    seen.push({ url: request.url, authorization: request.headers.authorization });
    answer(request, response);
  });
  const sockets = new WebSocketServer({
    server,
    handleProtocols: () => 'spaces.v2',
    verifyClient: () => Boolean(greet),
  });
  sockets.on('connection', (socket, request) => {
    seen.push({ url: request.url, authorization: request.headers.authorization });
    greet(socket);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    seen,
    url: `http://127.0.0.1:${server.address().port}`,
    close() {
      for (const socket of sockets.clients) socket.terminate();
      server.closeAllConnections();
      server.close();
    },
  };
}

/** An app in a process of its own. `look()` gives what it has by now. */
function openPage(url, kind) {
  const child = spawn(process.execPath, [PAGE, url, kind], { stdio: 'pipe' });
  let said = 0;
  child.stderr.on('data', (bytes) => {
    said += bytes.length;
    process.stderr.write(bytes.subarray(0, SAID_MAX));
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    async look() {
      child.stdin.write('\n');
      const { value, done } = await lines.next();
      assert.ok(!done, 'the page runs');
      return JSON.parse(value);
    },
    /** Bytes of what it has logged. */
    said: () => said,
    close: () => child.stdin.end(),
  };
}

/** A server that welcomes whoever comes. `opened` is its next socket. */
async function welcoming() {
  const { promise: opened, resolve } = Promise.withResolvers?.() ?? deferred();
  const server = await listen(
    (_, response) => response.writeHead(404).end(),
    (socket) => {
      socket.send(JSON.stringify({ type: 'welcome', epoch: 'e', seq: 0, connectionId: 'c', serverTime: 1 }));
      resolve(socket);
    },
  );
  return { ...server, opened };
}

/** Node 20 has no `Promise.withResolvers`. */
function deferred() {
  const parts = {};
  parts.promise = new Promise((resolve) => {
    parts.resolve = resolve;
  });
  return parts;
}

/** Sends and waits until it is on its way, so that this process holds no more than one of them. */
const sendAll = async (socket, frames) => {
  for (const frame of frames) await new Promise((resolve) => socket.send(JSON.stringify(frame), resolve));
};

function* messages(count, text) {
  const perFrame = Math.min(PER_FRAME, Math.ceil(FRAME_BYTES / text.length));
  for (let from = 1; from <= count; from += perFrame) {
    yield Array.from({ length: perFrame }, (_, i) => {
      const seq = from + i;
      const message = {
        id: `m${seq}-0`,
        senderId: 'eve',
        senderType: 'user',
        text,
        attachments: [],
        createdAt: seq,
      };
      return { type: 'message', seq, message: { ...message, seq, verified: true } };
    });
  }
}

for (const [kind, words, count, text, before] of [
  ['view', '16 KiB to an app with a view', MESSAGES, TEXT, '671 MB'],
  ['callbacks', '16 KiB to an app with callbacks alone', MESSAGES, TEXT, '671 MB'],
  [
    'callbacks',
    '1 MB, which no space stores, to an app with callbacks alone',
    LONG_MESSAGES,
    LONG_TEXT,
    '1 MB each',
  ],
]) {
  test(`${count} messages of ${words} do not fill its memory`, { timeout: TEST_MS_MAX }, async () => {
    const server = await welcoming();
    const page = openPage(server.url, kind);
    try {
      await sendAll(await server.opened, messages(count, text));
      let seen;
      do {
        await sleep(200);
        seen = await page.look();
      } while (seen.messages < count && seen.errors.length === 0);
      assert.deepEqual([seen.messages, seen.errors], [count, []]);
      const most = kind === 'view' ? TEXTS_MIB_MAX + 32 : 32;
      assert.ok(seen.heapMib < most, `${seen.heapMib.toFixed(0)} MiB`);
      const kept = kind === 'view' ? `, ${seen.shown} messages shown` : '';
      add(`${count} messages of ${words}`, before, `${seen.heapMib.toFixed(0)} MiB more${kept}`);
    } finally {
      page.close();
      server.close();
    }
  });
}

test('an answer without an end is left, at close() or at its bound', { timeout: TEST_MS_MAX }, async () => {
  let open = 0;
  const endless = await listen((_, response) => {
    open += 1;
    const write = () => {
      while (!response.destroyed && response.write(LONG_TEXT));
      response.once('drain', write);
    };
    response.writeHead(200, { 'content-type': 'application/json' });
    response.on('close', () => {
      open -= 1;
    });
    write();
  });
  try {
    const config = { spaceId: 'room', spaceToken: 'a.b.9999999999999.c', workerUrl: endless.url };
    const space = client({ ...config, onError: () => {} });
    await assert.rejects(space.getMessages(), { code: 'network' });
    const asked = space.getMessages().catch(({ code }) => code);
    await sleep(20);
    space.close();
    assert.equal(await asked, 'closed');
    await sleep(1_000);
    assert.equal(open, 0);
    add('an answer without an end', 'read for ever, also after close()', 'left after 32 MiB, or at close()');
  } finally {
    endless.close();
  }
});

for (const [words, bytes] of [
  ['1 MB', 1_000_000],
  ['31 MB', 31_000_000],
]) {
  test(`lists without an end, in pages of ${words}, do not fill its memory`, {
    timeout: TEST_MS_MAX,
  }, async () => {
    const text = 'x'.repeat(bytes / 2);
    let pages = 0;
    const server = await listen(
      (request, response) => {
        pages += 1;
        const seq = 1e9 - pages;
        const message = (_, n) => ({
          id: `m${seq + n}`,
          seq: seq + n,
          createdAt: seq,
          senderId: 'eve',
          text,
        });
        const messages = Array.from({ length: 2 }, message).reverse();
        const participants = Array.from({ length: 2 }, (_, n) => ({ userId: `u${pages}.${n}`, text }));
        const list = request.url.startsWith('/messages')
          ? { messages, cursor: seq }
          : { participants, cursor: `c${pages}` };
        response.writeHead(200, { 'content-type': 'application/json' });
        response.end(JSON.stringify({ ...list, epoch: 'e', seq: 2e9 }));
      },
      (socket) =>
        socket.send(
          JSON.stringify({ type: 'welcome', epoch: 'e', seq: 2e9, connectionId: 'c', serverTime: 1 }),
        ),
    );
    const page = openPage(server.url, 'lists');
    try {
      let seen;
      do {
        await sleep(200);
        seen = await page.look();
      } while (seen.lists < LISTS);
      assert.equal(seen.refused + seen.parts, LISTS, 'each is refused, or given as far as it came');
      assert.ok(seen.parts <= LISTS / 2, `${seen.parts}: only messages are given in part`);
      assert.ok(seen.heapMib < 32, `${seen.heapMib.toFixed(0)} MiB are kept`);
      assert.ok(seen.peakMib < LISTS_MIB_MAX, `${seen.peakMib.toFixed(0)} MiB at once`);
      add(
        `${LISTS} lists without an end, in pages of ${words}`,
        '1 GB in 8 s by one call, 1.4 GB by sixty',
        `left after ${pages} pages, ${seen.peakMib.toFixed(0)} MiB at most`,
      );
    } finally {
      page.close();
      server.close();
    }
  });
}

test('a crowd that is not there is bounded', { timeout: TEST_MS_MAX }, async () => {
  const server = await welcoming();
  const page = openPage(server.url, 'view');
  try {
    const socket = await server.opened;
    const typing = (_, n) => ({ type: 'typing', userId: `t${n}`, isTyping: true });
    const users = Array.from({ length: PRESENT }, (_, n) => ({ userId: `u${n}` }));
    await sleep(200);
    await page.look();
    await sendAll(socket, Array.from({ length: TYPING }, typing));
    await sendAll(socket, [{ type: 'presence', status: 'here', users }]);
    let seen;
    do {
      await sleep(200);
      seen = await page.look();
    } while (seen.presence < PRESENT_MAX);
    assert.deepEqual([seen.typing, seen.presence], [SHOWN_TYPING_MAX, PRESENT_MAX]);
    add(
      `${TYPING} people who type, ${PRESENT} who are here`,
      'all shown, the page blocked for 2.5 s',
      `${seen.typing} and ${seen.presence} shown, blocked for ${seen.longestMs.toFixed(0)} ms at most`,
    );
  } finally {
    page.close();
    server.close();
  }
});

for (const [way, hasSockets] of [
  ['over sockets', true],
  ['to polls', false],
]) {
  test(`a server that begins epoch after epoch ${way} is asked at a slower and slower pace`, {
    timeout: TEST_MS_MAX,
  }, async () => {
    let epoch = 0;
    let breaks = 0;
    const tell = () => {
      epoch += 1;
      return { epoch: `e${epoch}`, seq: epoch };
    };
    const json = (response, value) =>
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value));
    const hostile = await listen(
      ({ url }, response) => {
        if (url === '/health') return json(response, { service: 'kuratchi-spaces' });
        const welcome = { type: 'welcome', recovered: false, more: true, serverTime: 1, ...tell() };
        json(response, url.startsWith('/events') ? [welcome] : { messages: [], participants: [], ...tell() });
      },
      hasSockets &&
        ((socket) => {
          const sayHead = () => socket.send(JSON.stringify({ type: 'head', ...tell() }));
          socket.send(JSON.stringify({ type: 'welcome', ...tell(), connectionId: 'c', serverTime: 1 }));
          const timer = setInterval(sayHead, 1);
          socket.on('message', sayHead);
          socket.on('close', () => clearInterval(timer));
        }),
    );
    try {
      const space = client({
        ...{
          spaceId: 'room',
          spaceToken: 'a.b.9999999999999.c',
          workerUrl: hostile.url,
          webSocket: WebSocket,
        },
        onError: () => {},
        onDiscontinuity: () => {
          breaks += 1;
        },
      });
      // A view asks for its page again after each break.
      space.subscribe(() => space.getSnapshot());
      space.connect().catch(() => {});
      await sleep(LOOP_MS);
      const during = hostile.seen.length;
      space.close();
      const closedAt = hostile.seen.length;
      await sleep(AFTER_CLOSE_MS);
      const afterwards = hostile.seen.length - closedAt;
      assert.ok(breaks > 0 && epoch > breaks, `${epoch} epochs, ${breaks} told`);
      assert.ok(during <= REQUESTS_MAX, `${during} requests in ${LOOP_MS} ms`);
      assert.equal(afterwards, 0, 'none after close()');
      add(
        `a loop of epochs ${way} (${epoch} of them)`,
        '2,109 requests in 4.5 s, 5,000 after close()',
        `${during}, and ${afterwards} after close()`,
      );
    } finally {
      hostile.close();
    }
  });
}

test('a server that leads elsewhere is not followed', { timeout: TEST_MS_MAX }, async () => {
  const elsewhere = await listen((_, response) => response.end('{}'));
  const leading = await listen((request, response) =>
    response.writeHead(307, { location: elsewhere.url + request.url }).end(),
  );
  try {
    const config = { spaceId: 'room', spaceToken: 'a.b.9999999999999.c', workerUrl: leading.url };
    const space = client({ ...config, onError: () => {} });
    const codes = [];
    for (const ask of [
      () => space.getMessages(),
      () => space.setMetadata({ topic: 'secret' }),
      () => space.sendMessage({ senderId: 'ada', senderType: 'user', text: 'secret' }),
    ]) {
      await assert.rejects(
        ask,
        ({ code, message }) => codes.push(code) && /leads to another address/.test(message),
      );
    }
    space.close();
    assert.deepEqual(codes, ['network', 'network', 'network']);
    assert.equal(elsewhere.seen.length, 0);
    add('a server that leads to another host', 'that one is sent the token and the text', 'is sent nothing');
  } finally {
    leading.close();
    elsewhere.close();
  }
});

test('messages that are none neither reach the app nor fill its log', { timeout: TEST_MS_MAX }, async () => {
  let links = 0;
  const hostile = await listen(
    (_, response) => response.writeHead(404).end(),
    (socket) => {
      links += 1;
      socket.send(JSON.stringify({ type: 'welcome', epoch: 'e', seq: 0, connectionId: 'c', serverTime: 1 }));
      for (let k = 0; k < 20; k += 1) {
        const batch = Array.from({ length: 1_000 }, (_, i) => ({
          type: 'message',
          seq: k * 1_000 + i + 1,
          message: null,
        }));
        socket.send(JSON.stringify(batch));
      }
    },
  );
  const page = openPage(hostile.url, 'view');
  try {
    await sleep(3_000);
    const seen = await page.look();
    assert.deepEqual([seen.messages, seen.shown], [0, 0]);
    assert.ok(links <= 8, `${links} links in 3 s`);
    assert.ok(page.said() < 4_096, `${page.said()} bytes of log`);
    add('20,000 messages of `null`', '14 MB of log', `${page.said()} bytes of log, ${links} links in 3 s`);
  } finally {
    page.close();
    hostile.close();
  }
});

test('lists of numbers do not keep the page waiting', { timeout: TEST_MS_MAX }, async () => {
  const ones = (count) => `[${'1,'.repeat(count)}1]`;
  const sent = JSON.stringify({ type: 'welcome', epoch: 'e', seq: 0, connectionId: 'c', serverTime: 1 });
  let links = 0;
  const hostile = await listen(
    (request, response) => {
      const name = /^\/(\w+)/.exec(request.url)?.[1];
      response.end(`{"success":true,"epoch":"e","seq":0,"${name}":${ones(500_000)}}`);
    },
    (socket) => {
      links += 1;
      socket.send(sent);
      setTimeout(() => socket.send(ones(1_900_000)), 1_000);
    },
  );
  const page = openPage(hostile.url, 'lists');
  try {
    await sleep(3_000);
    assert.ok(links <= 4, `${links} links in 3 s`);
    let seen;
    do {
      await sleep(200);
      seen = await page.look();
    } while (seen.lists === 0);
    const { longestMs, lists, refused } = seen;
    assert.equal(refused, lists, 'no list of numbers is taken for one of people or messages');
    add(
      'frames of 1.9 million numbers, answers of 500,000',
      '12.2 s and 6.7 s without a break',
      `${Math.round(longestMs)} ms at most, ${refused} answers refused, ${links} links in 3 s`,
    );
  } finally {
    page.close();
    hostile.close();
  }
});

test('the gateway key is sent to nobody who did not ask for it by name', {
  timeout: TEST_MS_MAX,
}, async () => {
  const before = process.env.KURATCHI_GATEWAY_KEY;
  process.env.KURATCHI_GATEWAY_KEY = 'a-key-that-must-not-leave';
  // As a worker of the TypeScript SDK answers, or whoever has got its address.
  const lapsed = await listen((_, response) =>
    response.writeHead(404, { 'content-type': 'application/json' }).end('{"error":"Invalid endpoint"}'),
  );
  try {
    const space = client({
      ...{ spaceId: 'room', spaceToken: 'a.b.9999999999999.c', workerUrl: lapsed.url },
      onError: () => {},
    });
    space.connect().catch(() => {});
    await space.getMessages().catch(() => {});
    await sleep(2_000);
    space.close();
    assert.ok(lapsed.seen.length > 0, 'it was asked');
    const shown = lapsed.seen.filter(({ authorization }) => authorization !== undefined);
    assert.deepEqual(shown, []);
    add('a host that answers as a worker of the TypeScript SDK', 'is sent the signing key', 'is sent no key');
  } finally {
    if (before === undefined) delete process.env.KURATCHI_GATEWAY_KEY;
    else process.env.KURATCHI_GATEWAY_KEY = before;
    lapsed.close();
  }
});
