/**
 * A proxy between browsers and the Worker that can hold what passes.
 *
 * Owns three gates: requests before they reach the Worker, answers before they reach the browser, and what
 * flows down and up the sockets. It changes nothing that passes, but for the offer to compress frames, so that
 * it can tell when a text went by.
 */
import { createServer, request as httpRequest } from 'node:http';
import { connect } from 'node:net';

const PATIENCE_MS = 20_000;

/**
 * @param {string} target Where the Worker is.
 * @returns {Promise<HoldingProxy>}
 */
export async function startProxy(target) {
  const proxy = new HoldingProxy(new URL(target));
  await proxy.listen();
  return proxy;
}

/** Lets everything pass until it is shut; whoever comes then waits. */
class Gate {
  #waiting = [];
  #isShut = false;
  #arrivals = [];

  shut() {
    this.#isShut = true;
  }

  open() {
    this.#isShut = false;
    for (const pass of this.#waiting.splice(0)) pass();
  }

  /** Resolves when the gate is open. */
  pass() {
    for (const tell of this.#arrivals.splice(0)) tell();
    if (!this.#isShut) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Resolves when somebody waits at the shut gate. */
  arrival() {
    if (this.#waiting.length > 0) return Promise.resolve();
    return bounded(new Promise((resolve) => this.#arrivals.push(resolve)), 'somebody came to the gate');
  }
}

class HoldingProxy {
  /** Requests for history, before the Worker sees them. */
  requests = new Gate();
  /** Answers to them, after the Worker has made them. */
  answers = new Gate();
  /** WebSocket upgrades, before the Worker sees them. */
  upgrades = new Gate();
  /** How many upgrades there have been. */
  upgradeCount = 0;
  url;
  #target;
  #server;
  #links = new Set();
  #holdsDown = false;
  #texts = '';
  #watchers = [];

  constructor(target) {
    this.#target = target;
  }

  async listen() {
    this.#server = createServer((request, response) => this.#forward(request, response));
    this.#server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
    await new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(0, '127.0.0.1', resolve);
    });
    this.url = `http://127.0.0.1:${this.#server.address().port}`;
  }

  async close() {
    this.cut();
    await new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }

  /** Opens every gate. */
  release() {
    for (const gate of [this.upgrades, this.requests, this.answers]) gate.open();
    this.releaseFrames();
  }

  /** Keeps what the Worker says on sockets from now on; `said` forgets what it said before. */
  holdFrames() {
    this.#texts = '';
    this.#holdsDown = true;
  }

  releaseFrames() {
    this.#holdsDown = false;
    for (const link of this.#links) link.flush();
  }

  /** From now on sockets that are open carry nothing either way, and nobody is told. New ones work. */
  silence() {
    for (const link of this.#links) link.isSilent = true;
  }

  /** Breaks every socket. */
  cut() {
    for (const link of this.#links) link.end();
  }

  /** How many sockets are open. */
  get socketCount() {
    return this.#links.size;
  }

  /** Resolves when the Worker has said `text` on a socket, held or not. */
  said(text) {
    if (this.#texts.includes(text)) return Promise.resolve();
    return bounded(
      new Promise((resolve) => this.#watchers.push({ text, resolve })),
      `the Worker said ${text}`,
    );
  }

  #heard(chunk) {
    this.#texts += chunk.toString('latin1');
    this.#watchers = this.#watchers.filter(({ text, resolve }) => {
      const isThere = this.#texts.includes(text);
      if (isThere) resolve();
      return !isThere;
    });
    // Room for a text that is cut in two.
    if (this.#texts.length > 4_000_000) this.#texts = this.#texts.slice(-1_000_000);
  }

  async #forward(request, response) {
    const isHistory = request.method === 'GET' && request.url.startsWith('/messages');
    if (isHistory) await this.requests.pass();
    const onward = httpRequest(
      {
        host: this.#target.hostname,
        port: this.#target.port,
        method: request.method,
        path: request.url,
        headers: request.headers,
        // One that is kept may just be closed by the Worker, idle as it is: the request would fail.
        agent: false,
      },
      async (answer) => {
        const chunks = [];
        for await (const chunk of answer) chunks.push(chunk);
        if (isHistory) await this.answers.pass();
        const { 'transfer-encoding': _, connection: __, ...headers } = answer.headers;
        response.writeHead(answer.statusCode, headers);
        response.end(Buffer.concat(chunks));
      },
    );
    onward.on('error', () => response.destroy());
    request.pipe(onward);
  }

  async #upgrade(request, socket, head) {
    this.upgradeCount += 1;
    const link = { isSilent: false, isOver: false, held: [], flush() {}, end: () => socket.destroy() };
    socket.on('error', () => {});
    socket.on('close', () => {
      link.isOver = true;
    });
    await this.upgrades.pass();
    if (link.isOver) return;
    const onward = connect(Number(this.#target.port), this.#target.hostname);
    link.end = () => {
      socket.destroy();
      onward.destroy();
    };
    link.flush = () => {
      if (!link.isSilent) for (const chunk of link.held.splice(0)) socket.write(chunk);
    };
    this.#links.add(link);
    onward.on('error', () => {});
    onward.on('connect', () => {
      onward.write(requestText(request));
      onward.write(head);
    });
    let isUpgraded = false;
    onward.on('data', (chunk) => {
      if (link.isSilent) return;
      this.#heard(chunk);
      // The upgrade's own answer passes: what is held are frames.
      const [answer, frames] = isUpgraded ? [undefined, chunk] : splitAnswer(chunk);
      isUpgraded = true;
      if (answer) socket.write(answer);
      link.held.push(frames);
      if (!this.#holdsDown) link.flush();
    });
    socket.on('data', (chunk) => {
      if (!link.isSilent) onward.write(chunk);
    });
    const over = () => {
      if (link.isSilent) return;
      link.flush();
      this.#links.delete(link);
      socket.end();
      onward.end();
    };
    onward.on('close', over);
    socket.on('close', () => {
      this.#links.delete(link);
      onward.destroy();
    });
  }
}

function requestText(request) {
  const lines = [`${request.method} ${request.url} HTTP/1.1`];
  for (let index = 0; index < request.rawHeaders.length; index += 2) {
    const [name, value] = request.rawHeaders.slice(index, index + 2);
    if (name.toLowerCase() !== 'sec-websocket-extensions') lines.push(`${name}: ${value}`);
  }
  return `${lines.join('\r\n')}\r\n\r\n`;
}

function splitAnswer(chunk) {
  const end = chunk.indexOf('\r\n\r\n');
  return end === -1 ? [chunk, Buffer.alloc(0)] : [chunk.subarray(0, end + 4), chunk.subarray(end + 4)];
}

async function bounded(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`waited ${PATIENCE_MS} ms in vain until ${what}`)),
      PATIENCE_MS,
    );
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
