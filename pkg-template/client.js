/**
 * The client as apps see it, around the Wasm core.
 *
 * Owns the life of the core (made by the first call that needs it, never called again once closed or dead), the
 * order of calls made before it is there, and the one promise of `connect()`. Must not know the protocol: what
 * to send, to wait for or to try again is decided in the core.
 */

import { createHost } from './core-host.js';
import { ChatError } from './errors.js';
import { CALLBACK_OF, Events } from './events.js';
import { enterRoom, gotThrough, keepRooms, leaveRoom } from './keeper.js';
import { Older } from './older.js';
import {
  copyOf,
  expectToken,
  invalid,
  POLLS_ONLY,
  placeOf,
  readConfig,
  readConnectOptions,
  readOlderOptions,
  splitUntil,
} from './options.js';
import { Outbox } from './outbox.js';
import { isPage } from './outbox-memory.js';
import { Refill } from './refill.js';
import { Store } from './store.js';
import { tabId } from './tab-memory.js';
import { warnOfTransport } from './transport-costs.js';
import {
  abortedError,
  CLOSE_WHEN_SAFE,
  closedError,
  createDeferred,
  createRejected,
  withLimits,
} from './waiting.js';

const IDLE = { state: 'idle' };
const ignore = () => {};
/** How long a view that is gone keeps its client until what was sent is on disk, in milliseconds. */
const SAFE_MS_MAX = 10_000;
/**
 * How long it keeps a connected one where another client of the room is there to send what waits. Shorter than that one waits for its
 * lane (outbox-lane.js): else it writes into another one, and is shown what waits in this one late.
 */
const WANTED_MS_MAX = 250;
/** How long what is on its way to the disk when a client is closed may take to be safe, in milliseconds. */
const WRITTEN_MS_MAX = 5_000;

/** How long what is sent waits for a view that is about to connect, in milliseconds: one that is never shown may not come. */
const VIEW_MS_MAX = 1_000;

let hasWarned = false;

/** A client of one space. Each entry point gives it its engine. */
export class SpaceClient {
  #config;
  #engine;
  #events = new Events();
  #store = new Store(() => this.#events.hears('messageUpdate'));
  #outbox;
  #refill = new Refill(this.#store, (take, fail) =>
    this.#tellCore((core) => {
      core.newestMessages().then(take, fail);
    }),
  );
  #older = new Older(this.#store, (query) => this.#call((core) => core.getMessages(query)));
  /** The core, once it is made. */
  #core;
  #isLoading = false;
  /** Whether a view is about to connect: what is sent before waits for that. `#viewTimer` ends it. */
  #isExpected;
  #viewTimer;
  /** Calls that wait for the core, oldest first. While there are any, later ones line up behind them. */
  #waiting = [];
  /** Calls whose messages are not safe yet. */
  #unsafe = new Set();
  /** Leaves what waits to another client of the page as soon as that can send it; resolves then. */
  #handOver = async () => {};
  /** What is owed to the app: rejected when the core can not settle it any more. */
  #pending = new Set();
  /** Those of what is sent: a message, an edit, a deletion, a row that is tried again. */
  #sends = new Set();
  /** Resolves once what was sent is settled, after the end. */
  #settled;
  /** What `connect()` gave, until it fails or `disconnect()` is called. */
  #attempt;
  #state = IDLE;
  #isConnected = false;
  /** Whether the page counts this client as one in its room, and how to have other rooms looked after no more. */
  #isInRoom = false;
  #leaveKeeper;
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
    this.#isExpected = this.#config.connectsSoon;
    for (const [event, callback] of this.#config.callbacks) {
      this.#events.on(event, callback);
    }
    const events = {
      onLoading: (rows) => this.#store.reserveOutbox(rows),
      onWeakened: () => this.#store.setPersistence(this.#outbox.persistence),
      onLost: (error) => this.#losePersistence(error),
      onWanted: () => this.#handOver(),
    };
    const tell = (act) => this.#tellCore(act);
    this.#outbox = new Outbox(placeOf(this.#config), tell, events, { user: this.#config.userId });
    this.#store.setPersistence(this.#outbox.persistence);
    warnOfKey(this.#config);
    keepOwnSelf(this);
  }

  connect(options) {
    const refusal = this.#refusal();
    if (refusal) {
      return createRejected(refusal);
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
    if (this.#attempt && this.#state.retryInMs !== undefined) {
      // Whoever asks does not want to wait for the next attempt's time.
      this.#hasten();
    }
    const { promise } = this.#attempt ?? this.#begin(createDeferred());
    return limits ? withLimits(promise, limits) : promise;
  }

  disconnect() {
    if (!this.#end) {
      this.#stop(closedError('disconnect()'));
    }
  }

  setToken(spaceToken) {
    if (this.#end) {
      throw this.#end;
    }
    expectToken(spaceToken);
    if (spaceToken == null) {
      throw invalid('spaceToken', 'is required');
    }
    if (spaceToken !== this.#config.spaceToken) {
      this.#config.spaceToken = spaceToken;
      this.#tellCore((core) => core.tokenChanged());
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

  get persistence() {
    return this.#outbox.persistence;
  }

  get transport() {
    return this.#state.transport;
  }

  sendMessage(options, extra) {
    return this.#callUntil(options, extra, (core, message, untilStored) =>
      core.sendMessage(message, untilStored),
    );
  }

  editMessage(id, options, extra) {
    return this.#callUntil(options, extra, (core, edit, untilStored) => {
      const shown = this.#store.find(id);
      // The room refuses this too, but maybe long after the outbox took the edit.
      if (edit?.text === '' && shown && !shown.attachments) {
        throw invalid('text', 'must not be empty: only a message with attachments may have no text');
      }
      return this.#tellingOf(id, core.editMessage(id, edit, untilStored));
    });
  }

  deleteMessage(id, extra) {
    return this.#callUntil(undefined, extra, (core, _, untilStored) =>
      this.#tellingOf(id, core.deleteMessage(id, untilStored)),
    );
  }

  retry(id) {
    return this.#callSending((core) => core.retry(id));
  }

  discard(id) {
    return this.#call((core) => core.discard(id));
  }

  clearLocal() {
    // Whoever signs out may have no token any more.
    return this.#callFreely(async (core) => {
      await core.clearLocal();
      await this.#outbox.whenCleared().catch((cause) => {
        const text = "the browser's storage failed: what waited to be sent may still be on the disk";
        throw new ChatError(text, { code: 'persistenceLost', cause });
      });
    });
  }

  getMessages(options) {
    return this.#callWith(options, async (core, copy) => {
      const { generation } = this.#store;
      const messages = await core.getMessages(copy);
      if (generation === this.#store.generation) {
        this.#store.addMessages(messages);
      }
      return messages;
    });
  }

  loadOlder(options) {
    try {
      return this.#older.load(readOlderOptions(options));
    } catch (error) {
      return Promise.reject(error);
    }
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
    return this.#callWith(changes, (core, copy) => core.setMetadata(copy));
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
    this.#finish(error);
  }

  // Engines without the symbol have no syntax that would use it.
  [Symbol.dispose ?? Symbol.for('Symbol.dispose')]() {
    this.close();
  }

  /** Starts connecting; `attempt` is what all calls of `connect()` wait for. */
  #begin(attempt) {
    this.#attempt = attempt;
    attempt.call = {
      // What was sent in the same breath goes over the connection, or waits for it: views below the one that connects come first.
      goesBeforeSends: true,
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
    this.#enterRoom();
    // Loading takes its time, and the core can not tell of it. A client that came back by itself is where it is.
    if (this.#state.state === 'idle' || this.#state.state === 'failed') {
      this.#setState({ state: 'connecting' });
    }
    // A callback may have called disconnect().
    if (this.#attempt === attempt) {
      this.#enter(attempt.call);
    }
    if (this.#isExpected) this.#stopExpecting();
    return attempt;
  }

  #hasten() {
    if (this.#core) {
      this.#run({ run: (core) => core.wake(), fail: () => {} });
    }
  }

  #enterRoom() {
    const { tokenFor, userId, webSocket, wasm, workerUrl, pollsOnly } = this.#config;
    // The keeper's own are in no room that anybody sees.
    if (this.#isInRoom || pollsOnly) return;
    this.#isInRoom = true;
    const place = placeOf(this.#config);
    enterRoom(place);
    if (!tokenFor || this.#leaveKeeper) return;
    const makeClient = (spaceId, spaceToken) =>
      new SpaceClient(
        { spaceId, spaceToken, userId, workerUrl, webSocket, wasm, [POLLS_ONLY]: true },
        this.#engine,
      );
    this.#leaveKeeper = keepRooms(place.workerUrl, { tokenFor, makeClient });
  }

  #leaveRoom() {
    if (!this.#isInRoom) return;
    this.#isInRoom = false;
    leaveRoom(placeOf(this.#config), this.#store.hasWaiting());
  }

  /** Ends connecting and the connection. */
  #stop(error) {
    // First, since what it tells may have a listener connect again.
    this.#leaveRoom();
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

  /** Asks for something that can wait until it is stored. */
  #callUntil(options, extra, ask) {
    try {
      const { body, untilStored } = splitUntil(options, extra);
      return this.#callSending((core) => ask(core, body, untilStored));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Asks for something that is to be sent. */
  #callSending(ask) {
    const call = this.#call(ask, true);
    const ended = call.then(ignore, ignore).then(() => this.#unsafe.delete(ended));
    this.#unsafe.add(ended);
    return call;
  }

  /** For views that are gone: what was sent right before is safe first. */
  [CLOSE_WHEN_SAFE]() {
    // No view connects it any more.
    if (this.#isExpected) this.#stopExpecting();
    const isSafe = () => this.#unsafe.size === 0 && !this.#store.hasWaiting();
    if (isSafe()) {
      this.close();
      return;
    }
    let isWanted = false;
    let isLate = false;
    const ended = createDeferred();
    const end = () => {
      for (const timer of timers) clearTimeout(timer);
      unsubscribe();
      this.close();
      this.#settled.then(ended.resolve);
    };
    const hasLink = () => !['idle', 'failed'].includes(this.#state.state);
    // What is on disk and has no owner yet would be nobody's: a connection that comes soon sends it.
    const isReady = () => {
      const isDone = this.#unsafe.size === 0 && this.#state.state !== 'connected';
      // Without a link what is sent is a request, and nowhere else.
      return this.#outbox.isKept && !this.#outbox.hasOwnerless && ((isLate && hasLink()) || isDone);
    };
    let isOver = false;
    // What waits in memory is sent from here, however long that takes. Without a link the room's next client of the page has it,
    // unless it is in this client's own. A client that is being loaded has not kept anything yet.
    const isOnlyHere = () => {
      const goesFromHere = hasLink() || !this.#outbox.isKept;
      const waits = this.persistence === 'memory' && this.#store.hasWaiting() && this.#state.state !== 'idle';
      return (waits && goesFromHere) || (this.#isLoading && this.#unsafe.size > 0);
    };
    const look = () => {
      if (isSafe() || (isWanted && isReady()) || (isOver && !isOnlyHere())) end();
    };
    const whenOver = () => {
      isOver = true;
      look();
    };
    const timers = [setTimeout(whenOver, SAFE_MS_MAX)];
    const unsubscribe = this.subscribe(look);
    Promise.all(this.#unsafe).then(look);
    this.#handOver = () => {
      if (!isWanted) {
        isWanted = true;
        const whenLate = async () => {
          await this.#outbox.whenWritten();
          isLate = true;
          look();
        };
        timers.push(setTimeout(whenLate, WANTED_MS_MAX));
        look();
      }
      return ended.promise;
    };
    this.#outbox.leave();
  }

  /**
   * Tells of a change when it is made, unless the log or the outbox told of it meanwhile: where there is no link, it
   * is one request, and nobody else does.
   */
  #tellingOf(id, changing) {
    let toldAt = Number.NEGATIVE_INFINITY;
    // One's own may be meant by the id that it was shown with while it waited.
    const isIt = (update) => update.id === id || this.#store.find(update.id)?.clientMessageId === id;
    const stop = this.#events.on('messageUpdate', (update) => {
      if (update.status === 'sent' && isIt(update)) {
        toldAt = Math.max(toldAt, update.updatedAt ?? 0);
      }
    });
    const whenChanged = (message) => {
      stop();
      if (message && !this.#end && (message.updatedAt ?? 0) > toldAt) {
        this.#tellUpdate(message);
      }
      return message;
    };
    return changing.then(whenChanged, (error) => {
      stop();
      throw error;
    });
  }

  /** Asks for something with what the app's object says now. */
  #callWith(given, ask) {
    try {
      const copy = copyOf(given);
      return this.#call((core) => ask(core, copy));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Asks the core for something that takes a token. Never throws; every failure is a rejection. */
  #call(ask, isSend = false) {
    const refusal = this.#refusal();
    return refusal ? createRejected(refusal) : this.#callFreely(ask, isSend);
  }

  /** Asks the core for something. */
  #callFreely(ask, isSend = false) {
    const deferred = createDeferred();
    const owed = isSend ? this.#sends : this.#pending;
    const settle = (how) => (value) => {
      owed.delete(deferred.reject);
      how(value);
    };
    const call = {
      isSend,
      run: (core) => {
        // The core knows of no close(): it disconnects.
        const fail = (error) => call.fail(this.#end && error?.code === 'closed' ? this.#end : error);
        ask(core).then(settle(deferred.resolve), fail);
      },
      fail: settle(deferred.reject),
    };
    if (this.#end) {
      call.fail(this.#end);
    } else {
      owed.add(deferred.reject);
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

  /**
   * Runs a call in its turn: at once, or when the core is there. Where nothing is connected, what is sent waits for the end of the
   * task: who connects in it comes first.
   */
  #enter(call) {
    const firstSend = call.goesBeforeSends ? this.#waiting.findIndex(({ isSend }) => isSend) : -1;
    const before = firstSend >= 0 ? firstSend : this.#waiting.length;
    const isEarly = call.isSend && !this.#attempt && this.#state.state === 'idle';
    if (this.#core && before === 0 && !isEarly) {
      this.#run(call);
      return;
    }
    this.#waiting.splice(before, 0, call);
    if (isEarly && this.#isExpected) {
      this.#viewTimer ??= setTimeout(() => this.#stopExpecting(), VIEW_MS_MAX);
    }
    if (this.#core) {
      queueMicrotask(() => this.#catchUp());
    } else {
      this.#load();
    }
  }

  /** The view has connected, or does not come. */
  #stopExpecting() {
    this.#isExpected = false;
    clearTimeout(this.#viewTimer);
    queueMicrotask(() => this.#catchUp());
  }

  #catchUp() {
    const isDue = (call) => call && this.#core && !(call.isSend && this.#isExpected);
    // A callback may call again meanwhile: it lines up, and finds its turn here.
    for (let call = this.#waiting[0]; isDue(call); call = this.#waiting[0]) {
      this.#run(call);
      const place = this.#waiting.indexOf(call);
      if (place >= 0) this.#waiting.splice(place, 1);
    }
  }

  async #load() {
    if (this.#core || this.#isLoading) {
      return;
    }
    this.#isLoading = true;
    try {
      const { SpaceCore } = await this.#engine.load(this.#config.wasm);
      if (this.#end) {
        return;
      }
      const fault = this.#engine.fault();
      if (fault) {
        this.#die(fault);
        return;
      }
      this.#core = this.#createCore(SpaceCore);
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
    this.#catchUp();
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
    this.#leaveKeeper?.();
    this.#leaveRoom();
    this.#end = error;
    this.#attempt = undefined;
    this.#waiting = [];
    rejectAll(this.#pending, error);
    const core = this.#core;
    const settled = createDeferred();
    this.#settled = settled.promise;
    this.#handOver = () => this.#settled;
    this.#settleSends(error).then(() => {
      settled.resolve();
      // A closed one may be at work below, where the call came out of a callback: by now it is through.
      if (core && error.code === 'closed' && !this.#engine.fault()) core.free();
    });
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

  /** What was sent resolves where it is safe by now, or soon: whoever has the room next sends it. All else is refused. */
  async #settleSends(error) {
    if (this.#core && this.#sends.size > 0 && error.code === 'closed' && this.#outbox.isKept) {
      await this.#whenWritten();
    }
    this.#core = undefined;
    this.#outbox.close();
    rejectAll(this.#sends, error);
  }

  /** Resolves once all that was sent is on the disk, or that has taken too long. Another client of the page has it then. */
  async #whenWritten() {
    // Out of a callback the core gives what is to be written once that is through.
    await new Promise((resolve) => setTimeout(resolve, 0));
    const late = createDeferred();
    const timer = setTimeout(late.resolve, WRITTEN_MS_MAX);
    await Promise.race([this.#outbox.end(), late.promise]);
    clearTimeout(timer);
    // What the core was told of the last of it takes its way to the app.
    await undefined;
  }

  #createCore(SpaceCore) {
    const { spaceId, userId, workerUrl, newestFirst, webSocket, pollsOnly } = this.#config;
    // Only a worker of the TypeScript SDK is ever sent the key, and only where the app says that there is one.
    const legacyWorker = this.#config.legacyWorker ? this.#config.gatewayKey : undefined;
    // Servers may have a storage as well, which their clients, of many people, would share.
    const clientScope = isPage() ? tabId('scope', placeOf(this.#config)) : undefined;
    const host = createHost({
      spaceToken: () => this.#config.spaceToken,
      store: this.#store,
      events: this.#events,
      outbox: this.#outbox,
      isOver: () => this.#end !== undefined,
      setConnected: (connected) => this.#setConnected(connected),
      setState: (state) => this.#setState(state),
      tellUpdate: (message) => this.#tellUpdate(message),
      tellDiscontinuity: (reason) => this.#tellDiscontinuity(reason),
      tellError: (error) => this.#tellError(error),
    });
    const given = { spaceId, workerUrl, newestFirst, webSocket, pollsOnly };
    const options = { ...given, clientScope, userId, legacyWorker };
    return new SpaceCore(options, host);
  }

  /** Tells the core what the outbox's keeper has to say, while there is a core. */
  #tellCore(act) {
    if (this.#core) {
      this.#run({ run: act, fail: () => {} });
    }
  }

  #losePersistence(cause) {
    this.#store.setPersistence(this.#outbox.persistence);
    const text =
      "the browser's storage failed: what waits to be sent is kept in memory, and lost with the page; ask people " +
      'to keep it open until everything is sent';
    this.#tellError(new ChatError(text, { code: 'persistenceLost', cause }));
  }

  #tellUpdate(message) {
    this.#store.updateMessage(message);
    // What is shown is a change of one's own that is on its way: its end is told, and no older state before it.
    const isOverlaid = this.#store.find(message.id)?.status === 'pending';
    if (isOverlaid && message.deletedAt === undefined) return;
    this.#events.emit('messageUpdate', { ...message, status: 'sent' });
  }

  #tellDiscontinuity(reason) {
    this.#refill.start();
    if (this.#events.hears('discontinuity')) {
      this.#events.emit('discontinuity', reason);
      return;
    }
    // The store mends itself, and shows no error. A list that the app keeps has a hole that nobody else tells of.
    const text = `messages may be missing (${reason}): listen for onDiscontinuity and load the history again`;
    this.#events.emit('error', new ChatError(text, { code: 'discontinuity' }));
  }

  #tellError(error) {
    this.#store.setError(error);
    this.#events.emit('error', error);
  }

  #setConnected(connected) {
    if (connected !== this.#isConnected) {
      this.#isConnected = connected;
      if (connected && this.#isInRoom) gotThrough(placeOf(this.#config));
      this.#events.emit('connectionChange', connected);
    }
  }

  #setState(state) {
    const told = this.#state;
    // The core tells what was told already while it was loading.
    if (['state', 'transport', 'retryInMs', 'reason'].every((part) => state[part] === told[part])) {
      return;
    }
    this.#state = state;
    if (state.state === 'failed') {
      // The next connect() is a new attempt; this one's promise is the core's to reject.
      this.#attempt = undefined;
    }
    this.#refill.setConnected(state.state === 'connected');
    this.#store.setState(state);
    if (!this.#config.pollsOnly) warnOfTransport(state.transport);
    this.#events.emit('stateChange', state);
  }
}

/**
 * Makes methods and getters mean this object, whatever they are called on: what frameworks wrap around an object (Vue's `ref()`,
 * MobX) calls them on the wrapper, which has none of the private fields. Those of a class that extends ours are kept.
 */
function keepOwnSelf(object) {
  for (
    let prototype = Object.getPrototypeOf(object);
    prototype !== Object.prototype;
    prototype = Object.getPrototypeOf(prototype)
  ) {
    for (const name of Reflect.ownKeys(prototype)) {
      if (name === 'constructor' || Object.hasOwn(object, name)) {
        continue;
      }
      const { get, set, value } = Object.getOwnPropertyDescriptor(prototype, name);
      const bound =
        get || set
          ? { get: get?.bind(object), set: set?.bind(object) }
          : { value: typeof value === 'function' ? value.bind(object) : value, writable: true };
      Object.defineProperty(object, name, { configurable: true, ...bound });
    }
  }
}

function rejectAll(rejects, error) {
  for (const reject of [...rejects]) {
    reject(error);
  }
  rejects.clear();
}

/** Whether the Wasm itself stopped, as a panic makes it do. */
function isTrap(error) {
  // Where there is no WebAssembly, what failed is that.
  return typeof WebAssembly === 'object' && error instanceof WebAssembly.RuntimeError;
}

function warnOfKey({ gatewayKey, legacyWorker }) {
  if (gatewayKey && globalThis.window?.document && !hasWarned) {
    hasWarned = true;
    const why = legacyWorker
      ? 'legacyWorker: true sends it to the worker at workerUrl, and everybody who opens the page can read it'
      : 'it is not needed in a browser, and is sent to nobody';
    console.warn(
      `kuratchi-spaces: gatewayKey: ${why}. It signs tokens: whoever has it can enter every space. Remove it from the ` +
        'page, replace it, and pass spaceToken alone.',
    );
  }
}
