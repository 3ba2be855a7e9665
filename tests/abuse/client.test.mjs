/**
 * Attackers who are the server, or stand where it was: what our client does for them, and what it tells them.
 */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket, WebSocketServer } from 'ws';
import { PKG_DEV } from '../../scripts/lib/paths.mjs';
import { report } from './lib/report.mjs';

const TEST_MS_MAX = 60_000;
const LOOP_MS = 4_500;
const AFTER_CLOSE_MS = 2_000;
const REQUESTS_MAX = 60;

const add = report('As the server');
let client;

before(async () => {
  ({ client } = await import(join(PKG_DEV, 'index.node.js')));
});

/** A server that answers each request by `answer(request, response)` and each socket by `greet(socket)`. */
async function listen(answer, greet = (socket) => socket.close()) {
  const seen = [];
  const server = createServer((request, response) => {
    seen.push({ url: request.url, authorization: request.headers.authorization });
    answer(request, response);
  });
  const sockets = new WebSocketServer({ server, handleProtocols: () => 'spaces.v2' });
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

test('a server that begins epoch after epoch is asked at a slower and slower pace', {
  timeout: TEST_MS_MAX,
}, async () => {
  let epoch = 0;
  let breaks = 0;
  const json = (response, value) =>
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value));
  const hostile = await listen(
    (_, response) => json(response, { messages: [], participants: [], epoch: `e${epoch}`, seq: 1 }),
    (socket) => {
      const tell = () => {
        epoch += 1;
        socket.send(JSON.stringify({ type: 'head', epoch: `e${epoch}`, seq: epoch }));
      };
      socket.send(JSON.stringify({ type: 'welcome', epoch: 'e0', seq: 1, connectionId: 'c', serverTime: 1 }));
      const timer = setInterval(tell, 1);
      socket.on('message', tell);
      socket.on('close', () => clearInterval(timer));
    },
  );
  try {
    const space = client({
      ...{ spaceId: 'room', spaceToken: 'a.b.9999999999999.c', workerUrl: hostile.url, webSocket: WebSocket },
      onError: () => {},
      onDiscontinuity: () => {
        breaks += 1;
      },
    });
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
      `a loop of epochs (${epoch} of them)`,
      '2,109 requests in 4.5 s, 5,000 after close()',
      `${during}, and ${afterwards} after close()`,
    );
  } finally {
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
