/**
 * `npm run bench:fanout`: how many messages a second one space hands to fifty receivers.
 *
 * Owns the sender, the receivers and the clock. All sockets are bare and in this one process, whose share of a
 * core is told as well: near 100 % it is the receivers that are slow. Nothing here fails for being slow. `--short` shows that it
 * runs, with figures that mean little.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import WebSocket from 'ws';
import { generateToken } from '../pkg-template/tokens.js';
import { startBackend } from '../scripts/lib/backend.mjs';
import { WORKER } from '../scripts/lib/paths.mjs';
import { runMain, UserError } from '../scripts/lib/process.mjs';
import { table } from '../scripts/lib/table.mjs';
import { machine } from './figures.mjs';

const RECEIVERS = 50;
const PER_FRAME = [1, 50];
/** Messages on their way at most, in whatever frames: both ways of sending wait for acks alike. */
const WINDOW = 100;
const SEND_MS = process.argv.includes('--short') ? 500 : 6_000;
/** What is on its way when sending ends has this long to arrive. */
const DRAIN_MS_MAX = 4_000;
const CONNECT_MS_MAX = 10_000;
const TEXT = 'lorem ipsum '.repeat(8);
/** The limits are the room's own business; here they would be all that is measured. */
const NO_LIMITS = { SEND_BURST: '1000000000', SEND_PER_SECOND: '1000000000' };

runMain(async () => {
  if (!existsSync(join(WORKER, 'index.js'))) {
    throw new UserError('.build/worker is missing: run "npm start" once, which builds the Worker.');
  }
  const backend = await startBackend({ workerDir: WORKER, vars: NO_LIMITS });
  try {
    const rows = [];
    for (const perFrame of PER_FRAME) rows.push(row(perFrame, await measure(backend, perFrame)));
    console.log(`${machine()}; the Worker on workerd, 1 sender, ${RECEIVERS} receivers\n`);
    const heading = ['', 'messages', 'messages/s', 'deliveries', 'deliveries/s', 'missing', 'of a core here'];
    console.log(table([heading, ...rows]));
  } finally {
    await backend.stop();
  }
});

function row(perFrame, { sent, delivered, busy, ms }) {
  const rate = (count) => Math.round((count * 1000) / ms);
  const missing = sent * RECEIVERS - delivered;
  const what = perFrame === 1 ? '1 a frame' : `${perFrame} a frame`;
  return [
    what,
    ...[sent, rate(sent), delivered, rate(delivered), missing].map(String),
    `${Math.round(busy * 100)} %`,
  ];
}

async function measure(backend, perFrame) {
  const spaceId = `fanout-${perFrame}`;
  let delivered = 0;
  let lastAt = 0;
  let heard = () => {};
  const sockets = [];
  const enter = async (userId, onEntry) => {
    const spaceToken = await generateToken(spaceId, { gatewayKey: backend.gatewayKey, userId });
    const socket = openSocket(backend.url, spaceId, spaceToken, onEntry);
    sockets.push(socket);
    await socket.welcomed;
    return socket;
  };
  try {
    for (let index = 0; index < RECEIVERS; index += 1) {
      await enter(`receiver-${index}`, (entry) => {
        if (entry.type !== 'message') return;
        delivered += 1;
        lastAt = performance.now();
        heard();
      });
    }
    let sent = 0;
    let acked = 0;
    let refusal;
    const sender = await enter('sender', (entry) => {
      if (entry.type === 'error') refusal = entry;
      if (entry.type !== 'ack') return;
      acked += 1;
      fill();
      heard();
    });
    const begun = performance.now();
    const cpuBegun = process.cpuUsage();
    const fill = () => {
      while (sent - acked <= WINDOW - perFrame && performance.now() - begun < SEND_MS) {
        const drafts = Array.from({ length: perFrame }, () => {
          sent += 1;
          return { type: 'message', clientMessageId: `${sent}`, text: TEXT };
        });
        sender.send(JSON.stringify(perFrame === 1 ? drafts[0] : drafts));
      }
    };
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, SEND_MS + DRAIN_MS_MAX);
      heard = () => {
        if (performance.now() - begun < SEND_MS || acked < sent || delivered < sent * RECEIVERS) return;
        clearTimeout(timer);
        resolve();
      };
      fill();
    });
    if (refusal) throw new Error(`the Worker refused a message: ${refusal.code}`);
    if (delivered === 0) throw new Error(`nothing arrived within ${SEND_MS + DRAIN_MS_MAX} ms`);
    const { user, system } = process.cpuUsage(cpuBegun);
    const busy = (user + system) / 1000 / (performance.now() - begun);
    return { sent, delivered, busy, ms: lastAt - begun };
  } finally {
    for (const socket of sockets) socket.end();
  }
}

/** A socket of the second version of the protocol. `onEntry` gets the entries of all frames. */
function openSocket(workerUrl, spaceId, spaceToken, onEntry) {
  const url = new URL(workerUrl);
  url.protocol = 'ws:';
  url.searchParams.set('spaceId', spaceId);
  const token = Buffer.from(spaceToken, 'utf8').toString('base64url');
  const options = { perMessageDeflate: false, handshakeTimeout: CONNECT_MS_MAX };
  const socket = new WebSocket(url, ['spaces.v2', `token.${token}`], options);
  const welcomed = new Promise((resolve, reject) => {
    socket.on('error', reject);
    socket.on('close', (code) => reject(new Error(`the Worker closed a socket with code ${code}`)));
    socket.on('message', (data) => {
      const parsed = JSON.parse(data);
      for (const entry of Array.isArray(parsed) ? parsed : [parsed]) {
        if (entry.type === 'welcome') resolve();
        // As a client does, or it would be taken for one that does not read.
        if (entry.type === 'mark') socket.send(JSON.stringify({ type: 'seen', mark: entry.id, seq: 0 }));
        onEntry(entry);
      }
    });
  });
  return { welcomed, send: (text) => socket.send(text), end: () => socket.terminate() };
}
