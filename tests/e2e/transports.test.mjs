/**
 * Our Worker where sockets do not get through: what is only blocked is polled, and what is an outage stays one.
 *
 * Owns who is taken for what, the way over and back, and that nothing is lost, doubled or out of order on it.
 * Whatever stands between a page and the Worker is real: HTTP, TCP, a browser.
 */
import assert from 'node:assert/strict';
import { Ledger } from './lib/ledger.mjs';
import { settle } from './lib/person.mjs';
import { assertNoProblems, test, until, useStack } from './lib/stack.mjs';
import { isOn, newMiddlebox, newSdkUser, transportWarnings, urlsToldTheKey } from './lib/transports.mjs';
import { sleep } from './lib/waiting.mjs';

/** The socket is tried again each 60 s; one more opening may have begun just before. */
const BACK_MS = 80_000;
/** A client asks at least this often by itself, with what an answer takes on a slow machine. */
const POLLED_MS = 15_000;
const TEST_MS = 150_000;

const stack = useStack();

/** Fails when our Worker was spoken to as one of the SDK is. */
async function assertOurs(person) {
  assert.deepEqual(await urlsToldTheKey(person), [], 'the key was sent');
  for (const socket of person.network.of('UPGRADE')) {
    assert.match(
      socket.headers['sec-websocket-protocol'] ?? '',
      /^spaces\.v2/,
      'an upgrade of the second version',
    );
  }
  assert.equal(person.network.heard(person.gatewayKey), false);
  const { states } = await person.report();
  assert.equal(states.filter(({ transport }) => transport === 'legacy').length, 0, JSON.stringify(states));
}

/** Fails when `/health` was asked more often than there were openings that failed. */
function assertAskedSeldom({ name, network }) {
  const failed = network.of('UPGRADE').filter(({ status, isMute }) => status !== 101 || isMute).length;
  const asked = network.of('GET', '/health').length;
  console.log(`${name}: ${failed} openings failed, /health was asked ${asked} times`);
  assert.ok(asked <= failed, `${asked} questions for ${failed} failed openings`);
}

/** Ada, whose network bars sockets, and bob, whose network does not: connected, with a word from each. */
async function twoPeople(ledger, how, { clock = false } = {}) {
  const space = stack.newSpace('blocked');
  const middlebox = await newMiddlebox(stack);
  middlebox.blockSockets(how);
  const bob = await newSdkUser(stack, 'bob', space);
  await bob.arrive();
  await bob.say(...bob.texts(10));
  const ada = await newSdkUser(stack, 'ada', space, { network: middlebox });
  if (clock) await ada.tab.clock.install();
  // The documents' own pattern, while somebody talks: what arrives on the way stands in the page or comes live.
  await bob.talk(bob.texts(30, 10), 200);
  await ada.arrive();
  await isOn(ada, 'polling');
  await isOn(bob, 'websocket');
  await ada.talk(ada.texts(30), 200);
  await ada.talked();
  await bob.talked();
  await bob.sees('ada 29');
  await ada.sees('bob 39');
  return { ledger, middlebox, ada, bob };
}

async function closeLedger({ ledger, ada, bob }) {
  const reports = await settle(ledger, [ada, bob], { patienceMs: 60_000 });
  for (const { discontinuities, states } of reports) {
    assert.deepEqual(discontinuities, []);
    assert.equal(states.filter(({ state }) => state === 'failed').length, 0, JSON.stringify(states));
  }
  await assertOurs(ada);
  assertAskedSeldom(ada);
  assertNoProblems(ada.tab, bob.tab);
}

test(
  'where_sockets_are_refused_our_worker_is_polled_until_they_are_let_through',
  async () => {
    const people = await twoPeople(new Ledger('sockets refused, then let through'), 'refuse');
    const { middlebox, ada, bob } = people;
    const [warning, ...others] = transportWarnings(ada);
    assert.deepEqual([others, /WebSocket/i.test(warning ?? '')], [[], true], warning);
    const barred = middlebox.of('UPGRADE').length;
    middlebox.heal();
    const healedAt = Date.now();
    // Both talk all through the change of transports.
    await bob.talk(bob.texts(150, 40), 500);
    await ada.talk(ada.texts(150, 30), 500);
    await isOn(ada, 'websocket', BACK_MS);
    const [attempt] = middlebox.of('UPGRADE').slice(barred);
    console.log(
      `sockets are let through: the next try after ${attempt.at - healedAt} ms, connected by it after ` +
        `${Date.now() - healedAt} ms; ${barred} tries were barred before`,
    );
    await ada.talked();
    await bob.talked();
    await closeLedger(people);
    const polls = middlebox.of('GET', '/events').length;
    await sleep(POLLED_MS);
    assert.equal(middlebox.of('GET', '/events').length, polls, 'a socket takes no polls beside it');
  },
  { timeout: 4 * 60_000 },
);

test(
  'where_sockets_are_reset_a_minute_passes_and_the_socket_takes_over',
  async () => {
    const people = await twoPeople(new Ledger('sockets reset; a minute later they open'), 'reset', {
      clock: true,
    });
    const { middlebox, ada, bob } = people;
    middlebox.heal();
    await bob.talk(bob.texts(20, 40), 100);
    await ada.talk(ada.texts(20, 30), 100);
    // The page's clock jumps, as over a short sleep of the machine; its network is the real one.
    await ada.tab.clock.fastForward(60_000);
    await isOn(ada, 'websocket');
    await ada.talked();
    await bob.talked();
    await closeLedger(people);
    assert.equal(middlebox.of('UPGRADE').at(-1).status, 101);
  },
  { timeout: TEST_MS },
);

test(
  'where_sockets_are_swallowed_our_worker_is_polled',
  async () => {
    await closeLedger(await twoPeople(new Ledger('sockets swallowed'), 'swallow'));
  },
  { timeout: TEST_MS },
);

for (const how of ['cutOpened', 'swallowFrames']) {
  test(
    `where_sockets_open_and_carry_nothing_our_worker_is_polled_${how}`,
    async () => {
      const people = await twoPeople(new Ledger(`sockets open and carry nothing: ${how}`), how);
      assert.ok(people.middlebox.of('UPGRADE').every(({ isMute }) => isMute));
      await closeLedger(people);
    },
    { timeout: TEST_MS },
  );
}

test(
  'edits_and_deletions_go_both_ways_between_a_polling_client_and_one_with_a_socket',
  async () => {
    const { ada, bob } = await twoPeople(new Ledger('changes'), 'refuse');
    for (const [person, word] of [
      [ada, 'hers'],
      [bob, 'his'],
    ]) {
      const { shownMessages } = await person.report();
      const [edited, erased] = shownMessages.filter(({ text }) => text.startsWith(`${person.name} `));
      await person.tab.evaluate(
        async ([edited, erased, word]) => {
          const { person } = globalThis;
          await person.edit(edited, `${word}, edited`);
          await person.erase(erased);
          await person.edit(edited, `${word}, edited twice`);
        },
        [edited.id, erased.id, word],
      );
    }
    const views = () => Promise.all([ada, bob].map(async (person) => (await person.report()).shownMessages));
    const isThrough = async () => {
      const [hers, his] = (await views()).map((view) => JSON.stringify(view));
      return hers === his && hers.includes('hers, edited twice') && hers.includes('his, edited twice');
    };
    await until(isThrough, 'both show all changes', 40_000);
    const [view] = await views();
    assert.equal(view.length, 70, 'an edit is no message of its own');
    assert.deepEqual(
      view.filter(({ isDeleted }) => isDeleted).map(({ text }) => text),
      ['', ''],
    );
    await isOn(ada, 'polling');
    await assertOurs(ada);
    assertNoProblems(ada.tab, bob.tab);
  },
  { timeout: TEST_MS },
);

test(
  'an_outage_of_our_worker_is_an_outage_and_nothing_else',
  async () => {
    const ledger = new Ledger('our Worker down and up, seen through a gateway');
    const space = stack.newSpace('outage');
    const ada = await newSdkUser(stack, 'ada', space, { network: await newMiddlebox(stack) });
    const bob = await newSdkUser(stack, 'bob', space, { network: await newMiddlebox(stack) });
    await ada.arrive();
    await ada.say(...ada.texts(5));
    assert.equal(ada.network.of('GET', '/health').length, 0, 'nobody asks where sockets open');
    const start = await stack.stopBackend();
    await ada.is('reconnecting');
    await ada.talk(ada.texts(40, 5), 250);
    // Bob comes while it is down: no socket of his has ever opened.
    await bob.come();
    const tries = ({ network }) => network.of('UPGRADE').filter(({ status }) => status === 502).length;
    await until(() => tries(ada) >= 3 && tries(bob) >= 3, 'both tried three times', 40_000);
    for (const person of [ada, bob]) {
      const { transports, state } = await person.report();
      assert.equal(transports.client, undefined, `${person.name} is ${state}`);
    }
    await start();
    for (const person of [ada, bob]) await isOn(person, 'websocket');
    await ada.talked();
    await bob.say(...bob.texts(5));
    for (const { discontinuities } of await settle(ledger, [ada, bob], { patienceMs: 60_000 })) {
      assert.deepEqual(discontinuities, []);
    }
    for (const person of [ada, bob]) {
      await assertOurs(person);
      assertAskedSeldom(person);
      assert.deepEqual(transportWarnings(person), []);
    }
    assertNoProblems(ada.tab, bob.tab);
  },
  { timeout: TEST_MS },
);

for (const who of ['portal', 'stranger']) {
  test(
    `a_${who}_that_answers_everything_is_not_taken_for_a_worker`,
    async () => {
      const ledger = new Ledger(`a ${who} answers everything, then lets through`);
      const space = stack.newSpace('portal');
      const ada = await newSdkUser(stack, 'ada', space, { network: await newMiddlebox(stack) });
      const bob = await newSdkUser(stack, 'bob', space);
      await bob.arrive();
      await bob.say(...bob.texts(5));
      ada.network.answerInstead(who);
      await ada.come();
      const tries = () => ada.network.of('UPGRADE').length;
      await until(() => tries() >= 4, 'four tries failed', 40_000);
      assert.ok(ada.network.of('GET', '/health').length > 0, 'it was asked who it is');
      const { transports, states } = await ada.report();
      assert.equal(transports.client, undefined);
      assert.deepEqual(
        states.filter(({ state }) => state === 'failed' || state === 'connected'),
        [],
        'it goes on trying',
      );
      for (const path of ['/messages', '/events']) {
        assert.equal(ada.network.of('GET', path).length, 0, `${path} was asked of a ${who}`);
      }
      ada.network.heal();
      await isOn(ada, 'websocket');
      await ada.say(...ada.texts(5));
      await settle(ledger, [ada, bob], { patienceMs: 40_000 });
      await assertOurs(ada);
      assertAskedSeldom(ada);
      assertNoProblems(ada.tab, bob.tab);
    },
    { timeout: TEST_MS },
  );
}
