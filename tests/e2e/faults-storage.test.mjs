/**
 * Faults of the browser's storage, and whose it is: what one person left there is nobody else's to send.
 */
import assert from 'node:assert/strict';
import { Ledger } from './lib/ledger.mjs';
import { settle } from './lib/person.mjs';
import { assertNoProblems, test, useStack } from './lib/stack.mjs';
import { sleep, until } from './lib/waiting.mjs';

const stack = useStack();

/** Long enough for what is wrongly sent to arrive. */
const NOTHING_COMES_MS = 1_500;

/** Somebody at the one browser that all share, who finds there what they left. */
async function sitDown(name, space, { tab, network }, past) {
  const person = await stack.newPerson(name, space, { tab, network });
  if (past) person.inherit(past);
  return person;
}

test('messages_queued_by_one_person_are_not_sent_when_another_logs_in', async () => {
  const ledger = new Ledger('two people, one browser, one after the other');
  const space = stack.newSpace('shared');
  const eve = await stack.newPerson('eve', space);
  await eve.arrive();
  const ada = await stack.newPerson('ada', space);
  await ada.arrive();
  await ada.say(...ada.texts(1));
  ada.network.goDown();
  await ada.is('reconnecting');
  await ada.say(...ada.texts(5, 1));
  await ada.remember();
  ada.network.heal();

  const bob = await sitDown('bob', space, ada);
  await bob.arrive();
  await bob.say(...bob.texts(3));
  await eve.sees('bob 2');
  await sleep(NOTHING_COMES_MS);
  const early = (await eve.report()).shown.filter((text) => text.startsWith('ada'));
  assert.deepEqual(early, ['ada 0'], "somebody else's messages wait");
  const bobs = (await bob.report()).stored.filter((text) => text.startsWith('ada'));
  assert.deepEqual(bobs, ['ada 0'], "and are not shown as one's own");
  await bob.remember();
  const { past: said } = bob;

  const again = await sitDown('ada', space, ada, ada.past);
  await again.arrive();
  ledger.send('bob', ...said.sent);
  ledger.accept(...said.accepted);
  ledger.fault('another person');
  await settle(ledger, [again, eve]);
  assertNoProblems(again.tab, eve.tab);
});

test('clearLocal_leaves_nothing_to_send', async () => {
  const ledger = new Ledger('clearLocal() while offline');
  const space = stack.newSpace('clear');
  const bob = await stack.newPerson('bob', space);
  const ada = await stack.newPerson('ada', space);
  await bob.arrive();
  await ada.arrive();
  ada.network.goDown();
  await ada.is('reconnecting');
  await ada.tab.evaluate(async () => {
    const { client } = globalThis.person;
    for (const text of ['never', 'ever']) {
      await client.sendMessage({ senderId: 'ada', senderType: 'user', text });
    }
    await client.clearLocal();
  });
  assert.deepEqual((await ada.report()).stored, []);
  await ada.come();
  ada.network.heal();
  await ada.is('connected');
  await ada.say(...ada.texts(3));
  await settle(ledger, [ada, bob]);
  assertNoProblems(ada.tab, bob.tab);
});

/** Deletes all databases of the origin, as a page's code for signing out may do. */
async function deleteDatabases(context, url) {
  const other = await stack.newTabIn(context);
  await other.goto(url);
  await other.evaluate(async () => {
    for (const { name } of await indexedDB.databases()) {
      await new Promise((resolve, reject) => {
        const request = indexedDB.deleteDatabase(name);
        request.onsuccess = resolve;
        request.onerror = () => reject(request.error);
      });
    }
  });
  await other.close();
}

/** How the databases of a page are taken from under it. */
const TAKEN = {
  a_database_that_another_tab_deletes_is_made_anew: (tab) => deleteDatabases(tab.context(), tab.url()),
  a_database_that_the_browser_clears_is_made_anew: async (tab) => {
    const session = await tab.context().newCDPSession(tab);
    const { origin } = new URL(tab.url());
    await session.send('Storage.clearDataForOrigin', { origin, storageTypes: 'indexeddb' });
  },
};

for (const [name, take] of Object.entries(TAKEN)) {
  test(name, async () => {
    const ledger = new Ledger(`${name.replaceAll('_', ' ')}, then a reload, offline`);
    const space = stack.newSpace('deleted');
    const bob = await stack.newPerson('bob', space);
    const ada = await stack.newPerson('ada', space);
    await bob.arrive();
    await ada.arrive();
    ada.network.goDown();
    await ada.is('reconnecting');
    await ada.say(...ada.texts(5));
    await take(ada.tab);
    ledger.fault('deleted');
    await ada.say(...ada.texts(5, 5));
    const { persistence, errors } = await ada.report();
    assert.deepEqual([persistence, errors.includes('persistenceLost')], ['browser', false]);
    await ada.remember();
    await ada.come();
    await until(
      async () => (await ada.report()).stored.length === 10,
      'what was written before and after is there',
    );
    ada.network.heal();
    await settle(ledger, [ada, bob]);
    assertNoProblems(ada.tab, bob.tab);
  });
}

/** Fits into the quota of the test below for a while, and the outbox does not for long. */
const QUOTA_BYTES = 100_000;
const LONG_TEXT = 'x'.repeat(12_000);
/** How many are written at most until the quota is found to be used up. */
const MESSAGES_MAX = 60;

test('degrades to memory, and says so, when the quota is used up', async () => {
  const ledger = new Ledger('the quota is used up, then 2 s offline');
  const space = stack.newSpace('lost');
  const bob = await stack.newPerson('bob', space);
  const ada = await stack.newPerson('ada', space);
  await bob.arrive();
  await ada.open();
  // Chromium looks at the quota when a database is first used, and then goes by what it saw.
  const session = await ada.tab.context().newCDPSession(ada.tab);
  const { origin } = new URL(ada.tab.url());
  await session.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: QUOTA_BYTES });
  await ada.join();
  assert.equal((await ada.report()).persistence, 'browser');
  ada.network.goDown();
  await ada.is('reconnecting');
  await ada.say(...ada.texts(5));
  assert.equal((await ada.report()).persistence, 'browser');
  ledger.fault('quota');
  await ada.say(...ada.texts(10, 5).map((short) => `${short} ${LONG_TEXT}`));
  // The browser counts what is stored now and then: it may let some more pass.
  let next = 15;
  while ((await ada.report()).persistence !== 'memory' && next < MESSAGES_MAX) {
    await ada.say(...ada.texts(1, next).map((short) => `${short} ${LONG_TEXT}`));
    next += 1;
    await sleep(500);
  }
  await until(async () => (await ada.report()).persistence === 'memory', 'memory serves');
  await ada.say(...ada.texts(5, next));
  await sleep(2_000);
  ada.network.heal();
  const [hers] = await settle(ledger, [ada, bob]);
  assert.deepEqual(
    hers.errors.filter((code) => code === 'persistenceLost'),
    ['persistenceLost'],
  );
  assertNoProblems(ada.tab, bob.tab);
});

test('a_tab_of_another_person_keeps_nobody_from_what_they_left', async () => {
  const ledger = new Ledger("a tab is closed, another person's is open");
  const space = stack.newSpace('left');
  const eve = await stack.newPerson('eve', space);
  await eve.arrive();
  const ada = await stack.newPerson('ada', space);
  const bob = await sitDown('bob', space, {
    tab: await stack.newTabIn(ada.tab.context()),
    network: ada.network,
  });
  await ada.arrive();
  await bob.arrive();
  ada.network.goDown();
  await ada.is('reconnecting');
  await ada.say(...ada.texts(3));
  const { sent, accepted } = await ada.report();
  ledger.send('ada', ...sent);
  ledger.accept(...accepted);
  await ada.tab.close();
  ada.network.heal();
  await bob.is('connected');
  // Longer than a lane is left to a page that reloads.
  await sleep(3_000);
  const again = await sitDown('ada', space, {
    tab: await stack.newTabIn(bob.tab.context()),
    network: ada.network,
  });
  await again.arrive();
  await eve.sees('ada 2');
  await settle(ledger, [again, bob, eve]);
  assertNoProblems(again.tab, bob.tab, eve.tab);
});

const PLACES = {
  // A page over plain http.
  tab: () => Object.defineProperty(Navigator.prototype, 'locks', { get: () => undefined }),
  memory: () =>
    Object.defineProperty(globalThis, 'indexedDB', {
      get() {
        throw new DOMException('nothing is kept here', 'SecurityError');
      },
    }),
};

/** Writes in a room, whose client another one takes the place of: while it is there still, or after it was left. */
async function changeClients({ spaceId, workerUrl, tokenUrl, isThereStill }) {
  const { client } = await import('/kuratchi-spaces/index.js');
  const { leave } = await import('/kuratchi-spaces/holding.js');
  const spaceToken = async () => (await fetch(tokenUrl)).text();
  const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  const open = () => {
    const space = client({ spaceId, workerUrl, spaceToken });
    space.subscribe(() => {});
    space.connect().catch(() => {});
    return space;
  };
  const say = (space, text) => space.sendMessage({ senderId: 'ada', senderType: 'user', text });
  const first = open();
  await pause(300);
  await say(first, 'one');
  await say(first, 'two');
  if (!isThereStill) leave(first);
  const next = open();
  globalThis.next = next;
  await pause(200);
  if (isThereStill) first.close();
  await pause(600);
  await say(next, 'three');
  const texts = next.getSnapshot().messages.map(({ text, status }) => `${text} ${status}`);
  return [next.persistence, ...texts];
}

for (const [persistence, arrange] of Object.entries(PLACES)) {
  for (const isThereStill of [true, false]) {
    const how = isThereStill ? 'which is there still' : 'which was left';
    test(`a_client_has_what_the_one_before_it_left: '${persistence}', ${how}`, async () => {
      const spaceId = stack.newSpace('next');
      const ada = await stack.newPerson('ada', spaceId);
      await ada.tab.addInitScript(arrange);
      await ada.open();
      ada.network.goDown();
      const tokenUrl = `${stack.peopleUrl}/token?userId=ada&expiryMs=3600000&spaceId=${spaceId}`;
      const place = { spaceId, workerUrl: ada.network.url, tokenUrl };
      const shown = await ada.tab.evaluate(changeClients, { ...place, isThereStill });
      assert.deepEqual(shown, [persistence, 'one pending', 'two pending', 'three pending']);
      ada.network.heal();
      const stored = () =>
        ada.tab.evaluate(() => globalThis.next.getSnapshot().messages.map(({ text, seq }) => seq && text));
      await until(async () => (await stored()).filter(Boolean).length === 3, 'all is stored');
      assert.deepEqual(await stored(), ['one', 'two', 'three']);
      assertNoProblems(ada.tab);
    });
  }
}
