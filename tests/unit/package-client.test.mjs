/**
 * The client's own logic: order of calls, the promise of `connect()`, listeners, closing, a dead core.
 *
 * Owns nothing but expectations. What the outbox has to do with it is tested in `package-outbox.test.mjs`.
 */

import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, mock, test } from 'node:test';
import { setImmediate as nextTask } from 'node:timers/promises';
import { inspect } from 'node:util';

import { SpaceClient } from '../../pkg-template/client.js';
import { CONNECTS_SOON } from '../../pkg-template/options.js';
import { tabId } from '../../pkg-template/tab-memory.js';
import { CONFIG, CoreDouble, setUp, setUpConnected } from './lib/core-double.mjs';

const MESSAGE = {
  id: 'm1',
  seq: 1,
  senderId: 'ada',
  senderType: 'user',
  text: 'hi',
  createdAt: 1,
  updatedAt: 1,
};

/** What no test caused on purpose. */
const stray = [];
const onStray = (error) => stray.push(error);

beforeEach(() => {
  stray.length = 0;
  process.on('unhandledRejection', onStray);
});

afterEach(async () => {
  await nextTask();
  process.off('unhandledRejection', onStray);
  mock.restoreAll();
  delete globalThis.reportError;
  delete globalThis.window;
  assert.deepEqual(stray, []);
});

const codeOf = (promise) =>
  promise.then(
    () => 'resolved',
    (error) => error.code,
  );

/** What the host's `error` makes. */
const errorOf = (core, ...values) => core.host.error(...values);

test('no timer keeps a program alive once its client is closed', async () => {
  const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
  const before = timers();
  const config = { workerUrl: 'https://no-timer.example', tokenFor: () => undefined };
  for (const { tokenFor } of [{}, config]) {
    const { client } = await setUpConnected({ ...config, tokenFor });
    client.close();
    await nextTask();
    assert.equal(timers(), before, tokenFor ? 'with tokenFor' : 'without');
  }
});

describe('loading', () => {
  test('starts with the first call that needs it, not before', async () => {
    const { client, source } = setUp();
    client.isConnected();
    client.disconnect();
    client.on('message', () => {});
    client.getSnapshot();
    assert.equal(source.mock.callCount(), 0);
    const waiting = codeOf(client.getMessages());
    assert.equal(source.mock.callCount(), 1);
    client.close();
    assert.equal(await waiting, 'closed');
  });

  test('calls made before it keep their order behind connecting, and so do those made meanwhile', async () => {
    const { client, load } = setUp({
      onStateChange: ({ state }) => {
        if (state === 'connecting' && CoreDouble.made.length > 0) {
          client.getMetadata();
        }
      },
    });
    client.sendMessage({ text: '1' });
    client.connect();
    client.setTyping('ada', true);
    client.sendMessage({ text: '2' }, { until: 'stored' });
    const core = await load();
    assert.deepEqual(core.names(), ['connect', 'sendMessage', 'setTyping', 'sendMessage']);
    core.host.onState({ state: 'connecting', retryInMs: 5 });
    assert.equal(core.names().at(-1), 'getMetadata');
    client.close();
    await nextTask();
  });

  test('what is sent right before connecting, in the same task, goes over the connection', async () => {
    const { client, load } = setUp();
    client.getMetadata();
    const core = await load();
    client.sendMessage({ text: '1' });
    client.getMessages();
    client.editMessage('m1', { text: '2' });
    client.connect();
    client.deleteMessage('m2');
    await nextTask();
    const expected = ['getMetadata', 'connect', 'sendMessage', 'getMessages', 'editMessage', 'deleteMessage'];
    assert.deepEqual(core.names(), expected);
    client.close();
  });

  test('what is sent before the view that connects waits for it, a second at most', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    for (const isShown of [true, false]) {
      const { client, load } = setUp({ [CONNECTS_SOON]: true });
      client.sendMessage({ text: '1' }).catch(() => {});
      const core = await load();
      await nextTask();
      t.mock.timers.tick(900);
      await nextTask();
      assert.deepEqual(core.names(), []);
      if (isShown) client.connect().catch(() => {});
      else t.mock.timers.tick(100);
      await nextTask();
      assert.deepEqual(core.names(), isShown ? ['connect', 'sendMessage'] : ['sendMessage']);
      client.close();
    }
  });

  test('a further call while an attempt is waited for makes it at once, and no other does', async () => {
    const { client, load } = setUp();
    const first = client.connect();
    const core = await load();
    assert.equal(client.connect(), first);
    assert.deepEqual(core.names(), ['connect']);
    core.host.onState({ state: 'connecting', retryInMs: 5_000 });
    assert.equal(client.connect(), first);
    assert.deepEqual(core.names(), ['connect', 'wake']);
    core.host.onState({ state: 'connecting' });
    client.connect();
    assert.deepEqual(core.names(), ['connect', 'wake']);
    client.close();
    await first.catch(() => {});
  });

  test('clients share the scope of a tab, and none in a server, which may have a sessionStorage as well', async (t) => {
    const kept = new Map();
    const sessionStorage = { getItem: (key) => kept.get(key), setItem: (key, value) => kept.set(key, value) };
    const names = ['sessionStorage', 'window', 'document'];
    const before = names.map((name) => Object.getOwnPropertyDescriptor(globalThis, name));
    t.after(() => {
      names.forEach((name, index) => {
        if (before[index]) Object.defineProperty(globalThis, name, before[index]);
        else delete globalThis[name];
      });
    });
    const set = (name, value) => Object.defineProperty(globalThis, name, { configurable: true, value });
    const scopeOf = async () => {
      const { client, load } = setUp();
      client.getMessages();
      const core = await load();
      client.close();
      return core.options.clientScope;
    };
    set('sessionStorage', sessionStorage);
    assert.equal(await scopeOf(), undefined);
    set('window', {});
    set('document', {});
    const scope = await scopeOf();
    assert.equal(scope, tabId('scope', CONFIG));
    assert.match(scope, /^[\da-f]{32}$/);
    assert.equal(await scopeOf(), scope);
  });

  test('what can not be read is refused by a rejection, by each method that reads something', async () => {
    const { client } = setUp();
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    for (const call of ['getMessages', 'setMetadata', 'sendMessage', 'loadOlder', 'connect']) {
      // A throw would come out of here.
      const given = client[call](proxy);
      await assert.rejects(given, TypeError, call);
    }
    client.close();
  });

  test('a message is what it was when it was sent', async () => {
    const { client, load } = setUp();
    const draft = Proxy.revocable({ id: 'f1', url: '/f1' }, {});
    const attachments = [draft.proxy];
    const form = { senderId: 'ada', senderType: 'user', text: 'hello', attachments, until: 'stored' };
    client.sendMessage(form);
    form.text = '';
    draft.revoke();
    const core = await load();
    assert.deepEqual(core.asked[0], [
      'sendMessage',
      { senderId: 'ada', senderType: 'user', text: 'hello', attachments: [{ id: 'f1', url: '/f1' }] },
      true,
    ]);
    client.close();
  });

  test('a failure rejects what waits, tells the state, and the next call tries again', async () => {
    const onError = mock.fn();
    const { client, loading, source } = setUp({ onError });
    const connecting = codeOf(client.connect());
    const sending = codeOf(client.sendMessage({ text: 'hi' }));
    loading.reject(new Error('offline'));
    assert.deepEqual([await connecting, await sending], ['wasmUnavailable', 'wasmUnavailable']);
    assert.equal(client.getSnapshot().state, 'failed');
    assert.equal(onError.mock.calls[0].arguments[0].code, 'wasmUnavailable');
    assert.equal(await codeOf(client.connect()), 'wasmUnavailable');
    assert.equal(source.mock.callCount(), 2);
  });

  test('the core gets the config, and the token when it asks', async () => {
    const webSocket = class {};
    const spaceToken = ({ fresh }) => `token ${fresh}`;
    const { client, load } = setUp({ order: 'desc', userId: 'ada', webSocket, spaceToken });
    client.getMessages();
    const core = await load();
    const { spaceId, workerUrl } = CONFIG;
    const { clientScope, ...options } = core.options;
    assert.deepEqual(options, {
      ...{ spaceId, workerUrl, newestFirst: true, webSocket },
      ...{ legacyWorker: undefined, pollsOnly: false, userId: 'ada' },
    });
    assert.equal(clientScope, undefined);
    // A text that came at once would be taken for the only one that there is.
    const given = core.host.token(true);
    assert.ok(given instanceof Promise);
    assert.equal(await given, 'token true');
    client.close();
  });

  test('whatever wraps a client can use it, and shows no token', async () => {
    const { client, load } = setUp({ spaceToken: 'secret' });
    // As Vue's ref() and others do it.
    const wrapped = new Proxy(client, {});
    const connecting = wrapped.connect();
    const core = await load();
    core.accept();
    await connecting;
    assert.equal(wrapped.isConnected(), true);
    assert.equal(wrapped.persistence, client.persistence);
    assert.equal(wrapped.getSnapshot(), client.getSnapshot());
    const { sendMessage } = wrapped;
    sendMessage({ text: 'taken out' }).catch(() => {});
    assert.equal(core.asked.at(-1)[0], 'sendMessage');
    assert.doesNotMatch(JSON.stringify(client) + inspect(client, { depth: 9 }), /secret/);
    wrapped.close();
    assert.equal(client.isConnected(), false);
  });

  test('a class that extends the client keeps its own methods', () => {
    class Louder extends SpaceClient {
      getMessages() {
        return 'mine';
      }
    }
    const louder = new Louder({ ...CONFIG, spaceToken: 't' }, {});
    assert.equal(new Proxy(louder, {}).getMessages(), 'mine');
    louder.close();
  });

  test('another token is asked for at once, the same one is none', async () => {
    const { client, load } = setUp({ spaceToken: 'one' });
    client.getMessages();
    const core = await load();
    assert.equal(core.host.token(false), 'one');
    client.setToken('one');
    assert.equal(core.tokenChanges, 0);
    client.setToken('two');
    assert.deepEqual([core.tokenChanges, core.host.token(false)], [1, 'two']);
    for (const [wrong, expected] of [
      [undefined, /spaceToken is required/],
      ['', /spaceToken must be a non-empty string/],
      [5, /spaceToken must be/],
    ]) {
      assert.throws(() => client.setToken(wrong), expected);
    }
    client.close();
    assert.throws(() => client.setToken('three'), { code: 'closed' });
  });
});

describe('connect()', () => {
  test('connect_twice_leaks_no_socket_and_gives_one_promise', async () => {
    const { client, load } = setUp();
    const first = client.connect();
    assert.equal(client.connect(), first);
    const core = await load();
    assert.equal(client.connect(), first);
    core.accept();
    await first;
    await client.connect();
    assert.deepEqual(core.names(), ['connect']);
  });

  test('connect_does_not_resolve_before_the_space_accepts', async () => {
    const { client, load } = setUp();
    const connecting = mock.fn();
    client.connect().then(connecting);
    const core = await load();
    await nextTask();
    assert.equal(connecting.mock.callCount(), 0);
    assert.equal(client.isConnected(), false);
    core.accept();
    await nextTask();
    assert.equal(connecting.mock.callCount(), 1);
    assert.equal(client.isConnected(), true);
  });

  test('a refusal rejects it, and the next call is a new attempt', async () => {
    const { client, load } = setUp();
    const first = client.connect();
    const core = await load();
    const error = core.refuse('tokenExpired');
    await assert.rejects(first, error);
    const second = client.connect();
    assert.notEqual(second, first);
    core.accept();
    await second;
    assert.deepEqual(core.names(), ['connect', 'connect']);
  });

  test('a_client_that_came_back_by_itself_stays_connected_through_connect', async () => {
    const { client, core } = await setUpConnected();
    core.connected = false;
    core.refuse('tokenExpired');
    // A new token, or a sign of life: the core connects unasked.
    core.accept();
    await client.connect();
    assert.equal(client.getSnapshot().state, 'connected');
  });

  test('a refusal of a connection that was lost makes the next call a new attempt', async () => {
    const { client, core } = await setUpConnected();
    core.connected = false;
    core.host.onConnectionChange(false);
    core.refuse('tokenInvalid');
    client.connect();
    assert.deepEqual(core.names(), ['connect', 'connect']);
    client.disconnect();
  });

  test('a_refusal_nobody_awaits_is_not_hidden', async (t) => {
    // The runner's own listener would fail the test for what it is about.
    const others = process.listeners('unhandledRejection').filter((listener) => listener !== onStray);
    for (const listener of others) {
      process.off('unhandledRejection', listener);
      t.after(() => process.on('unhandledRejection', listener));
    }
    const { client, load } = setUp();
    client.connect();
    const core = await load();
    const error = core.refuse('spaceMismatch');
    await nextTask();
    assert.deepEqual(stray.splice(0), [error]);
  });

  test('a time limit ends the waiting, not the trying', async () => {
    const { client, load } = setUp();
    const limited = client.connect({ timeoutMs: 1 });
    await assert.rejects(limited, { code: 'timeout', retryable: true });
    const core = await load();
    core.accept();
    await client.connect();
    assert.equal(client.isConnected(), true);
  });

  test('a signal ends the waiting, not the trying', async () => {
    const { client, load } = setUp();
    const controller = new AbortController();
    const limited = client.connect({ signal: controller.signal, timeoutMs: 60_000 });
    const reason = new Error('left');
    controller.abort(reason);
    await assert.rejects(limited, (error) => error.code === 'aborted' && error.cause === reason);
    const core = await load();
    core.accept();
    await client.connect({ signal: new AbortController().signal });
  });

  test('a signal that was aborted before starts nothing', async () => {
    const { client, source } = setUp();
    assert.equal(await codeOf(client.connect({ signal: AbortSignal.abort() })), 'aborted');
    assert.equal(source.mock.callCount(), 0);
  });

  test('names options that are not as expected', async () => {
    const { client } = setUp();
    for (const [options, field] of [
      [7, 'options'],
      [{ timeoutMs: 0 }, 'timeoutMs'],
      [{ timeoutMs: '5' }, 'timeoutMs'],
      [{ timeoutMs: 2 ** 31 }, 'timeoutMs'],
      [{ timeoutMs: Number.NaN }, 'timeoutMs'],
      [{ signal: new AbortController() }, 'signal'],
    ]) {
      await assert.rejects(client.connect(options), { code: 'invalidArgument', field });
    }
  });
});

describe('disconnect()', () => {
  test('while loading: rejects at once, and the core never hears of it', async () => {
    const states = [];
    const { client, load } = setUp({ onStateChange: ({ state }) => states.push(state) });
    const connecting = codeOf(client.connect());
    const reading = client.getMessages();
    client.disconnect();
    client.disconnect();
    assert.equal(await connecting, 'closed');
    const core = await load();
    assert.deepEqual(core.names(), ['getMessages']);
    assert.deepEqual(states, ['connecting', 'idle']);
    core.settle('getMessages', 'resolve', []);
    assert.deepEqual(await reading, []);
  });

  test('while loading, then connect() again', async () => {
    const { client, load } = setUp();
    const first = client.connect();
    client.disconnect();
    const second = client.connect();
    assert.notEqual(second, first);
    const core = await load();
    core.accept();
    await second;
    assert.deepEqual(core.names(), ['connect']);
  });

  test('disconnect_comes_back_at_once', async () => {
    const states = [];
    const { client, core } = await setUpConnected({
      onConnectionChange: (connected) => states.push(connected),
    });
    client.disconnect();
    assert.equal(client.isConnected(), false);
    assert.deepEqual(states, [true, false]);
    assert.deepEqual(core.names(), ['connect', 'disconnect']);
  });

  test('in a cleanup causes no unhandled rejection', async () => {
    const { client, load } = setUp();
    client.connect();
    client.connect({ timeoutMs: 60_000 });
    client.disconnect();
    const core = await load();
    client.connect();
    client.disconnect();
    await nextTask();
    assert.deepEqual(core.names(), ['connect', 'disconnect']);
    // afterEach asserts that nothing was unhandled.
  });

  test('in a cleanup keeps a page from reporting exactly the error that it caused', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const page = new EventTarget();
    const removed = mock.method(page, 'removeEventListener');
    globalThis.window = page;
    const { client } = setUp();
    const mounted = (async () => {
      await client.connect();
    })();
    client.disconnect();
    const error = await mounted.catch((reason) => reason);
    const report = (reason) => {
      const event = Object.assign(new Event('unhandledrejection', { cancelable: true }), { reason });
      return page.dispatchEvent(event);
    };
    assert.equal(error.code, 'closed');
    assert.equal(report(error), false);
    assert.equal(report(new Error('of the app')), true);
    t.mock.timers.tick(250);
    assert.equal(removed.mock.callCount(), 1);
    assert.equal(report(error), true);
  });

  test('out of a callback of connecting', async () => {
    const { client, load } = setUp({
      onStateChange: ({ state }) => state === 'connecting' && client.disconnect(),
    });
    assert.equal(await codeOf(client.connect()), 'closed');
    client.getMetadata();
    const core = await load();
    assert.deepEqual(core.names(), ['getMetadata']);
    client.close();
  });

  test('out of a callback while the core connects', async () => {
    const { client, load } = setUp({
      onStateChange: ({ state }) => state === 'connecting' && CoreDouble.made[0] && client.disconnect(),
    });
    const connecting = codeOf(client.connect());
    const core = await load();
    core.host.onState({ state: 'connecting', retryInMs: 1 });
    assert.equal(await connecting, 'closed');
    assert.deepEqual(core.names(), ['connect', 'disconnect']);
    assert.equal(client.getSnapshot().state, 'idle');
  });
});

describe('calls', () => {
  test('give what the core gives, and fail as it fails', async () => {
    const { client, core } = await setUpConnected();
    const reading = client.getMessages({ limit: 1 });
    const sending = client.sendMessage({ text: 'hi' });
    core.settle('getMessages', 'resolve', [MESSAGE]);
    const error = errorOf(core, 'rateLimited', 'too many', true, 'text', 429);
    core.settle('sendMessage', 'reject', error);
    assert.deepEqual(await reading, [MESSAGE]);
    await assert.rejects(sending, error);
    const { name, code, retryable, field, status, message } = error;
    assert.deepEqual(
      { name, code, retryable, field, status, message },
      {
        name: 'ChatError',
        code: 'rateLimited',
        retryable: true,
        field: 'text',
        status: 429,
        message: 'too many',
      },
    );
    assert.deepEqual(client.getSnapshot().messages, [MESSAGE]);
  });

  test('until is taken from either place, and named when it is something else', async () => {
    const { client, core } = await setUpConnected();
    client.sendMessage({ text: '1' });
    client.sendMessage({ text: '2', until: 'stored' });
    client.sendMessage({ text: '3' }, { until: 'stored' });
    const flags = core.asked.slice(1).map(([, { text, until }, untilStored]) => [text, until, untilStored]);
    assert.deepEqual(flags, [
      ['1', undefined, false],
      ['2', undefined, true],
      ['3', undefined, true],
    ]);
    await assert.rejects(client.sendMessage({ text: '4', until: 'read' }), { field: 'until' });
    await assert.rejects(client.sendMessage({ text: '5' }, 'stored'), { field: 'options' });
    client.close();
  });

  test('what is no object is left to the core to name', async () => {
    const { client, core } = await setUpConnected();
    client.sendMessage(null);
    client.getMessages(7);
    assert.deepEqual(core.asked.slice(1), [
      ['sendMessage', null, false],
      ['getMessages', 7],
    ]);
    client.close();
  });
});

describe('events', () => {
  test('reach the callback first, then the listeners in their order', async () => {
    const heard = [];
    const { client, core } = await setUpConnected({ onMessage: () => heard.push('callback') });
    client.on('message', () => heard.push('first'));
    client.on('message', () => heard.push('second'));
    core.host.onMessage(MESSAGE);
    assert.deepEqual(heard, ['callback', 'first', 'second']);
  });

  test('each has a callback and a name, with the same arguments', async () => {
    const callbacks = {};
    const events = ['message', 'typing', 'presence', 'participant', 'metadata', 'discontinuity', 'error'];
    const nameOf = (event) => `on${event[0].toUpperCase()}${event.slice(1)}`;
    for (const event of events) {
      callbacks[nameOf(event)] = mock.fn();
    }
    const { client, core } = await setUpConnected(callbacks);
    for (const event of events) {
      const listener = mock.fn();
      client.on(event, listener);
      const values = event === 'typing' ? ['ada', true] : event === 'presence' ? [[]] : [{ id: 'x' }];
      core.host[nameOf(event)](...values);
      assert.deepEqual(callbacks[nameOf(event)].mock.calls[0].arguments, values);
      assert.deepEqual(listener.mock.calls[0].arguments, values);
    }
  });

  test('an_exception_in_onMessage_is_reported_as_such_and_harms_nothing', async () => {
    const reported = mock.fn();
    globalThis.reportError = reported;
    const onError = mock.fn();
    const thrown = new Error('from the app');
    const { client, core } = await setUpConnected({
      onError,
      onMessage: () => {
        throw thrown;
      },
    });
    const listener = mock.fn();
    client.on('message', listener);
    core.host.onMessage(MESSAGE);
    assert.deepEqual(reported.mock.calls[0].arguments, [thrown]);
    assert.equal(listener.mock.callCount(), 1);
    assert.equal(onError.mock.callCount(), 0);
    assert.equal(client.isConnected(), true);
  });

  test('without reportError the exception is thrown in a task of its own', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const { core } = await setUpConnected({
      onMessage: () => {
        throw new Error('from the app');
      },
    });
    core.host.onMessage(MESSAGE);
    assert.throws(() => t.mock.timers.tick(1), /from the app/);
  });

  test('listeners may come and go during an event', async () => {
    const { client, core } = await setUpConnected();
    const heard = [];
    let stopSecond;
    const stopFirst = client.on('typing', () => {
      heard.push('first');
      stopFirst();
      stopFirst();
      stopSecond();
      client.on('typing', () => heard.push('late'));
    });
    stopSecond = client.on('typing', () => heard.push('second'));
    core.host.onTyping('ada', true);
    assert.deepEqual(heard, ['first']);
    core.host.onTyping('ada', false);
    assert.deepEqual(heard, ['first', 'late']);
  });

  test('a listener may call every method', async () => {
    const { client, core } = await setUpConnected({
      onMessage: () => {
        client.sendMessage({ text: 'echo' });
        client.connect();
        client.getMessages();
      },
    });
    core.host.onMessage(MESSAGE);
    assert.deepEqual(core.names(), ['connect', 'sendMessage', 'getMessages']);
    client.close();
  });

  test('an unknown event and a listener that is none are named', () => {
    const { client } = setUp();
    assert.throws(() => client.on('messages', () => {}), { code: 'invalidArgument', field: 'event' });
    assert.throws(() => client.on('toString', () => {}), { field: 'event' });
    assert.throws(() => client.on('message'), { field: 'listener' });
    assert.throws(() => client.subscribe(), { field: 'listener' });
  });
});

describe('the store of a client', () => {
  test('follows the core, and its methods are bound', async () => {
    const { client, core } = await setUpConnected();
    const { subscribe, getSnapshot, getServerSnapshot } = client;
    const told = mock.fn();
    const stop = subscribe(told);
    core.host.onMessage(MESSAGE);
    core.host.onTyping('ada', true);
    core.host.onPresence([{ userId: 'ada', role: 'customer' }]);
    await nextTask();
    assert.equal(told.mock.callCount(), 1);
    const { state, connected, messages, typing, presence } = getSnapshot();
    assert.deepEqual([state, connected, messages, typing], ['connected', true, [MESSAGE], ['ada']]);
    assert.equal(presence[0].userId, 'ada');
    assert.equal(getServerSnapshot().state, 'idle');
    stop();
  });

  test('a state that was told while loading is not told twice', async (t) => {
    t.mock.timers.enable({ apis: ['Date'], now: 1_000_000 });
    const states = [];
    const { core } = await setUpConnected({ onStateChange: (change) => states.push(change) });
    core.host.onState({ state: 'reconnecting', retryInMs: 500 });
    core.host.onState({ state: 'reconnecting' });
    core.host.onState({ state: 'reconnecting' });
    assert.deepEqual(states, [
      { state: 'connecting' },
      { state: 'connected' },
      { state: 'reconnecting', retryInMs: 500, retryAt: 1_000_500 },
      { state: 'reconnecting' },
    ]);
  });
});

describe('transport', () => {
  test('is told with the state, in the snapshot, and by the client; undefined while not connected', async () => {
    const warn = mock.method(console, 'warn', () => {});
    const told = [];
    const { client, core } = await setUpConnected({ onStateChange: (change) => told.push(change) });
    told.length = 0;
    const all = () => [client.transport, client.getSnapshot().transport];
    core.host.onState({ state: 'connected', transport: 'polling' });
    assert.deepEqual(all(), ['polling', 'polling']);
    core.host.onState({ state: 'connected', transport: 'polling' });
    core.host.onState({ state: 'connected', transport: 'websocket' });
    assert.deepEqual(all(), ['websocket', 'websocket']);
    core.host.onState({ state: 'reconnecting', retryInMs: 5 });
    assert.deepEqual(all(), [undefined, undefined]);
    assert.deepEqual(
      told.map(({ state, transport }) => [state, transport]),
      [
        ['connected', 'polling'],
        ['connected', 'websocket'],
        ['reconnecting', undefined],
      ],
    );
    assert.equal(client.getServerSnapshot().transport, undefined);
    core.host.onState({ state: 'connected', transport: 'legacy' });
    client.close();
    assert.deepEqual(all(), [undefined, undefined]);
    warn.mock.restore();
  });

  test('what it costs is said once a page for each, and nothing of a WebSocket', async () => {
    const warn = mock.method(console, 'warn', () => {});
    const { warnOfTransport } = await import('../../pkg-template/transport-costs.js?fresh');
    for (const transport of ['websocket', undefined, 'polling', 'polling', 'legacy', 'polling', 'legacy']) {
      warnOfTransport(transport);
    }
    const texts = warn.mock.calls.map(({ arguments: [text] }) => text);
    warn.mock.restore();
    assert.equal(texts.length, 2);
    assert.match(
      texts[0],
      /^kuratchi-spaces: WebSockets do not get through.*360 requests an hour.*10 s late/,
    );
    assert.match(texts[1], /TypeScript SDK.*360 requests an hour.*kuratchi-spaces deploy/);
  });
});

describe('close()', () => {
  test('disconnects, frees, and later calls fail', async () => {
    const states = [];
    const { client, core } = await setUpConnected({ onStateChange: ({ state }) => states.push(state) });
    const sending = codeOf(client.sendMessage({ text: 'hi' }));
    client.close();
    client.close();
    client[Symbol.dispose]();
    client.disconnect();
    await nextTask();
    assert.equal(core.freed, 1);
    assert.equal(await sending, 'closed');
    assert.deepEqual(states, ['connecting', 'connected', 'idle']);
    assert.equal(client.isConnected(), false);
    for (const call of [() => client.connect(), () => client.getMessages(), () => client.sendMessage({})]) {
      assert.equal(await codeOf(call()), 'closed');
    }
    assert.throws(() => client.on('message', () => {}), { code: 'closed' });
    assert.deepEqual(core.names(), ['connect', 'sendMessage', 'disconnect']);
  });

  test('out of a callback frees the core only when it is through', async () => {
    const heard = mock.fn();
    const { client, core } = await setUpConnected({ onTyping: () => client.close(), onMessage: heard });
    core.host.onTyping('ada', true);
    assert.equal(core.freed, 0);
    // What the core still had to tell is not heard any more.
    core.host.onMessage(MESSAGE);
    await nextTask();
    assert.equal(core.freed, 1);
    assert.equal(heard.mock.callCount(), 0);
  });

  test('while loading makes no core at all', async () => {
    const { client, load } = setUp();
    const connecting = codeOf(client.connect());
    client.close();
    assert.equal(await connecting, 'closed');
    assert.equal(await load(), undefined);
  });

  test('leaves nothing unhandled behind', async () => {
    const { client } = await setUpConnected();
    client.sendMessage({ text: 'hi' });
    client.getMessages();
    client.getParticipants();
    client.close();
    await nextTask();
    // afterEach asserts that nothing was unhandled.
  });
});

describe('a core that stopped by a panic', () => {
  const trap = () => {
    throw new WebAssembly.RuntimeError('unreachable');
  };

  test('is never called again, and everything that waits fails', async () => {
    const onError = mock.fn();
    const { client, core } = await setUpConnected({ onError });
    const waiting = codeOf(client.getMessages());
    core.setTyping = trap;
    assert.equal(await codeOf(client.setTyping('ada', true)), 'internal');
    assert.equal(await waiting, 'internal');
    assert.equal(onError.mock.calls[0].arguments[0].code, 'internal');
    assert.ok(onError.mock.calls[0].arguments[0].cause instanceof WebAssembly.RuntimeError);
    const asked = core.asked.length;
    assert.equal(await codeOf(client.connect()), 'internal');
    client.disconnect();
    client.close();
    await nextTask();
    assert.deepEqual([core.asked.length, core.freed], [asked, 0]);
    assert.deepEqual([client.isConnected(), client.getSnapshot().state], [false, 'failed']);
  });

  test('ends every client of its instance, also when no call of theirs saw it', async () => {
    let panic;
    const { client, core, engine } = await setUpConnected({}, { lastPanic: () => panic });
    const other = new SpaceClient(CONFIG, engine);
    panic = 'internal error at src/drive.rs:1';
    assert.equal(await codeOf(client.getMessages()), 'internal');
    assert.equal(await codeOf(other.connect()), 'internal');
    assert.deepEqual(core.names(), ['connect']);
    assert.equal(CoreDouble.made.length, 1);
  });
});

describe('the gateway key', () => {
  test('is warned about once in a page, by name and not by value', async () => {
    const warn = mock.method(console, 'warn', () => {});
    setUp({ gatewayKey: 'secret' });
    assert.equal(warn.mock.callCount(), 0);
    globalThis.window = Object.assign(new EventTarget(), { document: {} });
    setUp({ gatewayKey: '' });
    assert.equal(warn.mock.callCount(), 0);
    setUp({ gatewayKey: 'secret' });
    setUp({ gatewayKey: 'secret' });
    assert.equal(warn.mock.callCount(), 1);
    assert.match(
      warn.mock.calls[0].arguments[0],
      /gatewayKey: it is not needed in a browser, and is sent to nobody/,
    );
    assert.doesNotMatch(warn.mock.calls[0].arguments[0], /secret/);
    delete globalThis.window;
  });

  test('reaches the core only where the app says that the worker is one of the SDK, and never from the environment', async () => {
    const keyAtCore = async (config) => {
      const { client, load } = setUp(config);
      client.getMetadata();
      const { options } = await load();
      client.close();
      return [options.legacyWorker, JSON.stringify(options).includes('of the environment')];
    };
    process.env.KURATCHI_GATEWAY_KEY = 'of the environment';
    process.env.KURATCHI_SPACES_GATEWAY_KEY = 'of the environment';
    try {
      assert.deepEqual(await keyAtCore({}), [undefined, false]);
      assert.deepEqual(await keyAtCore({ gatewayKey: 'given' }), [undefined, false]);
      assert.deepEqual(await keyAtCore({ gatewayKey: 'given', legacyWorker: false }), [undefined, false]);
      assert.deepEqual(await keyAtCore({ gatewayKey: 'given', legacyWorker: true }), ['given', false]);
      assert.throws(() => setUp({ legacyWorker: true }), { code: 'invalidArgument', field: 'gatewayKey' });
    } finally {
      delete process.env.KURATCHI_GATEWAY_KEY;
      delete process.env.KURATCHI_SPACES_GATEWAY_KEY;
    }
  });
});
