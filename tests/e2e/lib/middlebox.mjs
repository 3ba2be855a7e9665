/**
 * What stands between a page and a worker in offices, hotels and on phones: it reads HTTP and passes what it likes.
 *
 * Owns what becomes of WebSocket upgrades and, by themselves, of other requests, and a record of all that came. It
 * changes nothing that passes. Knows neither the Worker's routes nor its frames.
 */
import { createServer, request as httpRequest } from 'node:http';
import { connect } from 'node:net';

/** What others than the worker say to everything: status, type, body. */
const WORDS = {
  portal: [
    200,
    'text/html',
    '<!doctype html><title>Welcome</title><p>Please accept our terms to go online.</p>',
  ],
  badGateway: [502, 'text/html', '<!doctype html><title>502</title><h1>Bad gateway</h1>'],
  stranger: [401, 'application/json', '{"error":"Unauthorized"}'],
};

/**
 * @param {() => string} target Where it leads. A function, because a worker that starts again may move.
 * @returns {Promise<Middlebox>}
 */
export async function startMiddlebox(target) {
  const middlebox = new Middlebox(target);
  await middlebox.listen();
  return middlebox;
}

export class Middlebox {
  /** What to use instead of the worker's URL. */
  url;
  /** How often each fault hit something. */
  faults = {
    ...{ upgradeRefused: 0, upgradeReset: 0, upgradeSwallowed: 0, cut: 0 },
    ...{ framesSwallowed: 0, cutOpened: 0 },
    ...{ portal: 0, badGateway: 0, stranger: 0 },
  };
  /**
   * What came, in order: `{ method, path, headers, body, status, at }`. An upgrade has the method `UPGRADE`; a
   * `status` of `undefined` means that it got no answer, and `isMute` that it was answered and no frame came down.
   */
  requests = [];
  #target;
  #server;
  #links = new Set();
  #upgrades = 'pass';
  #calls = 'pass';
  #upgradeMs = 0;
  #hanging;
  #hangsForGood = false;

  constructor(target) {
    this.#target = target;
  }

  async listen() {
    this.#server = createServer((request, response) => this.#call(request, response));
    this.#server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
    await new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(0, '127.0.0.1', resolve);
    });
    this.url = `http://127.0.0.1:${this.#server.address().port}`;
  }

  async close() {
    this.cutSockets();
    await new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }

  /**
   * From now on upgrades are refused with 403, reset, or swallowed: no answer ever comes. Or they pass, and the
   * socket is cut right behind the answer, or no frame ever comes down it. Sockets that are open break.
   *
   * @param {'refuse' | 'reset' | 'swallow' | 'cutOpened' | 'swallowFrames'} how
   */
  blockSockets(how) {
    this.#upgrades = how;
    this.cutSockets();
  }

  /**
   * From now on everything is answered by somebody else, in words that any script may read: by the page of a captive
   * portal, by a gateway that reaches nobody, or by another service. Sockets that are open break.
   *
   * @param {'portal' | 'badGateway' | 'stranger'} who
   */
  answerInstead(who) {
    this.#calls = who;
    this.#upgrades = who;
    this.cutSockets();
  }

  /**
   * From now on each upgrade passes after `ms`; the first one whose address holds `hanging` gets no answer, or none does.
   *
   * @param {number} ms
   * @param {string} [hanging]
   * @param {{ isForGood?: boolean }} [more]
   */
  slowUpgrades(ms, hanging, { isForGood = false } = {}) {
    this.#upgradeMs = ms;
    this.#hanging = hanging;
    this.#hangsForGood = isForGood;
  }

  /** Lets everything pass. */
  heal() {
    this.#upgradeMs = 0;
    this.#hanging = undefined;
    this.#calls = 'pass';
    this.#upgrades = 'pass';
    for (const link of this.#links) if (link.isSwallowed) link.end();
  }

  cutSockets() {
    for (const link of this.#links) {
      if (!link.isSwallowed) this.faults.cut += 1;
      link.end();
    }
  }

  /** The requests for `method path`, preflights left out. */
  of(method, path) {
    return this.requests.filter(
      (request) => request.method === method && (path ?? request.path) === request.path,
    );
  }

  /** Whether `secret` came by in anything that a request says. */
  heard(secret) {
    return this.requests.some(({ method, at, status, ...said }) => JSON.stringify(said).includes(secret));
  }

  #note(request, method = request.method) {
    const [path, query] = request.url.split('?');
    const entry = {
      method,
      path,
      query,
      headers: request.headers,
      body: '',
      status: undefined,
      at: Date.now(),
    };
    this.requests.push(entry);
    return entry;
  }

  async #call(request, response) {
    const entry = this.#note(request);
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    entry.body = Buffer.concat(chunks).toString();
    const answer = (status, headers, body) => {
      entry.status = status;
      response.writeHead(status, headers);
      response.end(body);
    };
    const ownWord = this.#ownWord(this.#calls);
    if (ownWord) return answer(...ownWord);
    const { hostname: host, port } = new URL(this.#target());
    const { method, url: path, headers } = request;
    // One connection for each: one that is kept may just be closed by the Worker, and the request would fail.
    const onward = httpRequest({ host, port, method, path, headers, agent: false }, async (answered) => {
      const parts = [];
      for await (const part of answered) parts.push(part);
      const { 'transfer-encoding': _, connection: __, ...kept } = answered.headers;
      answer(answered.statusCode, kept, Buffer.concat(parts));
    });
    onward.on('error', () => {
      if (!response.headersSent) answer(...this.#ownWord('badGateway'));
    });
    onward.end(Buffer.concat(chunks));
  }

  #ownWord(who) {
    if (!(who in WORDS)) return undefined;
    this.faults[who] += 1;
    const [status, type, body] = WORDS[who];
    // The client is to judge what it reads, and not the browser for it.
    const headers = {
      'Content-Type': type,
      'Access-Control-Allow-Origin': '*',
      'Access-Control-Allow-Headers': '*',
      'Access-Control-Allow-Methods': '*',
    };
    return [status, headers, body];
  }

  #upgrade(request, socket, head) {
    const entry = this.#note(request, 'UPGRADE');
    socket.on('error', () => {});
    const refuse = (status, body = '') => {
      entry.status = status;
      socket.end(
        `HTTP/1.1 ${status} No\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`,
      );
    };
    switch (this.#upgrades) {
      case 'refuse':
        this.faults.upgradeRefused += 1;
        return refuse(403);
      case 'reset':
        this.faults.upgradeReset += 1;
        return socket.resetAndDestroy();
      case 'swallow':
        this.faults.upgradeSwallowed += 1;
        return this.#track(socket, { isSwallowed: true, end: () => socket.destroy() });
      case 'portal':
      case 'badGateway':
      case 'stranger': {
        const [status, , body] = this.#ownWord(this.#upgrades);
        return refuse(status, body);
      }
    }
    const pass = () => this.#tunnel(request, socket, head, entry, refuse);
    if (this.#hanging !== undefined && request.url.includes(this.#hanging)) {
      if (!this.#hangsForGood) this.#hanging = undefined;
      this.faults.upgradeSwallowed += 1;
      return this.#track(socket, { isSwallowed: true, end: () => socket.destroy() });
    }
    if (this.#upgradeMs === 0) return pass();
    setTimeout(pass, this.#upgradeMs);
  }

  #tunnel(request, socket, head, entry, refuse) {
    const how = this.#upgrades;
    const isMute = how === 'cutOpened' || how === 'swallowFrames';
    const { hostname, port } = new URL(this.#target());
    const onward = connect(Number(port), hostname);
    let isConnected = false;
    onward.on('connect', () => {
      isConnected = true;
      const lines = [`GET ${request.url} HTTP/1.1`];
      const { rawHeaders } = request;
      for (let i = 0; i < rawHeaders.length; i += 2) lines.push(`${rawHeaders[i]}: ${rawHeaders[i + 1]}`);
      onward.write(`${lines.join('\r\n')}\r\n\r\n`);
      onward.write(head);
      onward.once('data', (bytes) => {
        entry.status = Number(bytes.toString('latin1', 9, 12));
        if (!isMute) return;
        entry.isMute = true;
        // The first frame may be in the same bytes.
        socket.write(bytes.subarray(0, bytes.indexOf('\r\n\r\n') + 4));
        this.faults[how === 'cutOpened' ? 'cutOpened' : 'framesSwallowed'] += 1;
        if (how === 'cutOpened') socket.end();
        onward.resume();
      });
      if (!isMute) onward.pipe(socket);
      socket.pipe(onward);
    });
    onward.on('error', () => {
      if (isConnected) return socket.destroy();
      this.faults.badGateway += 1;
      return refuse(502);
    });
    socket.on('close', () => onward.destroy());
    this.#track(socket, {
      isSwallowed: isMute,
      end() {
        socket.destroy();
        onward.destroy();
      },
    });
  }

  #track(socket, link) {
    this.#links.add(link);
    socket.on('close', () => this.#links.delete(link));
  }
}
