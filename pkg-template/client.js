/**
 * The client as apps see it, around the Wasm core.
 *
 * Owns the life of the core (made by the first call that needs it, never called again once closed or dead), the
 * order of calls made before it is there, and the one promise of `connect()`. Must not know the protocol: what
 * to send, to wait for or to try again is decided in the core.
 */

import { ChatError } from './errors.js';
import { CALLBACK_OF, Events } from './events.js';
import { expect, invalid, readConfig, readConnectOptions } from './options.js';
import { Store } from './store.js';
import { abortedError, closedError, createDeferred, withLimits } from './waiting.js';

const IDLE = { state: 'idle' };

let hasWarned = false;

/** A client of one space. Each entry point gives it its engine. */
export class SpaceClient {
  #config;
  #engine;
  #events = new Events();
  #store = new Store();
  /** The core, once it is made. */
  #core;
  #isLoading = false;
  /** Calls that wait for the core, oldest first. While there are any, later ones line up behind them. */
  #waiting = [];
  /** What is owed to the app: rejected when the core can not settle it any more. */
  #pending = new Set();
  /** What `connect()` gave, until it fails or `disconnect()` is called. */
  #attempt;
  #state = IDLE;
  #isConnected = false;
  /** Why no call is possible any more. */
  #end;

  /** Bound, so that it can be handed to a framework as it is. */
  subscribe = (listener) => {
    if (typeof listener !== 'function') {
      throw invalid('listener', 'must be a function');
    }
    return this.#store.subscribe(listener);
  };
  /** Bound. */
  getSnapshot = () => this.#store.snapshot();
  /** Bound. */
  getServerSnapshot = () => Store.idle();

  constructor(config, engine) {
    this.#config = readConfig(config);
    this.#engine = engine;
    for (const [event, callback] of this.#config.callbacks) {
      this.#events.on(event, callback);
    }
    warnOfKey(this.#config.gatewayKey);
  }

  connect(options) {
    const deferred = createDeferred();
    const refusal = this.#refusal();
    if (refusal) {
      deferred.reject(refusal);
      return deferred.promise;
    }
    let limits;
    try {
      limits = readConnectOptions(options);
    } catch (error) {
      return Promise.reject(error);
    }
    if (limits?.signal?.aborted) {
      return Promise.reject(abortedError(limits.signal));
    }
    const { promise } = this.#attempt ?? this.#begin(deferred);
    return limits ? withLimits(promise, limits) : promise;
  }

  disconnect() {
    if (!this.#end) {
      this.#stop(closedError('disconnect()'));
    }
  }

  isConnected() {
    let isConnected = false;
    if (this.#core) {
      this.#run({
        run: (core) => {
          isConnected = core.isConnected();
        },
        fail: () => {},
      });
    }
    return isConnected;
  }

  sendMessage(options, extra) {
    let untilStored = false;
    let message = options;
    try {
      expect(typeof extra === 'object', 'options', extra, 'an object');
      if (isObject(options)) {
        // A copy: the app may change its own object before the core reads it.
        const { until, ...rest } = options;
        message = rest;
        untilStored = readUntil(until);
      }
      untilStored = readUntil(extra?.until) || untilStored;
    } catch (error) {
      return Promise.reject(error);
    }
    return this.#call((core) => core.sendMessage(message, untilStored));
  }

  getMessages(options) {
    const copy = isObject(options) ? { ...options } : options;
    return this.#call(async (core) => {
      const messages = await core.getMessages(copy);
      this.#store.addMessages(messages);
      return messages;
    });
  }

  setTyping(userId, isTyping) {
    return this.#call((core) => core.setTyping(userId, isTyping));
  }

  getParticipants() {
    return this.#call((core) => core.getParticipants());
  }

  getMetadata() {
    return this.#call((core) => core.getMetadata());
  }

  setMetadata(changes) {
    const copy = isObject(changes) ? { ...changes } : changes;
    return this.#call((core) => core.setMetadata(copy));
  }

  on(event, listener) {
    if (this.#end) {
      throw this.#end;
    }
    if (!Object.hasOwn(CALLBACK_OF, event)) {
      throw invalid('event', `must be one of ${Object.keys(CALLBACK_OF).join(', ')}`);
    }
    if (typeof listener !== 'function') {
      throw invalid('listener', 'must be a function');
    }
    return this.#events.on(event, listener);
  }

  close() {
    if (this.#end) {
      return;
    }
    const error = closedError('close()');
    this.#stop(error);
    const core = this.#core;
    this.#finish(error);
    // The call may come out of a callback, with the core still at work below: it is freed when that is through.
    queueMicrotask(() => core?.free());
  }

  // Engines without the symbol have no syntax that would use it.
  [Symbol.dispose ?? Symbol.for('Symbol.dispose')]() {
    this.close();
  }

  /** Starts connecting; `attempt` is what all calls of `connect()` wait for. */
  #begin(attempt) {
    this.#attempt = attempt;
    attempt.call = {
      run: (core) => {
        attempt.isHeard = true;
        core.connect().then(() => {
          this.#pending.delete(attempt.call.fail);
          attempt.resolve();
        }, attempt.call.fail);
      },
      fail: (error) => {
        this.#pending.delete(attempt.call.fail);
        if (this.#attempt === attempt) {
          this.#attempt = undefined;
        }
        attempt.reject(error);
      },
    };
    this.#pending.add(attempt.call.fail);
    // Loading takes its time, and the core can not tell of it.
    this.#setState({ state: 'connecting' });
    // A callback may have called disconnect().
    if (this.#attempt === attempt) {
      this.#enter(attempt.call);
    }
    return attempt;
  }

  /** Ends connecting and the connection. */
  #stop(error) {
    const attempt = this.#attempt;
    attempt?.call.fail(error);
    if (attempt && !attempt.isHeard) {
      // What the core has not heard of, it need not hear.
      this.#waiting = this.#waiting.filter((call) => call !== attempt.call);
      this.#setState(IDLE);
    } else if (this.#core) {
      this.#run({ run: (core) => core.disconnect(), fail: () => {} });
    }
  }

  /** Asks the core for something. Never throws; every failure is a rejection. */
  #call(ask) {
    const deferred = createDeferred();
    const settle = (how) => (value) => {
      this.#pending.delete(deferred.reject);
      how(value);
    };
    const call = {
      run: (core) => {
        ask(core).then(settle(deferred.resolve), settle(deferred.reject));
      },
      fail: settle(deferred.reject),
    };
    const refusal = this.#refusal();
    if (refusal) {
      call.fail(refusal);
    } else {
      this.#pending.add(deferred.reject);
      this.#enter(call);
    }
    return deferred.promise;
  }

  /** Why nothing can be asked for, if so. */
  #refusal() {
    if (!this.#end && this.#config.spaceToken == null) {
      const cure = 'pass the one that your server made with generateToken(), or a function that fetches one';
      return invalid('spaceToken', `is required: ${cure}`);
    }
    return this.#end;
  }

  /** Runs a call in its turn: at once, or when the core is there. */
  #enter(call) {
    if (this.#core && this.#waiting.length === 0) {
      this.#run(call);
      return;
    }
    this.#waiting.push(call);
    this.#load();
  }

  async #load() {
    if (this.#core || this.#isLoading) {
      return;
    }
    this.#isLoading = true;
    try {
      const { SpaceCore } = await this.#engine.load();
      if (this.#end) {
        return;
      }
      const fault = this.#engine.fault();
      if (fault) {
        this.#die(fault);
        return;
      }
      const { spaceId, workerUrl, newestFirst, webSocket } = this.#config;
      this.#core = new SpaceCore({ spaceId, workerUrl, newestFirst, webSocket }, this.#host());
    } catch (error) {
      if (isTrap(error)) {
        this.#die(this.#engine.fail(error));
      } else if (!this.#end) {
        this.#refuseAll(error);
      }
      return;
    } finally {
      this.#isLoading = false;
    }
    // A callback may call again meanwhile: it lines up, and finds its turn here.
    for (let call = this.#waiting[0]; call && this.#core; call = this.#waiting[0]) {
      this.#run(call);
      this.#waiting = this.#waiting.filter((other) => other !== call);
    }
  }

  /** The core could not be made: all that waits fails, and the next call tries again. */
  #refuseAll(error) {
    const wasConnecting = this.#attempt !== undefined;
    for (const call of this.#waiting.splice(0)) {
      call.fail(error);
    }
    if (wasConnecting) {
      this.#setState({ state: 'failed', reason: error });
      this.#tellError(error);
    }
  }

  #run(call) {
    const fault = this.#engine.fault();
    if (fault) {
      this.#die(fault);
      call.fail(fault);
      return;
    }
    try {
      call.run(this.#core);
    } catch (error) {
      if (isTrap(error)) {
        this.#die(this.#engine.fail(error));
      }
      call.fail(this.#end ?? error);
    }
  }

  /** The instance is dead: the core must not be called again, not even to free it. */
  #die(error) {
    this.#finish(error);
  }

  /** Settles what is owed, says so, and goes silent. Only the first end counts. */
  #finish(error) {
    if (this.#end) {
      return;
    }
    this.#end = error;
    this.#core = undefined;
    this.#attempt = undefined;
    this.#waiting = [];
    for (const reject of [...this.#pending]) {
      reject(error);
    }
    this.#pending.clear();
    this.#store.clearPeople();
    this.#setConnected(false);
    if (error.code === 'closed') {
      this.#setState(IDLE);
    } else {
      this.#setState({ state: 'failed', reason: error });
      this.#tellError(error);
    }
    this.#events.clear();
  }

  /** What the core asks and tells. It tells one thing at a time, with nothing of it borrowed. */
  #host() {
    const { spaceToken } = this.#config;
    const hears =
      (tell) =>
      (...values) => {
        // A core that is closed in a callback still has the rest of its news to tell.
        if (!this.#end) {
          tell(...values);
        }
      };
    return {
      token: (fresh) => (typeof spaceToken === 'function' ? spaceToken({ fresh }) : spaceToken),
      error: (code, message, retryable, field, status) => {
        const error = new ChatError(message, { code, retryable, field });
        return status === undefined ? error : Object.assign(error, { status });
      },
      onMessage: hears((message) => {
        this.#store.addMessages([message]);
        this.#events.emit('message', message);
      }),
      onConnectionChange: hears((connected) => this.#setConnected(connected)),
      onState: hears((state) => this.#setState(state)),
      onTyping: hears((userId, isTyping) => {
        this.#store.setTyping(userId, isTyping);
        this.#events.emit('typing', userId, isTyping);
      }),
      onPresence: hears((users) => {
        this.#store.setPresence(users);
        this.#events.emit('presence', users);
      }),
      onParticipant: hears((participant) => this.#events.emit('participant', participant)),
      onMetadata: hears((changes) => this.#events.emit('metadata', changes)),
      onDiscontinuity: hears((reason) => {
        if (reason === 'reset') {
          this.#store.clearMessages();
        }
        this.#events.emit('discontinuity', reason);
      }),
      onError: hears((error) => this.#tellError(error)),
    };
  }

  #tellError(error) {
    this.#store.setError(error);
    this.#events.emit('error', error);
  }

  #setConnected(connected) {
    if (connected !== this.#isConnected) {
      this.#isConnected = connected;
      this.#events.emit('connectionChange', connected);
    }
  }

  #setState(state) {
    const told = this.#state;
    // The core tells what was told already while it was loading.
    if (state.state === told.state && state.retryInMs === told.retryInMs && state.reason === told.reason) {
      return;
    }
    this.#state = state;
    if (state.state === 'failed') {
      // The next connect() is a new attempt; this one's promise is the core's to reject.
      this.#attempt = undefined;
    }
    this.#store.setState(state);
    this.#events.emit('stateChange', state);
  }
}

function readUntil(until) {
  expect(until === 'stored', 'until', until, "'stored'");
  return until === 'stored';
}

function isObject(value) {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

/** Whether the Wasm itself stopped, as a panic makes it do. */
function isTrap(error) {
  return error instanceof WebAssembly.RuntimeError;
}

function warnOfKey(gatewayKey) {
  if (gatewayKey && globalThis.window?.document && !hasWarned) {
    hasWarned = true;
    console.warn(
      'kuratchi-spaces: gatewayKey is not needed in a browser and is not sent. It signs tokens: whoever has it ' +
        'can enter every space. Remove it from the page, replace it, and pass spaceToken alone.',
    );
  }
}
