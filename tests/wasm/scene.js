/**
 * The world around one client in the shell's tests: a host that writes down what it is told, and a WebSocket
 * class that speaks the second version by itself.
 *
 * The class goes in by the public `webSocket` option. Like a browser's it refuses wrong close codes; unlike a
 * browser's it can call its listeners synchronously, which is the harder case for the shell.
 */

const original = {
  fetch: globalThis.fetch,
  Request: globalThis.Request,
  reportError: globalThis.reportError,
  WebSocket: globalThis.WebSocket,
};
const { now } = Date;

export class Scene {
  constructor() {
    /** What the host was told, one line each. */
    this.trace = [];
    /** What was reported as uncaught. */
    this.reported = [];
    this.sockets = [];
    /** What the host was told of the outbox, one line each. */
    this.outbox = [];
    /** Requests that were made, one line each, with the key they carried. */
    this.requests = [];
    /** Rows that the host holds, oldest first. */
    this.rows = [];
    /** Behaviours: a host function's name → what to do once inside it. */
    this.hooks = new Map();
    this.token = () => 'token';
    this.answers = true;
    this.synchronous = false;
    this.refuses = false;
    /** Whether sockets say whether they are open, as a browser's do. */
    this.hasStates = false;
    this.sendThrows = false;
    this.seq = 0;
    globalThis.reportError = (error) => this.reported.push(String(error?.message ?? error));
  }

  /** Puts the page's own functions back. */
  end() {
    Object.assign(globalThis, original);
    Date.now = now;
  }

  /** As after a sleep of the machine that timers and `performance.now()` did not notice. */
  sleep(ms) {
    Date.now = () => now.call(Date) + ms;
  }

  options() {
    const scene = this;
    class TestSocket {
      constructor(url, protocols) {
        if (scene.refuses) throw new SyntaxError('refused by the page');
        Object.assign(this, { url, protocols, sent: [], closes: [] });
        if (scene.hasStates) this.readyState = 0;
        scene.sockets.push(this);
        if (scene.answers) queueMicrotask(() => this.accept());
      }
      accept() {
        if (scene.hasStates) this.readyState = 1;
        this.onopen?.({});
        this.deliver({
          type: 'welcome',
          epoch: 'e1',
          seq: scene.seq,
          connectionId: 'c1',
          serverTime: 1,
          limits: {},
        });
      }
      send(data) {
        if (scene.sendThrows) throw new Error('not open');
        this.sent.push(data);
        if (scene.synchronous) this.answer(data);
        else queueMicrotask(() => this.answer(data));
      }
      answer(data) {
        const frames = [JSON.parse(data)].flat();
        for (const { type, clientMessageId, messageId, text } of frames) {
          if (type === 'message') {
            const seq = scene.message(text, this, traceOf(clientMessageId));
            this.deliver({ type: 'ack', clientMessageId, seq });
          } else if (type === 'edit' || type === 'delete') {
            const message = scene.update(messageId, text, this);
            this.deliver({ type: 'ack', clientMessageId, seq: scene.seq, message });
          }
        }
      }
      deliver(frame) {
        this.onmessage?.({ data: frame?.type ? JSON.stringify(frame) : frame });
      }
      close(code, reason) {
        if (code !== 1000 && !(code >= 3000 && code <= 4999)) throw new RangeError(`close code ${code}`);
        if (new TextEncoder().encode(reason).length > 123) throw new SyntaxError('close reason too long');
        this.closes.push(code);
      }
    }
    return {
      spaceId: 'lobby',
      workerUrl: 'http://127.0.0.1:9',
      webSocket: TestSocket,
      legacyWorker: this.legacyWorker,
    };
  }

  /** A message of the log, told to `socket`. */
  message(text, socket = this.socket(), trace = '0'.repeat(16)) {
    const seq = ++this.seq;
    socket.deliver({ type: 'message', seq, message: stored(seq, text, trace) });
    return seq;
  }

  /** An edit, or without a text a deletion, told to `socket`. */
  update(id, text, socket = this.socket()) {
    const seq = ++this.seq;
    const when = text === undefined ? { deletedAt: 5000 } : { editedAt: 5000 };
    const message = { ...stored(1, text ?? ''), id, updatedAt: 5000, ...when };
    socket.deliver({ type: 'update', seq, message });
    return message;
  }

  /** Several messages in one frame. */
  burst(count) {
    const frames = [];
    for (let i = 0; i < count; i += 1) {
      const seq = ++this.seq;
      frames.push({ type: 'message', seq, message: stored(seq, `m${seq}`) });
    }
    this.socket().onmessage({ data: JSON.stringify(frames) });
  }

  /** Lets `fetch` answer with a log of these messages. */
  serveHistory(texts) {
    globalThis.fetch = async () => {
      const messages = texts.map((text, index) => stored(index + 1, text)).reverse();
      return new Response(JSON.stringify({ success: true, messages, epoch: 'e1', seq: texts.length }));
    };
  }

  /** Lets `fetch` do something that no browser does. */
  breakFetch(how) {
    globalThis.Request = original.Request;
    if (how === 'refuses') {
      // As one does that knows no signal but its own realm's.
      globalThis.Request = class {
        constructor() {
          throw Object.create(null, { message: { value: 'a signal of another realm' } });
        }
      };
      return;
    }
    globalThis.fetch = {
      rejects: () => Promise.reject('just a string'),
      throws: () => {
        throw null;
      },
      changes: async (request) => {
        const body = await request.text();
        const message = { ...stored(1, request.method), id: 'm1-x' };
        this.outbox.push(
          `${request.method} ${new URL(request.url).pathname} ${JSON.parse(body || '{}').text}`,
        );
        return new Response(JSON.stringify({ success: true, message }));
      },
      foreign: async () => ({ status: 200, text: async () => '{"success":true,"metadata":{"a":"b"}}' }),
      odd: async () => ({ status: 200, text: async () => 42 }),
    }[how];
  }

  /** Lets no socket open, and `fetch` answer as a worker of this kind does. */
  serveByHttp(kind) {
    this.refuses = true;
    this.legacyWorker = kind === 'legacy' ? 'the key' : undefined;
    const message = {
      id: 'x1',
      senderId: 'ada',
      senderType: 'user',
      text: 'old',
      createdAt: 1,
      updatedAt: 1,
    };
    const answers = {
      ours: {
        '/health': [200, { service: 'kuratchi-spaces' }],
        '/events': [200, [{ type: 'welcome', epoch: 'e1', seq: 0, serverTime: 1 }]],
      },
      legacy: {
        '/messages': [200, { success: true, messages: [message] }],
      },
      busy: {
        '/health': [200, { service: 'kuratchi-spaces' }],
        '/events': [429, { error: 'slow down' }, { 'Retry-After': '47' }],
      },
    };
    globalThis.fetch = async (request) => {
      const { pathname } = new URL(request.url);
      this.requests.push(`${request.method} ${pathname} ${request.headers.get('Authorization')}`);
      const [status, body, headers] = answers[kind][pathname];
      return new Response(JSON.stringify(body), { status, headers });
    };
  }

  requestStory() {
    return this.requests.join(', ');
  }

  withoutWebSocket() {
    globalThis.WebSocket = undefined;
  }

  socket() {
    return this.sockets.at(-1);
  }

  host() {
    const tell = (name, line) => {
      this.trace.push(line);
      const hook = this.hooks.get(name);
      this.hooks.delete(name);
      if (hook) hook();
    };
    const keep = (name, line) => {
      this.outbox.push(line);
      const hook = this.hooks.get(name);
      this.hooks.delete(name);
      if (hook) hook();
    };
    return {
      readText: (response) => response.text(),
      loadOutbox: () => {
        keep('loadOutbox', 'load');
        this.core.outboxLoaded(this.rows);
      },
      onIdentified: () => {},
      reclaimOutbox: () => this.core.outboxReclaimed(this.rows),
      putRow: (row) => {
        this.rows = [...this.rows.filter(({ id }) => id !== row.id), row];
        keep('putRow', `put ${row.operation} ${row.body.text}`);
        this.core.persisted(row.id);
      },
      removeRow: (id) => {
        this.rows = this.rows.filter((row) => row.id !== id);
        keep('removeRow', 'remove');
        this.core.removed(id);
      },
      clearRows: () => {
        this.rows = [];
        keep('clearRows', 'clear');
      },
      onOutbox: ({ row, status, message, error }) => {
        const more = [message?.id && 'stored', error?.code].filter(Boolean).join(' ');
        keep('onOutbox', `${status} ${row.operation} ${row.body.text}${more && ` ${more}`}`);
      },
      onUpdate: (message) => tell('onUpdate', `update ${message.text}`),
      token: (fresh) => this.token(fresh),
      error: (code, message, retryable, field, status) =>
        Object.assign(new Error(message), { code, retryable, field, status }),
      onMessage: (message) => tell('onMessage', `message ${message.text}`),
      onConnectionChange: (connected) => tell('onConnectionChange', connected ? 'up' : 'down'),
      onState: ({ state, reason, transport, retryInMs }) => {
        const way = transport === undefined || transport === 'websocket' ? undefined : transport;
        const wait = retryInMs > 20_000 ? retryInMs : undefined;
        tell('onState', [state, reason?.code, way, wait].filter(Boolean).join(' '));
      },
      onTyping: (userId, isTyping) => tell('onTyping', `typing ${userId} ${isTyping}`),
      onPresence: (users) => tell('onPresence', `presence ${users.length}`),
      onParticipant: (participant) => tell('onParticipant', `participant ${participant.id}`),
      onMetadata: (changes) => tell('onMetadata', `metadata ${JSON.stringify(changes)}`),
      onDiscontinuity: (reason) => tell('onDiscontinuity', `discontinuity ${reason}`),
      onError: (error) => tell('onError', `error ${error.code}`),
    };
  }

  adopt(core) {
    this.core = core;
  }

  /** Does `what` once inside the host function `name`. */
  hook(name, what) {
    this.hooks.set(name, () => this.act(what));
  }

  act(what) {
    const { core, trace } = this;
    switch (what) {
      case 'send':
        note(trace, 'sent', core.sendMessage(draft('nested'), false));
        break;
      case 'connect':
        note(trace, 'connected again', core.connect());
        break;
      case 'disconnect':
        core.disconnect();
        trace.push(`isConnected ${core.isConnected()}`);
        break;
      case 'everything':
        core.wake();
        note(trace, 'typed', core.setTyping('ada', true));
        trace.push(`isConnected ${core.isConnected()}`);
        break;
      case 'free':
        core.disconnect();
        core.free();
        break;
      case 'throw':
        throw new Error('thrown by the app');
    }
  }

  connect() {
    return this.core.connect();
  }

  /** Lets the core edit, or without a text delete, a message. */
  change(id, text) {
    return text === undefined
      ? this.core.deleteMessage(id, false)
      : this.core.editMessage(id, { text }, false);
  }

  /** Calls an export by its name. */
  call(name, ...values) {
    return this.core[name](...values);
  }

  outboxStory() {
    return this.outbox.join(', ');
  }

  disconnect() {
    this.core.disconnect();
  }

  send(text) {
    return this.core.sendMessage(draft(text), false);
  }

  /** Sends a message whose getters and `toJSON` call into the client while it is being read. */
  sendWithMeddlingGetters() {
    const { core } = this;
    const options = {
      ...draft('outer'),
      get text() {
        core.setTyping('ada', true);
        core.sendMessage(draft('inner'), false);
        return core.isConnected() ? 'outer' : 'not connected';
      },
      attachments: {
        toJSON() {
          core.wake();
          return null;
        },
      },
    };
    return core.sendMessage(options, false);
  }

  getMessages(options) {
    return this.core.getMessages(options);
  }

  getMetadata() {
    return this.core.getMetadata();
  }

  free() {
    this.core.free();
  }

  /** Settles as `code: message` of the rejection, or as the JSON of the result. */
  async outcome(promise) {
    try {
      return JSON.stringify(await promise) ?? 'undefined';
    } catch (error) {
      return error instanceof Error ? `${error.code}: ${error.message}` : `no Error: ${error}`;
    }
  }

  /** Waits until the trace holds `line`, for five seconds at most. */
  async traced(line) {
    for (let i = 0; i < 1000; i += 1) {
      if (this.trace.includes(line)) return;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    throw new Error(`"${line}" never came; seen: ${this.trace.join(', ')}`);
  }

  /** As an app does: takes the page and shows it, some awaits later; a message comes in between. */
  async showPage(options, text) {
    await this.core.getMessages(options);
    this.message(text);
    for (let i = 0; i < 20; i += 1) await undefined;
    this.trace.push('page shown');
  }

  story() {
    return this.trace.join(', ');
  }

  reports() {
    return this.reported.join(', ');
  }
}

/** Lets all microtasks and the tasks that wait at present pass. */
export async function settled() {
  for (let i = 0; i < 4; i += 1) await new Promise((resolve) => setTimeout(resolve, 0));
}

/** Tells the page what a browser tells it when it comes back. */
export function wakePage(how) {
  const target = how === 'visibilitychange' ? document : window;
  target.dispatchEvent(new Event(how));
}

/** The page is left; `persisted`: and kept by the browser. */
export function leavePage(persisted) {
  window.dispatchEvent(new PageTransitionEvent('pagehide', { persisted }));
}

/** Values of which one is hard to make from Rust. */
export function oddValue(name) {
  return {
    get throwing() {
      return Object.defineProperty({ type: 'ack' }, 'text', {
        enumerable: true,
        get() {
          throw new Error('no');
        },
      });
    },
    get revoked() {
      const { proxy, revoke } = Proxy.revocable({}, {});
      revoke();
      return proxy;
    },
    get inherited() {
      return Object.create({ text: 'planted' });
    },
    get bigint() {
      return 5n;
    },
    get withBigint() {
      return { text: 5n };
    },
    get cycle() {
      const cycle = {};
      cycle.text = cycle;
      return cycle;
    },
    get symbol() {
      return Symbol('text');
    },
    get function() {
      return Object.assign(() => {}, { text: 'x' });
    },
    get lone() {
      return 'a\ud83db';
    },
    get nonsenseRows() {
      const row = {
        id: 'a',
        operation: 'message',
        body: { text: 'a' },
        owner: 'bearer',
        scope: 's',
        epoch: null,
        addedAt: 1,
        failure: null,
      };
      const wrong = {
        id: [undefined, '', 7],
        operation: [undefined, 'send', {}],
        body: [undefined, null, 'text', [], 7],
        owner: [undefined, 'ada', 'User:ada', 7],
        scope: [undefined, null, 7],
        epoch: [7, {}],
        addedAt: [undefined, '1', -1, 1.5, Number.NaN, 2 ** 60],
        failure: ['gone', 7, {}, { code: 'internal' }, { code: 7, message: 'no' }],
      };
      const rows = Object.entries(wrong).flatMap(([name, values]) =>
        values.map((value) => ({ ...row, [name]: value })),
      );
      const { proxy, revoke } = Proxy.revocable({}, {});
      revoke();
      return [undefined, null, 7, 'row', [], proxy, ...rows, row];
    },
    get ownKeysOnly() {
      return { hasOwnProperty: 1, text: 'x' };
    },
  }[name];
}

/** What the server makes of a sender's id: FNV-1a of 64 bits. */
function traceOf(id) {
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(id)) {
    hash = ((hash ^ BigInt(byte)) * 0x100000001b3n) & 0xffffffffffffffffn;
  }
  return hash.toString(16).padStart(16, '0');
}

function stored(seq, text, trace = '0'.repeat(16)) {
  return {
    id: `m${seq}-${trace}`,
    senderId: 'bob',
    senderType: 'user',
    text,
    createdAt: 1000 + seq,
    updatedAt: 1000 + seq,
    seq,
  };
}

function draft(text) {
  return { senderId: 'ada', senderType: 'user', text };
}

function note(trace, line, promise) {
  promise.then(
    () => trace.push(line),
    (error) => trace.push(`${line} failed: ${error.code}`),
  );
}
