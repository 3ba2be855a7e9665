/**
 * What first-version connections may have on its way to the object: all of an isolate together, also those that leave.
 */
import assert from 'node:assert/strict';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';

const FOLDER = new URL('../../crates/worker/', import.meta.url);
const MIB = 1024 * 1024;
const FRAME = 'x'.repeat(32 * 1024);
/** As many as a burst pays for. */
const FRAMES = (31 * MIB) / FRAME.length;
const RELAYS = 6;
/** What all may have together, with what each may have besides. */
const ON_ITS_WAY_MIB_MAX = 40;

// The Workers runtime has it; Node has from 22 on.
Promise.withResolvers ??= () => {
  const parts = {};
  parts.promise = new Promise((resolve, reject) => Object.assign(parts, { resolve, reject }));
  return parts;
};

/** As the Worker's Rust answers, for a connection that proves itself with its first frame. */
const RUST = `
  export const hear_unproven = () => ({ errand: {}, burst: 1_500, perSecond: 20, unitsPerPermit: 32_768 });
  export const dismiss_unproven = (_env, code) => ({ frame: code, code: 4429, reason: code });
`;
const INSTANCE = `
  export const enter = (work) => work();
  export const survive = (work) => work();
`;

class Socket {
  #listeners = {};
  units = 0;

  accept() {}

  addEventListener(type, listen) {
    this.#listeners[type] ??= [];
    this.#listeners[type].push(listen);
  }

  /** What it was sent: an object's socket gives marks back. */
  sent = [];

  send(data) {
    this.sent.push(data);
    this.units += data.length ?? data.byteLength;
    if (this.givesMarksBack && data.byteLength === 1) this.emit('message', { data });
  }

  close() {}

  emit(type, event) {
    for (const listen of this.#listeners[type] ?? []) listen(event);
  }
}

let folder;
let acceptFirstVersion;
let server;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'kuratchi-relay-'));
  for (const name of ['first-version.js', 'places.js'])
    copyFileSync(new URL(name, FOLDER), join(folder, name));
  writeFileSync(join(folder, 'index.js'), RUST);
  writeFileSync(join(folder, 'instance.js'), INSTANCE);
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  globalThis.WebSocketPair = class {
    0 = new Socket();
    1 = new Socket();
    constructor() {
      server = this[1];
    }
  };
  globalThis.scheduler ??= { wait: (ms) => sleep(ms, undefined, { ref: false }) };
  // Node's knows no status 101.
  globalThis.Response = class {};
  ({ acceptFirstVersion } = await import(pathToFileURL(join(folder, 'first-version.js'))));
});
after(() => rmSync(folder, { recursive: true, force: true }));

/** Opens a connection whose object works nothing off, and has it say as much as it may. Gives its two sockets. */
async function flood() {
  const sockets = await open();
  for (let at = 0; at < FRAMES; at += 1) sockets.client.emit('message', { data: FRAME });
  return sockets;
}

/** Opens a connection. Gives its two sockets. */
async function open(object = new Socket()) {
  acceptFirstVersion({ space: 'room', source: '' }, {}, { waitUntil() {} }, async () => ({
    webSocket: object,
  }));
  const client = server;
  client.emit('message', { data: 'auth' });
  await sleep(1);
  return { client, object };
}

test('what_those_who_leave_have_said_is_on_its_way_until_the_object_has_worked_it_off', async () => {
  const objects = [];
  for (let at = 0; at < RELAYS; at += 1) {
    const { client, object } = await flood();
    objects.push(object);
    client.emit('close', { code: 1000, reason: '' });
  }
  const mib = objects.reduce((sum, { units }) => sum + units, 0) / MIB;
  assert.ok(mib > 30 && mib < ON_ITS_WAY_MIB_MAX, `${mib} MiB`);
  // The object answers the close: there is room again.
  for (const object of objects) object.emit('close', { code: 1000, reason: '' });
  const { object } = await flood();
  assert.ok(object.units > 30 * MIB, `${object.units / MIB} MiB`);
  object.emit('close', { code: 1000, reason: '' });
});

test('what_quiet_connections_said_last_is_not_on_its_way', async () => {
  const quiet = [];
  for (let at = 0; at < 700; at += 1) {
    const { client, object } = await open(Object.assign(new Socket(), { givesMarksBack: true }));
    // Just less than what a mark follows, 43 MiB in all; and what a mark says of, and the same behind it.
    const frames = at % 2 ? [65_000] : [65_536, 65_000];
    for (const length of frames) client.emit('message', { data: 'x'.repeat(length) });
    quiet.push({ client, object });
  }
  const { object } = await flood();
  assert.ok(object.units > 30 * MIB, `${object.units / MIB} MiB`);
  for (const { client, object } of quiet) {
    client.emit('close', { code: 1000, reason: '' });
    object.emit('close', { code: 1000, reason: '' });
  }
  object.emit('close', { code: 1000, reason: '' });
});

test('who_is_over_its_limit_is_told_at_once_and_closed_when_the_object_is_done', async () => {
  const object = new Socket();
  const { client } = await open(object);
  let closed;
  client.close = (code) => {
    closed = code;
  };
  // More than a burst pays for.
  for (let at = 0; at < 1_501; at += 1) client.emit('message', { data: 'x' });
  assert.deepEqual(client.sent, ['rateLimited'], 'told at once, and once');
  const [mark] = object.sent.filter((data) => data.byteLength === 1);
  await sleep(1_100);
  client.emit('message', { data: 'x' });
  client.emit('message', { data: 'x' });
  assert.equal(client.sent.length, 2, 'told again, once a second');
  assert.equal(closed, undefined, 'the object has not worked off what it has');
  object.emit('message', { data: 'an answer' });
  object.emit('message', { data: mark });
  await sleep(700);
  assert.equal(closed, 4429);
  assert.deepEqual(client.sent.slice(2), ['an answer'], 'the refusal is not said again');
});

test('what_no_object_would_read_is_not_passed_on', async () => {
  const object = new Socket();
  const { client } = await open(object);
  const { units } = object;
  client.emit('message', { data: 'x'.repeat(256 * 1024 + 1) });
  assert.deepEqual([client.sent, object.units], [['tooLarge'], units]);
  client.emit('message', { data: 'x'.repeat(256 * 1024) });
  assert.ok(object.units >= units + 256 * 1024);
  object.emit('close', { code: 1000, reason: '' });
});
