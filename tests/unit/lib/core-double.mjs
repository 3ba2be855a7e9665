/**
 * A double of the Wasm core that does what it is told and notes what it was asked, and a client over it.
 *
 * Owns nothing of the real one, which is tested in browsers.
 */

import { mock } from 'node:test';
import { setImmediate as nextTask } from 'node:timers/promises';

import { SpaceClient } from '../../../pkg-template/client.js';
import { createEngine } from '../../../pkg-template/loader.js';

export const CONFIG = { spaceId: 'a', spaceToken: 'token', workerUrl: 'https://chat.example' };

/** Stands in for the Wasm core. */
export class CoreDouble {
  static made = [];
  asked = [];
  owed = [];
  connected = false;
  freed = 0;

  constructor(options, host) {
    this.options = options;
    this.host = host;
    CoreDouble.made.push(this);
  }

  #ask(...words) {
    this.asked.push(words);
    return new Promise((resolve, reject) => this.owed.push({ name: words[0], resolve, reject }));
  }

  connect() {
    if (this.connected) {
      // Nothing changes, so nothing is told.
      return Promise.resolve();
    }
    this.host.onState({ state: 'connecting' });
    return this.#ask('connect');
  }

  disconnect() {
    this.asked.push(['disconnect']);
    if (this.connected) {
      this.connected = false;
      this.host.onConnectionChange(false);
    }
    this.host.onState({ state: 'idle' });
    this.settle('connect', 'reject', this.host.error('closed', 'disconnect() was called', false));
  }

  wake() {
    this.asked.push(['wake']);
  }

  isConnected() {
    return this.connected;
  }

  sendMessage(options, untilStored) {
    return this.#ask('sendMessage', options, untilStored);
  }

  editMessage(...values) {
    return this.#ask('editMessage', ...values);
  }

  deleteMessage(...values) {
    return this.#ask('deleteMessage', ...values);
  }

  retry(id) {
    return this.#ask('retry', id);
  }

  discard(id) {
    return this.#ask('discard', id);
  }

  clearLocal() {
    this.host.clearRows();
    return this.#ask('clearLocal');
  }

  newestMessages() {
    return this.#ask('newestMessages');
  }

  outboxLoaded(rows) {
    this.asked.push(['outboxLoaded', rows]);
  }

  persisted(id) {
    this.asked.push(['persisted', id]);
  }

  removed(id) {
    this.asked.push(['removed', id]);
  }

  ownsAny() {
    return true;
  }

  persistFailed() {
    this.asked.push(['persistFailed']);
  }

  getMessages(options) {
    return this.#ask('getMessages', options);
  }

  setTyping(...values) {
    return this.#ask('setTyping', ...values);
  }

  getParticipants() {
    return this.#ask('getParticipants');
  }

  getMetadata() {
    return this.#ask('getMetadata');
  }

  tokenChanges = 0;

  tokenChanged() {
    this.tokenChanges += 1;
  }

  setMetadata(changes) {
    return this.#ask('setMetadata', changes);
  }

  free() {
    this.freed += 1;
  }

  settle(name, how, value) {
    const settled = this.owed.filter((call) => call.name === name);
    this.owed = this.owed.filter((call) => call.name !== name);
    for (const call of settled) {
      call[how](value);
    }
  }

  accept() {
    this.connected = true;
    this.host.onConnectionChange(true);
    this.host.onState({ state: 'connected' });
    this.settle('connect', 'resolve');
  }

  refuse(code) {
    const error = this.host.error(code, 'refused', false);
    this.host.onState({ state: 'failed', reason: error });
    this.host.onError(error);
    this.settle('connect', 'reject', error);
    return error;
  }

  names() {
    return this.asked.map(([name]) => name);
  }
}

/** A client over a double, whose loading ends when the test says so. */
export function setUp(config = {}, glue = {}) {
  CoreDouble.made = [];
  const loading = {};
  loading.promise = new Promise((resolve, reject) => Object.assign(loading, { resolve, reject }));
  const source = mock.fn(() => loading.promise);
  const engine = createEngine(source, async () => ({
    default: async () => {},
    SpaceCore: CoreDouble,
    ...glue,
  }));
  const client = new SpaceClient({ ...CONFIG, ...config }, engine);
  const load = async () => {
    loading.resolve('module');
    await nextTask();
    return CoreDouble.made[0];
  };
  return { client, engine, source, loading, load };
}

/** A client that is looked at, whose core is there, and connected. */
export async function setUpConnected(config, glue) {
  const all = setUp(config, glue);
  all.client.getSnapshot();
  const connecting = all.client.connect();
  const core = await all.load();
  core.accept();
  await connecting;
  return { ...all, core };
}
