/**
 * The two components of the documents, statement by statement, while somebody else writes at every moment
 * between `connect` and the assignment: everything once, in order, nothing lost.
 */
import assert from 'node:assert/strict';
import { assertNoProblems, test, until, useStack } from './lib/stack.mjs';

const stack = useStack();

let sharedTab;

/** One tab for all tests, with a new document each: a browser of its own for each would take most of the time. */
async function freshTab() {
  sharedTab ??= await stack.newBareTab();
  await sharedTab.goto(stack.url);
  return sharedTab;
}

/** What the Svelte sample's `onMount` does; the state is a plain variable. */
function svelteSample(space) {
  globalThis.component = { messages: [], isLoaded: false };
  const { component } = globalThis;
  const onMount = async () => {
    const spaces = await import('/kuratchi-spaces/index.js');
    const init = `/api/chat/init?space=${encodeURIComponent(space)}`;
    const { spaceId, spaceToken, workerUrl } = await fetch(init).then((r) => r.json());

    const client = spaces.client({
      spaceId,
      spaceToken,
      gatewayKey: undefined,
      workerUrl,
      onMessage: (msg) => {
        component.messages = [...component.messages, msg];
      },
    });

    component.client = client;
    await client.connect();
    component.messages = await client.getMessages();
    component.isLoaded = true;
  };
  onMount();
}

/** What the React sample's effect does; `setMessages` queues its updates as React does and applies them in order. */
function reactSample(space) {
  globalThis.component = { messages: [], isLoaded: false };
  const { component } = globalThis;
  let updates = [];
  const setMessages = (next) => {
    if (updates.length === 0) {
      queueMicrotask(() => {
        const batch = updates;
        updates = [];
        for (const update of batch) {
          component.messages = typeof update === 'function' ? update(component.messages) : update;
        }
      });
    }
    updates.push(next);
  };
  async function init() {
    const spaces = await import('/kuratchi-spaces/index.js');
    const path = `/api/chat/init?space=${encodeURIComponent(space)}`;
    const { spaceId, spaceToken, workerUrl } = await fetch(path).then((r) => r.json());

    const c = spaces.client({
      spaceId,
      spaceToken,
      gatewayKey: undefined,
      workerUrl,
      onMessage: (msg) => setMessages((prev) => [...prev, msg]),
    });

    await c.connect();
    const history = await c.getMessages();
    setMessages(history);
    component.isLoaded = true;
  }
  init();
}

const SAMPLES = { svelte: svelteSample, react: reactSample };

/**
 * Where a peer's messages go. Each step gets the proxy and `write`, which stores messages and resolves when the
 * Worker has them; it begins before the component starts and must end with every gate open.
 */
const STEPS = {
  'before the client exists': async ({ start, write }) => {
    await write();
    await start();
  },
  'before connect resolves: while the upgrade is held': async ({ proxy, start, write }) => {
    proxy.upgrades.shut();
    await start();
    await proxy.upgrades.arrival();
    await write();
  },
  'before connect resolves: while the welcome is held': async ({ proxy, start, write, loaded }) => {
    proxy.holdFrames();
    await start();
    await proxy.said('"welcome"');
    const texts = await write();
    await proxy.said(texts.at(-1));
    proxy.releaseFrames();
    await loaded();
  },
  'right after connect: while the history request is held, heard live first': async ({
    proxy,
    start,
    write,
  }) => {
    proxy.requests.shut();
    await start();
    await proxy.requests.arrival();
    const texts = await write();
    await proxy.said(texts.at(-1));
  },
  'while the history request is held, live frames come after the page': async (context) => {
    const { proxy, start, write, loaded } = context;
    proxy.requests.shut();
    await start();
    await proxy.requests.arrival();
    proxy.holdFrames();
    const texts = await write();
    await proxy.said(texts.at(-1));
    proxy.requests.open();
    await loaded();
  },
  'while the answer is held, live frames first': async ({ proxy, start, write }) => {
    proxy.answers.shut();
    await start();
    await proxy.answers.arrival();
    const texts = await write();
    await proxy.said(texts.at(-1));
  },
  'while the answer is held, live frames come after the page': async ({ proxy, start, write, loaded }) => {
    proxy.answers.shut();
    await start();
    await proxy.answers.arrival();
    proxy.holdFrames();
    const texts = await write();
    await proxy.said(texts.at(-1));
    proxy.answers.open();
    await loaded();
  },
  'at resolution: frames and answer let go together': async ({ proxy, start, write }) => {
    proxy.answers.shut();
    await start();
    await proxy.answers.arrival();
    proxy.holdFrames();
    const texts = await write();
    await proxy.said(texts.at(-1));
    proxy.releaseFrames();
    proxy.answers.open();
  },
  'at resolution: while nothing is held any more': async ({ proxy, start, write }) => {
    proxy.answers.shut();
    await start();
    await proxy.answers.arrival();
    const written = write();
    proxy.answers.open();
    await written;
  },
  'right after the assignment': async ({ start, write, loaded }) => {
    await start();
    await loaded();
    await write();
  },
  'while the link breaks between connect and the page': async ({ proxy, start, write }) => {
    proxy.requests.shut();
    await start();
    await proxy.requests.arrival();
    await write();
    proxy.cut();
    await write();
    proxy.requests.open();
    await write();
  },
  'at every step, one after the other': async ({ proxy, start, write, loaded }) => {
    await write();
    proxy.upgrades.shut();
    proxy.requests.shut();
    proxy.answers.shut();
    await start();
    await proxy.upgrades.arrival();
    await write();
    proxy.upgrades.open();
    await proxy.requests.arrival();
    await write();
    proxy.holdFrames();
    await write();
    proxy.requests.open();
    await proxy.answers.arrival();
    await write();
    proxy.releaseFrames();
    await write();
    proxy.answers.open();
    await write();
    await loaded();
    await write();
  },
};

/** Compares what was sent with what is shown; every number must be 0. */
function compare(sent, shown, mustShow) {
  const positions = shown.map((text) => sent.indexOf(text));
  const known = new Set(shown);
  return {
    lost: mustShow.filter((text) => !known.has(text)).length,
    doubled: shown.length - known.size,
    outOfOrder: positions.filter((position, index) => index > 0 && position < positions[index - 1]).length,
    strange: positions.filter((position) => position === -1).length,
    // What is shown is the newest page and all after it: there is no hole in it.
    holes: known.size === 0 ? 0 : Math.max(...positions) - Math.min(...positions) + 1 - known.size,
  };
}

for (const [sampleName, sample] of Object.entries(SAMPLES)) {
  for (const [stepName, step] of Object.entries(STEPS)) {
    for (const { burst, history } of [
      { burst: 1, history: 0 },
      { burst: 12, history: 60 },
    ]) {
      test(`${sampleName} sample, ${burst} written ${stepName}, ${history} before`, async () => {
        const space = stack.newSpace('join');
        const peer = stack.newPeer(space);
        const sent = [];
        const write = async (count = burst) => {
          const texts = Array.from({ length: count }, (_, index) => `${space} m${sent.length + index}`);
          sent.push(...texts);
          return peer.postAll(texts);
        };
        await write(history);
        const tab = await freshTab();
        const loaded = () => tab.waitForFunction(() => globalThis.component.isLoaded);
        await step({ proxy: stack.proxy, write, loaded, start: () => tab.evaluate(sample, space) });
        stack.proxy.release();
        await loaded();
        // Comes after everything, and so ends the wait for anything that was still on its way.
        await write(1);
        await tab.waitForFunction(
          (last) => globalThis.component.messages.some(({ text }) => text === last),
          sent.at(-1),
        );
        const shown = await tab.evaluate(() => globalThis.component.messages.map(({ text }) => text));
        // All that was written since the component could know of it; `holes` looks after what came before.
        const mustShow = sent.slice(history);
        assert.deepEqual(
          { sent: sent.length, ...compare(sent, shown, mustShow) },
          { sent: sent.length, lost: 0, doubled: 0, outOfOrder: 0, strange: 0, holes: 0 },
          JSON.stringify({ sent, shown }),
        );
        assertNoProblems(tab);
      });
    }
  }
}

/** As the measurement that named the mistake: 20 messages a second each way, and 3 s without a link. */
const PACE_MS = 50;
const OUTAGE = { from: 40, to: 100, messages: 160 };

test('an_outage_of_3_s_at_20_messages_a_second_loses_none_and_inverts_no_order', async () => {
  const space = stack.newSpace('outage');
  const peer = stack.newPeer(space);
  const tab = await freshTab();
  await tab.evaluate(svelteSample, space);
  await tab.waitForFunction(() => globalThis.component.isLoaded);
  const theirs = [];
  const ours = [];
  const posts = [];
  for (let index = 0; index < OUTAGE.messages; index += 1) {
    if (index === OUTAGE.from) {
      stack.proxy.upgrades.shut();
      stack.proxy.cut();
    }
    if (index === OUTAGE.to) stack.proxy.release();
    const beat = new Promise((resolve) => setTimeout(resolve, PACE_MS));
    theirs.push(`theirs ${index}`);
    ours.push(`ours ${index}`);
    posts.push(peer.post(theirs.at(-1)));
    await tab.evaluate((text) => {
      // Not awaited, as an app that sends while the link is down would not be able to.
      globalThis.component.client.sendMessage({ senderType: 'user', text });
    }, ours.at(-1));
    await posts.at(-1);
    await beat;
  }
  const shown = () => tab.evaluate(() => globalThis.component.messages.map(({ text }) => text));
  const sent = [...theirs, ...ours];
  await until(async () => (await shown()).length >= sent.length, 'every message is shown');
  const texts = await shown();
  assert.deepEqual(
    texts.filter((text) => text.startsWith('theirs')),
    theirs,
  );
  assert.deepEqual(
    texts.filter((text) => text.startsWith('ours')),
    ours,
  );
  assert.equal(texts.length, sent.length, 'nothing twice');
});
