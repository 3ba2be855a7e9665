/**
 * The faults that matter most, in Firefox: the outage, and a reload while messages wait.
 */
import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { startFirefox } from './lib/firefox.mjs';
import { Ledger } from './lib/ledger.mjs';
import { settle } from './lib/person.mjs';
import { assertNoProblems, test, useStack } from './lib/stack.mjs';
import { sleep, until } from './lib/waiting.mjs';

const stack = useStack();
let firefox;
before(async () => {
  firefox = await startFirefox();
});
after(() => firefox?.close());

/** Fiona in Firefox, Bob in Chromium. */
async function twoPeople(space) {
  const fiona = await stack.newPerson('fiona', space, { tab: firefox });
  const bob = await stack.newPerson('bob', space);
  await fiona.arrive();
  await bob.arrive();
  return [fiona, bob];
}

test('firefox_an_outage_of_3_s_at_20_messages_a_second', async () => {
  const ledger = new Ledger('Firefox: 3 s outage at 20 messages/s');
  const [fiona, bob] = await twoPeople(stack.newSpace('fox'));
  await fiona.talk(fiona.texts(100), 100);
  await bob.talk(bob.texts(100), 100);
  await sleep(3_000);
  fiona.network.goDown();
  await sleep(3_000);
  fiona.network.heal();
  await fiona.talked();
  await bob.talked();
  for (const { discontinuities } of await settle(ledger, [fiona, bob])) assert.deepEqual(discontinuities, []);
  assertNoProblems(bob.tab);
});

test('firefox_a_page_is_reloaded_while_messages_wait', async () => {
  const ledger = new Ledger('Firefox: reload with 300 in the outbox');
  const [fiona, bob] = await twoPeople(stack.newSpace('fox'));
  await fiona.say(...fiona.texts(3));
  fiona.network.goDown();
  await fiona.is('reconnecting');
  await fiona.say(...fiona.texts(300, 3));
  await fiona.remember();
  await fiona.come();
  ledger.fault('reloaded');
  await until(async () => (await fiona.report()).unsettled === 300, 'all wait again');
  fiona.network.heal();
  await settle(ledger, [fiona, bob]);
  assertNoProblems(bob.tab);
});
