/**
 * Faults of the server: it crashes, its objects sleep, and one forgets what it was about to say.
 */
import assert from 'node:assert/strict';
import { Ledger } from './lib/ledger.mjs';
import { settle } from './lib/person.mjs';
import { assertNoProblems, test, useStack } from './lib/stack.mjs';
import { sleep, until } from './lib/waiting.mjs';

const stack = useStack();

async function twoPeople(space) {
  const ada = await stack.newPerson('ada', space);
  const bob = await stack.newPerson('bob', space);
  await ada.arrive();
  await bob.arrive();
  return [ada, bob];
}

test('the_server_is_killed_in_mid_conversation_and_starts_again_on_the_same_data', async () => {
  const ledger = new Ledger('kill -9 of workerd, twice');
  const [ada, bob] = await twoPeople(stack.newSpace('kill'));
  await ada.talk(ada.texts(160), 50);
  await bob.talk(bob.texts(160), 50);
  for (let round = 0; round < 2; round += 1) {
    await sleep(2_000);
    await stack.crashBackend();
    ledger.fault('killed');
  }
  await ada.talked();
  await bob.talked();
  for (const { discontinuities } of await settle(ledger, [ada, bob])) assert.deepEqual(discontinuities, []);
  assertNoProblems(ada.tab, bob.tab);
});

/** workerd lets an object go that had nothing to do for 10 s. */
const ASLEEP_AFTER_MS = 12_000;
const NAPS_MAX = 3;

test('the_object_hibernates_in_mid_conversation', async () => {
  const ledger = new Ledger('hibernation');
  const space = stack.newSpace('sleep');
  const [ada, bob] = await twoPeople(space);
  await ada.say(...ada.texts(20));
  await bob.say(...bob.texts(20));
  const before = await stack.hook('space', space);
  const upgrades = stack.proxy.upgradeCount;
  let said = 20;
  let now = before;
  for (let nap = 0; nap < NAPS_MAX && now.constructed === before.constructed; nap += 1) {
    await sleep(ASLEEP_AFTER_MS);
    // Both at once: what wakes the object is a frame, with the other one on its heels.
    await ada.talk(ada.texts(20, said), 10);
    await bob.talk(bob.texts(20, said), 10);
    said += 20;
    await ada.sees(`bob ${said - 1}`);
    now = await stack.hook('space', space);
  }
  ledger.fault('constructed anew', now.constructed - before.constructed);
  assert.equal(now.sockets, 2);
  const reports = await settle(ledger, [ada, bob]);
  assert.equal(stack.proxy.upgradeCount, upgrades, 'the sockets stayed open');
  for (const { discontinuities } of reports) assert.deepEqual(discontinuities, []);
  assertNoProblems(ada.tab, bob.tab);
});

/** A sender that hears nothing asks after 10 s; asking wakes the object, and that tells everybody. */
const RECOVERED_WITHIN_MS = 10_000 + 5_000;

for (const fault of ['reset', 'panic']) {
  test(`the_object_has_a_${fault}_between_commit_and_flush_and_silence_follows`, async () => {
    const ledger = new Ledger(`${fault} between commit and flush, then silence`);
    const space = stack.newSpace('reset');
    const [ada, bob] = await twoPeople(space);
    await ada.say(...ada.texts(3));
    await bob.say(...bob.texts(3));
    await ada.sees('bob 2');
    await bob.sees('ada 2');
    // An alarm that is due soon would be an event, and no silence.
    await until(async () => {
      const { alarmAt } = await stack.hook('space', space);
      return alarmAt === null || alarmAt > Date.now() + 60_000;
    }, 'no alarm is near');
    const before = await stack.hook('space', space);
    await stack.hook(fault, space, { at: 'afterCommit' });
    const startedMs = Date.now();
    await ada.talk(ada.texts(1, 3), 0);
    for (const person of [ada, bob]) {
      const shows = async () => (await person.report()).shown.includes('ada 3');
      await until(shows, `${person.name} shows what was said`, RECOVERED_WITHIN_MS);
      console.log(`${fault}, then silence: ${person.name} shows it after ${Date.now() - startedMs} ms`);
    }
    const now = await stack.hook('space', space);
    ledger.fault(fault, now.resets + now.constructed - before.resets - before.constructed);
    for (const { discontinuities } of await settle(ledger, [ada, bob])) {
      assert.deepEqual(discontinuities, []);
    }
    assertNoProblems(ada.tab, bob.tab);
  });
}
