/**
 * The installed package in Node: with a WebSocket class handed in, with Node's own, and without any.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { borrow, Installed, runProgram } from './lib/installed.mjs';
import { expectedVisit, VISIT } from './lib/visit.mjs';
import { startWorker } from './lib/worker.mjs';

const TEST_MS_MAX = 60_000;
const WEBSOCKET_FLAG = '--experimental-websocket';

const PROGRAMS = {
  'visit.js': VISIT,
  'handed-in.js': `
    import { client } from 'kuratchi-spaces';
    import { WebSocket } from 'ws';
    import { visit } from './visit.js';
    delete globalThis.WebSocket;
    const config = { ...JSON.parse(process.env.SPACE), webSocket: WebSocket };
    console.log(JSON.stringify(await visit(client, config)));
  `,
  // From the sub-path here, and as `spaces` below: the other two ways to import the same.
  'plain.js': `
    import { client } from 'kuratchi-spaces/spaces';
    import { visit } from './visit.js';
    try {
      console.log(JSON.stringify(await visit(client, JSON.parse(process.env.SPACE))));
    } catch (error) {
      console.log(JSON.stringify({ refusal: error.message }));
    }
  `,
  'http.js': `
    import { spaces } from 'kuratchi-spaces';
    delete globalThis.WebSocket;
    const space = spaces.client(JSON.parse(process.env.SPACE));
    const refusal = await space.connect().then(() => undefined, (error) => error.message);
    const { text } = await space.sendMessage({ senderId: 'ada', senderType: 'user', text: 'By request' });
    await space.setMetadata({ topic: 'Invoices' });
    const told = {
      refusal,
      text,
      history: (await space.getMessages()).map((message) => message.text),
      participants: (await space.getParticipants()).map((participant) => participant.userId),
      metadata: await space.getMetadata(),
    };
    space.close();
    console.log(JSON.stringify(told));
  `,
};

const NO_WEBSOCKET = 'WebSocket not available in this environment';

describe('in Node', () => {
  const installed = new Installed();
  let worker;
  let folder;

  before(async () => {
    await installed.pack();
    folder = await installed.project('node-app', PROGRAMS);
    borrow(folder, 'ws');
    worker = await startWorker();
  });
  after(async () => {
    await worker?.stop();
    installed.remove();
  });

  /** A program that ends only by being stopped fails here: `close()` keeps no process alive. */
  async function visitWith(program, flags = []) {
    const space = await worker.admit();
    const told = await runProgram(folder, program, { flags, env: { SPACE: JSON.stringify(space) } });
    return { told, space };
  }

  test('connects with the class that is handed in', { timeout: TEST_MS_MAX }, async () => {
    const { told, space } = await visitWith('handed-in.js');
    assert.deepEqual(told, expectedVisit(space));
  });

  test("connects with Node's own class, and says so where there is none", {
    timeout: TEST_MS_MAX,
  }, async () => {
    const { told, space } = await visitWith('plain.js');
    const isBuiltIn = typeof globalThis.WebSocket === 'function';
    assert.deepEqual(told, isBuiltIn ? expectedVisit(space) : { refusal: NO_WEBSOCKET });
    // Node 20 has the class, too, from 20.10 on, where it is asked for.
    if (!isBuiltIn && process.allowedNodeEnvironmentFlags.has(WEBSOCKET_FLAG)) {
      const asked = await visitWith('plain.js', [WEBSOCKET_FLAG]);
      assert.deepEqual(asked.told, expectedVisit(asked.space));
    }
  });

  test('works over HTTP without any class', { timeout: TEST_MS_MAX }, async () => {
    const { told } = await visitWith('http.js');
    assert.deepEqual(told, {
      refusal: NO_WEBSOCKET,
      text: 'By request',
      history: ['By request'],
      participants: ['ada'],
      metadata: { topic: 'Invoices' },
    });
  });
});
