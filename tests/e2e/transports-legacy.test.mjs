/**
 * Workers that were deployed from the TypeScript SDK: our client knows one for what it is, and serves its app.
 *
 * Owns that nothing is lost, doubled or out of order over HTTP endpoints that number nothing, and who gets the key.
 */
import assert from 'node:assert/strict';
import { Ledger } from './lib/ledger.mjs';
import { startMiddlebox } from './lib/middlebox.mjs';
import { settle } from './lib/person.mjs';
import { assertNoProblems, test, until, useStack } from './lib/stack.mjs';
import {
  isOn,
  newLegacyUser,
  newLegacyWorker,
  newSdkUser,
  transportWarnings,
  urlsToldTheKey,
} from './lib/transports.mjs';
import { sleep } from './lib/waiting.mjs';

const TEST_MS = 150_000;

const stack = useStack();

test(
  'a_worker_of_the_sdk_serves_whom_it_is_named_to',
  async () => {
    const ledger = new Ledger('a worker of the TypeScript SDK');
    const legacy = await newLegacyWorker(stack);
    const space = stack.newSpace('legacy');
    const before = ['of old 0', 'of old 1', 'of old 2'];
    for (const text of before) legacy.post(space, { senderId: 'of old', text });
    ledger.send('of old', ...before);
    const ada = await newLegacyUser(stack, 'ada', space, { network: legacy });
    const bob = await newLegacyUser(stack, 'bob', space, { network: legacy });
    await ada.arrive();
    await bob.arrive();
    for (const person of [ada, bob]) {
      await isOn(person, 'legacy');
      assert.deepEqual((await person.report()).shown, before, 'the history is there');
    }
    await ada.talk(ada.texts(20), 150);
    await bob.talk(bob.texts(20), 150);
    const live = Array.from({ length: 10 }, (_, i) => `eve ${i}`);
    for (const text of live) {
      legacy.post(space, { senderId: 'eve', text });
      await sleep(200);
    }
    ledger.send('eve', ...live);
    await ada.talked();
    await bob.talked();
    const reports = await settle(ledger, [ada, bob], { patienceMs: 40_000 });
    assert.equal(legacy.messages(space).length, 53, 'stored once each');
    for (const { discontinuities, transports, states } of reports) {
      assert.deepEqual([discontinuities, transports], [[], { client: 'legacy', snapshot: 'legacy' }]);
      assert.deepEqual(
        states.filter(({ state }) => state === 'connected').map(({ transport }) => transport),
        ['legacy'],
        'and what listens to states is told',
      );
    }
    for (const person of [ada, bob]) {
      const warnings = transportWarnings(person);
      assert.equal(warnings.length, 1, warnings.join('\n') || 'no warning');
      assert.match(warnings[0], /kuratchi-spaces deploy/, 'how to move is told');
      const told = await urlsToldTheKey(person);
      assert.ok(told.length > 0);
      for (const { origin, pathname, href } of told)
        assert.ok(origin === legacy.url && pathname !== '/health', href);
    }
    assert.ok(legacy.requests.filter(({ path }) => path === '/health').every(({ hasKey }) => !hasKey));
    assert.ok(legacy.requests.some(({ path, hasKey }) => path === '/messages' && hasKey));
    const [{ id }] = legacy.messages(space);
    for (const refused of [
      await ada.tab.evaluate(
        (id) => globalThis.attempt((client) => client.editMessage(id, { text: 'x' })),
        id,
      ),
      await ada.tab.evaluate((id) => globalThis.attempt((client) => client.deleteMessage(id)), id),
    ]) {
      assert.equal(refused.code, 'unsupported', JSON.stringify(refused));
    }
    assertNoProblems(ada.tab, bob.tab);
  },
  { timeout: TEST_MS },
);

test('a_worker_of_the_sdk_that_nobody_named_is_told_of_and_gets_no_key', async () => {
  const legacy = await newLegacyWorker(stack);
  const ada = await newSdkUser(stack, 'ada', stack.newSpace('unnamed'), { network: legacy });
  await ada.open();
  await ada.tab.evaluate(() => {
    globalThis.attempt((client) => client.connect());
  });
  const hints = async () => (await ada.report()).errors.filter((code) => code === 'unsupported');
  await until(async () => (await hints()).length > 0, 'the hint');
  await until(() => legacy.count('GET', '/health') > 2, 'further attempts');
  assert.equal((await hints()).length, 1, 'once');
  assert.equal((await ada.report()).transports.client, undefined);
  assert.ok(legacy.requests.every(({ hasKey }) => !hasKey));
  assert.deepEqual(await urlsToldTheKey(ada), []);
});

test(
  'legacy_rows_of_equal_timestamps_are_all_reached_and_all_arrive',
  async () => {
    const ledger = new Ledger('legacy: groups of one millisecond, up to 190 messages');
    const legacy = await newLegacyWorker(stack);
    const space = stack.newSpace('equal');
    const frozen = Date.now();
    const spoken = [];
    const speak = (count, at) => {
      legacy.now = () => at;
      for (let i = 0; i < count; i += 1) {
        const text = `eve ${spoken.length}`;
        legacy.post(space, { senderId: 'eve', text });
        spoken.push(text);
      }
    };
    speak(5, frozen - 10);
    speak(130, frozen);
    speak(5, frozen + 10);
    const ada = await newLegacyUser(stack, 'ada', space, { network: legacy });
    const bob = await newLegacyUser(stack, 'bob', space, { network: legacy });
    await ada.arrive();
    await bob.arrive();
    await isOn(ada, 'legacy');
    await isOn(bob, 'legacy');
    const pages = await ada.tab.evaluate(async () => {
      const { client } = globalThis.person;
      const texts = [];
      let before;
      for (let page = 0; page < 100; page += 1) {
        const messages = await client.getMessages({ limit: 5, ...(before ? { before } : {}) });
        if (messages.length === 0) break;
        texts.unshift(...messages.map(({ text }) => text));
        before = messages[0].createdAt;
      }
      return texts;
    });
    assert.deepEqual(pages, spoken, 'pages of five reach every row, each once, in order');
    // More at once than a page holds, within a millisecond, while both listen.
    speak(190, frozen + 20);
    legacy.now = Date.now;
    ledger.send('eve', ...spoken);
    await ada.say(...ada.texts(3));
    await bob.sees('ada 2');
    const reports = await settle(ledger, [ada, bob], { patienceMs: 40_000 });
    for (const { discontinuities } of reports) assert.deepEqual(discontinuities, []);
    assertNoProblems(ada.tab, bob.tab);
  },
  { timeout: TEST_MS },
);

test(
  'legacy_answers_that_are_lost_after_storing_double_nothing',
  async () => {
    const ledger = new Ledger('legacy: answers lost after storing, and errors of the server');
    const legacy = await newLegacyWorker(stack);
    const space = stack.newSpace('lost');
    const ada = await newLegacyUser(stack, 'ada', space, { network: legacy });
    const bob = await newLegacyUser(stack, 'bob', space, { network: legacy });
    await ada.arrive();
    await bob.arrive();
    legacy.loseAnswers('none', 'before', 'none', 'within', 'within', 'before', 'none', 'before');
    await ada.talk(ada.texts(16), 300);
    await sleep(1_500);
    legacy.fails = true;
    await until(() => legacy.faults.failed > 0, 'a request failed');
    await sleep(2_000);
    legacy.fails = false;
    await ada.talked();
    await until(() => legacy.faults.answerLost === 5, 'five answers were lost', 60_000);
    await settle(ledger, [ada, bob], { patienceMs: 60_000 });
    assert.equal(legacy.messages(space).length, 16, 'stored once each');
    // The same words twice are two messages, also where an answer was lost.
    legacy.loseAnswers('before', 'within');
    await ada.tab.evaluate(async () => {
      const { client } = globalThis.person;
      const send = () => client.sendMessage({ senderId: 'ada', senderType: 'user', text: 'same' });
      await Promise.all([send(), send(), send()]);
    });
    const same = async () =>
      (await bob.report()).shown.filter((text) => text === 'same').length >= 3 &&
      (await ada.report()).unsettled === 0;
    await until(same, 'the same words arrive three times', 60_000);
    await sleep(3_000);
    assert.equal(legacy.messages(space).filter(({ text }) => text === 'same').length, 3);
    for (const person of [ada, bob]) {
      const { shown, stored } = await person.report();
      for (const view of [shown, stored]) {
        assert.equal(view.filter((text) => text === 'same').length, 3, person.name);
      }
    }
    assertNoProblems(ada.tab, bob.tab);
  },
  { timeout: TEST_MS },
);

test(
  'a_socket_of_the_first_version_brings_messages_without_a_poll',
  async () => {
    const ledger = new Ledger('legacy with a socket of the first version');
    const legacy = await newLegacyWorker(stack);
    legacy.opensSockets = true;
    const space = stack.newSpace('first');
    const ada = await newLegacyUser(stack, 'ada', space, { network: legacy });
    const bob = await newLegacyUser(stack, 'bob', space, { network: legacy });
    await ada.arrive();
    await bob.arrive();
    await isOn(ada, 'legacy');
    await isOn(bob, 'legacy');
    await until(() => legacy.socketCount(space) === 2, 'both sockets are accepted');
    const polls = () => legacy.count('GET', '/messages');
    const live = [];
    let [unpolled, polled] = [0, 0];
    for (let i = 0; i < 12; i += 1) {
      const text = `eve ${i}`;
      const start = polls();
      legacy.post(space, { senderId: 'eve', text });
      live.push(text);
      await ada.sees(text);
      await bob.sees(text);
      if (polls() === start) unpolled += 1;
      else polled += 1;
    }
    console.log(`first-version socket: ${unpolled} of ${live.length} arrived with no poll in between`);
    // A poll may fall between by chance, each 30 s a client; that it brings them all is another thing.
    assert.ok(unpolled >= live.length - 2, `${polled} waited for a poll`);
    ledger.send('eve', ...live);
    await ada.talk(ada.texts(10), 100);
    await bob.talk(bob.texts(10), 100);
    await sleep(500);
    legacy.cutSockets();
    await ada.talked();
    await bob.talked();
    const reports = await settle(ledger, [ada, bob], { patienceMs: 60_000 });
    for (const { discontinuities } of reports) assert.deepEqual(discontinuities, []);
    assert.equal(legacy.messages(space).length, 32);
    assertNoProblems(ada.tab, bob.tab);
  },
  { timeout: TEST_MS },
);

test(
  'once_our_worker_stands_in_its_place_open_pages_move_over',
  async () => {
    const legacy = await newLegacyWorker(stack);
    let target = legacy.url;
    const middlebox = stack.keep(await startMiddlebox(() => target));
    const space = stack.newSpace('moved');
    const ada = await newLegacyUser(stack, 'ada', space, { network: middlebox });
    await ada.tab.clock.install();
    await ada.arrive();
    await isOn(ada, 'legacy');
    await ada.say('of the old worker');
    // As a deployment under the same address does it. The old worker's messages are not in the new one.
    target = stack.backend.url;
    const bob = await newSdkUser(stack, 'bob', space);
    await bob.arrive();
    await bob.say('of the new worker');
    // The page's clock jumps, as over a short sleep of the machine; its network is the real one.
    await ada.tab.clock.fastForward(5 * 60_000);
    await isOn(ada, 'websocket');
    const movedAfter = middlebox.requests.length;
    await ada.say('by ada');
    await bob.sees('by ada');
    await until(async () => (await ada.report()).shown.includes('by ada'), 'ada sees her own');
    for (const person of [ada, bob]) {
      const { shown, stored } = await person.report();
      for (const view of [shown, stored]) {
        assert.deepEqual(
          view.filter((text) => text !== 'of the old worker'),
          ['of the new worker', 'by ada'],
          person.name,
        );
      }
    }
    const later = JSON.stringify(middlebox.requests.slice(movedAfter));
    assert.equal(later.includes(ada.gatewayKey), false, 'the key is sent no more');
    assertNoProblems(ada.tab, bob.tab);
  },
  { timeout: TEST_MS },
);
