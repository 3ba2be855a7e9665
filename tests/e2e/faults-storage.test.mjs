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

/** Fits into the quota of the test below for a while, and the outbox does not for long. */
const QUOTA_BYTES = 100_000;
const LONG_TEXT = 'x'.repeat(12_000);
/** How many are written at most until the quota is found to be used up. */
const MESSAGES_MAX = 60;

/**
 * What makes the browser's storage fail while the client uses it: what is done before it is used, what is done
 * then, and what is said after that.
 */
const LOSSES = {
  'the database is deleted': {
    prepare() {},
    async lose(tab) {
      const other = await stack.newTabIn(tab.context());
      await other.goto(tab.url());
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
    },
    text: '',
  },
  'the quota is used up': {
    // Chromium looks at the quota when a database is first used, and then goes by what it saw.
    async prepare(tab) {
      const session = await tab.context().newCDPSession(tab);
      const { origin } = new URL(tab.url());
      await session.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: QUOTA_BYTES });
    },
    async lose() {},
    text: LONG_TEXT,
  },
};

for (const [loss, { prepare, lose, text }] of Object.entries(LOSSES)) {
  test(`degrades to memory, and says so, when ${loss}`, async () => {
    const ledger = new Ledger(`${loss}, then 2 s offline`);
    const space = stack.newSpace('lost');
    const bob = await stack.newPerson('bob', space);
    const ada = await stack.newPerson('ada', space);
    await bob.arrive();
    await ada.open();
    await prepare(ada.tab);
    await ada.join();
    assert.equal((await ada.report()).persistence, 'browser');
    ada.network.goDown();
    await ada.is('reconnecting');
    await ada.say(...ada.texts(5));
    assert.equal((await ada.report()).persistence, 'browser');
    await lose(ada.tab);
    ledger.fault(loss);
    await ada.say(...ada.texts(10, 5).map((short) => `${short} ${text}`));
    // The browser counts what is stored now and then: it may let some more pass.
    let next = 15;
    while ((await ada.report()).persistence !== 'memory' && next < MESSAGES_MAX) {
      await ada.say(...ada.texts(1, next).map((short) => `${short} ${text}`));
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
}
