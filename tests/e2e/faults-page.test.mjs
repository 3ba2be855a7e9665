/**
 * Faults of the page: it is offline, frozen, reloaded or crashed, with an outbox that is full.
 */
import assert from 'node:assert/strict';
import { Ledger } from './lib/ledger.mjs';
import { freeze, thaw } from './lib/natural-browser.mjs';
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

/** Gathers the `clientMessageId`s that a tab sends on sockets. */
function watchSends(tab) {
  const ids = new Set();
  tab.on('websocket', (socket) =>
    socket.on('framesent', ({ payload }) => {
      for (const [, id] of String(payload).matchAll(/"clientMessageId":"([^"]+)"/g)) ids.add(id);
    }),
  );
  return ids;
}

test('offline_and_online_again', async () => {
  const ledger = new Ledger('offline for 4 s');
  const [ada, bob] = await twoPeople(stack.newSpace('offline'));
  await ada.talk(ada.texts(160), 50);
  await bob.talk(bob.texts(160), 50);
  await sleep(1_000);
  ada.network.goDown();
  await ada.tab.context().setOffline(true);
  await ada.is('offline');
  await sleep(4_000);
  ada.network.heal();
  const startedMs = Date.now();
  await ada.tab.context().setOffline(false);
  await ada.is('connected');
  const tookMs = Date.now() - startedMs;
  assert.ok(tookMs < 2_000, `connected ${tookMs} ms after the browser was online again, expected at once`);
  ledger.fault('offline');
  await ada.talked();
  await bob.talked();
  for (const { discontinuities } of await settle(ledger, [ada, bob])) assert.deepEqual(discontinuities, []);
  assertNoProblems(ada.tab, bob.tab);
});

test('a_tab_is_frozen_and_thawed', async () => {
  const ledger = new Ledger('frozen for 6 s, once with the link cut');
  const space = stack.newSpace('frozen');
  const ada = await stack.newPerson('ada', space, { tab: await stack.newNaturalTab() });
  const bob = await stack.newPerson('bob', space);
  await ada.arrive();
  await bob.arrive();
  await ada.talk(ada.texts(300), 50);
  await bob.talk(bob.texts(300), 50);
  for (const isCut of [false, true]) {
    await sleep(1_000);
    await freeze(ada.tab);
    const { sent } = await ada.report();
    if (isCut) ada.network.cut();
    await sleep(6_000);
    const stillSent = (await ada.report()).sent;
    await thaw(ada.tab);
    assert.equal(stillSent.length, sent.length, 'the page really stood still');
    ledger.fault('frozen');
  }
  await ada.talked();
  await bob.talked();
  for (const { discontinuities } of await settle(ledger, [ada, bob])) assert.deepEqual(discontinuities, []);
  assertNoProblems(ada.tab, bob.tab);
});

/** As many as an outbox takes. */
const OUTBOX_MESSAGES_MAX = 1_000;

test('a_page_is_reloaded_with_a_full_outbox', async () => {
  const ledger = new Ledger('reload with a full outbox, twice');
  const [ada, bob] = await twoPeople(stack.newSpace('reload'));
  ada.network.goDown();
  await ada.is('reconnecting');
  await ada.say(...ada.texts(OUTBOX_MESSAGES_MAX));
  assert.equal((await ada.report()).persistence, 'browser');
  const refused = await ada.tab.evaluate(() =>
    globalThis.person.client.sendMessage({ senderId: 'ada', senderType: 'user', text: 'one too many' }).then(
      () => 'taken',
      (error) => error.code,
    ),
  );
  assert.equal(refused, 'outboxFull');
  await ada.remember();
  // Once with the network down, so that it is full again, and once while it empties.
  await ada.come();
  ledger.fault('reloaded');
  await until(async () => (await ada.report()).unsettled === OUTBOX_MESSAGES_MAX, 'all wait again');
  ada.network.heal();
  await bob.sees('ada 100');
  await ada.remember();
  await ada.come();
  ledger.fault('reloaded');
  await ada.is('connected');
  await ada.say(...ada.texts(1, OUTBOX_MESSAGES_MAX));
  await settle(ledger, [ada, bob], { patienceMs: 60_000 });
  assertNoProblems(ada.tab, bob.tab);
});

/** More than can be said before the page goes. */
const BURST_MESSAGES = 3_000;

test('a_page_is_reloaded_in_the_middle_of_a_sentence', async () => {
  const ledger = new Ledger('reload in the middle of a burst, with the link cut');
  const space = stack.newSpace('burst');
  const ada = await stack.newPerson('ada', space, { recorded: true });
  const bob = await stack.newPerson('bob', space);
  await ada.arrive();
  await bob.arrive();
  const texts = ada.texts(BURST_MESSAGES);
  await ada.talk(texts, 2);
  await sleep(400);
  ada.network.cut();
  await until(async () => (await ada.record()).kept.length > 0, 'what nobody confirmed is accepted, too');
  await ada.come();
  ledger.fault('reloaded');
  // The page itself said so, up to its last moment.
  const { sent, stored, kept } = await ada.record();
  assert.ok(kept.length > 0 && sent.length < BURST_MESSAGES, 'the page went in the middle of the burst');
  // What was not accepted by then is the page's own affair: nobody was promised anything.
  ledger.send('ada', ...sent);
  ledger.accept(...stored, ...kept);
  ledger.interrupt(...sent);
  await ada.is('connected');
  await settle(ledger, [ada, bob]);
  assertNoProblems(ada.tab, bob.tab);
});

for (const [whose, user] of Object.entries({ ada: 'ada', nobody: null })) {
  test(`a_tab_crashes_and_another_one_sends_what_it_left, with a token of ${whose}`, async () => {
    const ledger = new Ledger(`crash of a tab, another adopts its outbox (token of ${whose})`);
    const space = stack.newSpace('crash');
    const ada = await stack.newPerson('ada', space, { user });
    const bob = await stack.newPerson('bob', space);
    await ada.arrive();
    await bob.arrive();
    await ada.talk(ada.texts(200), 2);
    await sleep(200);
    // Some of them are stored, and nobody was told: the heir must not store them again.
    ada.network.goDown();
    await ada.talked();
    await ada.is('reconnecting');
    await ada.say('ada, as the last word');
    await ada.remember();
    const crashed = new Promise((resolve) => ada.tab.once('crash', resolve));
    const session = await ada.tab.context().newCDPSession(ada.tab);
    session.send('Page.crash').catch(() => {
      // Nobody is left to answer.
    });
    await crashed;
    ledger.fault('crashed');
    ada.network.heal();
    const tab = await stack.newTabIn(ada.tab.context());
    const heir = await stack.newPerson('ada', space, { user, tab, network: ada.network });
    heir.inherit(ada.past);
    await heir.arrive();
    await settle(ledger, [heir, bob]);
    assertNoProblems(heir.tab, bob.tab);
  });
}

test('two_tabs_of_one_user_one_of_them_frozen', async () => {
  const ledger = new Ledger('two tabs of one user, one frozen');
  const space = stack.newSpace('tabs');
  const bob = await stack.newPerson('bob', space);
  await bob.arrive();
  const network = await stack.newNetwork();
  const one = await stack.newPerson('one', space, { user: 'ada', tab: await stack.newNaturalTab(), network });
  const sends = [watchSends(one.tab)];
  await one.arrive();
  // A tab that is opened by another gets a copy of what that one remembers, the name of its lane included.
  const opened = one.tab.context().waitForEvent('page');
  await one.tab.evaluate(() => {
    globalThis.open(location.href);
  });
  const two = await stack.newPerson('two', space, { user: 'ada', tab: await opened, network });
  sends.push(watchSends(two.tab));
  await two.arrive();
  network.goDown();
  await one.is('reconnecting');
  await two.is('reconnecting');
  await one.say(...one.texts(30));
  await two.say(...two.texts(30));
  await freeze(one.tab);
  ledger.fault('frozen');
  network.heal();
  // Not held up by the frozen one, and not in its place.
  await bob.sees('two 29');
  await two.say(...two.texts(10, 30));
  await bob.sees('two 39');
  const early = (await bob.report()).shown.filter((text) => text.startsWith('one'));
  assert.deepEqual(early, [], 'what waits in a frozen tab waits');
  await thaw(one.tab);
  await settle(ledger, [one, two, bob]);
  const both = [...sends[0]].filter((id) => sends[1].has(id));
  assert.deepEqual(both, [], 'nothing was sent by two');
  assert.ok(sends.every((ids) => ids.size >= 30));
  assertNoProblems(one.tab, bob.tab);
});

test('a_tab_is_closed_and_its_living_sibling_sends_what_it_left', async () => {
  const ledger = new Ledger('a tab is closed, its sibling adopts its outbox');
  const space = stack.newSpace('sibling');
  const bob = await stack.newPerson('bob', space);
  await bob.arrive();
  const one = await stack.newPerson('one', space, { user: 'ada' });
  const tab = await stack.newTabIn(one.tab.context());
  const two = await stack.newPerson('two', space, { user: 'ada', tab, network: one.network });
  await one.arrive();
  await two.arrive();
  one.network.goDown();
  await one.is('reconnecting');
  await one.say(...one.texts(40));
  const { sent, accepted } = await one.report();
  ledger.send('one', ...sent);
  ledger.accept(...accepted);
  await one.tab.close();
  ledger.fault('closed');
  // The sibling has been there all the time, and does not connect anew for it.
  await two.is('reconnecting');
  await two.say(...two.texts(10));
  one.network.heal();
  await settle(ledger, [two, bob]);
  assertNoProblems(two.tab, bob.tab);
});

test('a_page_in_the_back_forward_cache_leaves_its_outbox_to_its_sibling', async () => {
  const ledger = new Ledger('back/forward cache, the sibling sends, and back');
  const space = stack.newSpace('cache');
  const bob = await stack.newPerson('bob', space);
  await bob.arrive();
  const one = await stack.newPerson('one', space, { user: 'ada', tab: await stack.newNaturalTab() });
  const { network } = one;
  const two = await stack.newPerson('two', space, { user: 'ada', tab: await stack.newNaturalTab(), network });
  const sends = [one, two].map((person) => watchSends(person.tab));
  await one.arrive();
  await two.arrive();
  network.goDown();
  await one.is('reconnecting');
  await one.say(...one.texts(20));
  const url = one.tab.url();
  await one.tab.goto(`${url}?elsewhere`);
  network.heal();
  await bob.sees('one 19');
  // A page that comes out of the cache is not loaded again.
  await one.tab.goBack({ waitUntil: 'commit' });
  assert.ok(await one.tab.evaluate(() => globalThis.person !== undefined), 'the page came out of the cache');
  ledger.fault('cached');
  await one.is('connected');
  await one.say(...one.texts(5, 20));
  await settle(ledger, [one, two, bob]);
  const both = [...sends[0]].filter((id) => sends[1].has(id));
  assert.deepEqual(both, [], 'nothing was sent by two');
  assertNoProblems(one.tab, two.tab, bob.tab);
});

test('what_waits_without_a_link_is_changed_only_by_the_tab_that_has_it', async () => {
  const space = stack.newSpace('released');
  const bob = await stack.newPerson('bob', space);
  await bob.arrive();
  const one = await stack.newPerson('one', space, { user: 'ada' });
  const tab = await stack.newTabIn(one.tab.context());
  const two = await stack.newPerson('two', space, { user: 'ada', tab, network: one.network });
  await one.arrive();
  one.network.goDown();
  await one.is('reconnecting');
  await one.say(...one.texts(3));
  const change = (person, verb, text, ...rest) =>
    person.tab.evaluate(
      ([verb, text, ...rest]) => {
        const { client } = globalThis.person;
        const { clientMessageId } = client.getSnapshot().messages.find((message) => message.text === text);
        return client[verb](clientMessageId, ...rest).then(
          () => 'done',
          (error) => error.code,
        );
      },
      [verb, text, ...rest],
    );
  const waiting = async (person) => (await person.report()).stored;
  await one.tab.evaluate(() => globalThis.person.client.disconnect());
  // Longer than it keeps what waits to itself.
  await sleep(1_500);
  assert.equal(await change(one, 'editMessage', 'one 0', { text: 'one 0, changed' }), 'done');
  assert.equal(await change(one, 'discard', 'one 1'), 'done');
  assert.deepEqual(await waiting(one), ['one 0, changed', 'one 2']);
  await two.open();
  await two.tab.evaluate(() => void globalThis.person.client.connect().catch(() => {}));
  await until(async () => (await waiting(two)).includes('one 2'), 'two has what one left');
  assert.equal(await change(one, 'editMessage', 'one 2', { text: 'never' }), 'alreadySent');
  assert.equal(await change(two, 'editMessage', 'one 2', { text: 'one 2, changed' }), 'done');
  one.network.heal();
  await bob.sees('one 2, changed');
  await one.arrive();
  for (const person of [one, two, bob]) {
    await until(
      async () => isEqual(await waiting(person), ['one 0, changed', 'one 2, changed']),
      'both changes',
    );
  }
  assertNoProblems(one.tab, two.tab, bob.tab);
});

test('who_leaves_a_page_that_the_browser_keeps_has_left', async () => {
  const space = stack.newSpace('kept');
  const bob = await stack.newPerson('bob', space);
  await bob.arrive();
  const ada = await stack.newPerson('ada', space, { tab: await stack.newNaturalTab() });
  await ada.arrive();
  const present = () =>
    bob.tab.evaluate(() =>
      globalThis.person.client
        .getSnapshot()
        .presence.map(({ userId }) => userId)
        .sort(),
    );
  await until(async () => isEqual(await present(), ['ada', 'bob']), 'both to be here');
  await ada.tab.goto(`${ada.tab.url()}?elsewhere`);
  // Whose connection has ended comes back within 5 s, or has left.
  await until(async () => isEqual(await present(), ['bob']), 'ada to have left', 12_000);
  await ada.tab.goBack({ waitUntil: 'commit' });
  assert.ok(await ada.tab.evaluate(() => globalThis.person !== undefined), 'the page came out of the cache');
  await ada.is('connected');
  await until(async () => isEqual(await present(), ['ada', 'bob']), 'ada to be back');
  assertNoProblems(ada.tab, bob.tab);
});

test('edits_and_deletions_wait_for_the_network_as_messages_do', async () => {
  const ledger = new Ledger('edits and deletions offline, then a reload');
  const [ada, bob] = await twoPeople(stack.newSpace('changes'));
  await ada.say(...ada.texts(10));
  await ada.sees('ada 9');
  const { shownMessages: before } = await ada.report();
  const ids = before.map(({ id }) => id);
  ada.network.goDown();
  await ada.is('reconnecting');
  await ada.tab.evaluate(async ([edited, twice, deleted]) => {
    const { person } = globalThis;
    await person.edit(edited, 'edited');
    await person.edit(twice, 'edited once');
    await person.edit(twice, 'edited twice');
    await person.erase(deleted);
  }, ids);
  const expected = before.map((message, index) => {
    if (index === 0) return { ...message, text: 'edited' };
    if (index === 1) return { ...message, text: 'edited twice' };
    return index === 2 ? { ...message, text: '', isDeleted: true } : message;
  });
  // The view shows them at once.
  await until(async () => isEqual((await ada.report()).storedMessages, expected), 'the store shows changes');
  const { changes } = await ada.report();
  assert.deepEqual(changes.shown, [], 'nothing of it is stored yet');
  // Of two edits that wait the newest leaves.
  const leaves = (change) => !change.endsWith('edited once');
  ledger.send('ada', ...changes.sent.filter(leaves));
  ledger.accept(...changes.accepted.filter(leaves));
  await ada.come();
  ledger.fault('reloaded');
  ada.network.heal();
  for (const person of [ada, bob]) {
    await until(async () => {
      const { shownMessages, storedMessages } = await person.report();
      return isEqual(shownMessages, expected) && isEqual(storedMessages, expected);
    }, `${person.name} shows the changes`).catch(async (error) => {
      throw new Error(`${error.message}: ${JSON.stringify(await person.report())}`);
    });
  }
  // What comes twice may come late.
  await sleep(500);
  for (const person of [ada, bob]) ledger.show(person.name, (await person.report()).changes.shown);
  const { timesTold } = (await bob.report()).changes;
  assert.equal(timesTold, changes.sent.filter(leaves).length, 'bob is told each change once');
  ledger.faults(ada.network.faults);
  ledger.close();
  assertNoProblems(ada.tab, bob.tab);
});

function isEqual(one, other) {
  return JSON.stringify(one) === JSON.stringify(other);
}

test('what_waits_can_be_edited_and_deleted_and_what_has_no_answer_yet_too', async () => {
  const [ada, bob] = await twoPeople(stack.newSpace('revised'));
  const shown = () =>
    ada.tab.evaluate(() => globalThis.person.client.getSnapshot().messages.map(({ text }) => text));
  const change = (text, newText) =>
    ada.tab.evaluate(
      async ([text, newText]) => {
        const { client } = globalThis.person;
        const { id } = client.getSnapshot().messages.find((message) => message.text === text);
        if (newText === undefined) await client.deleteMessage(id);
        else await client.editMessage(id, { text: newText });
      },
      [text, newText],
    );
  // Carried, and the answer is lost.
  ada.network.swallow('down');
  await ada.tab.evaluate(() => {
    globalThis.person.say(['carried']);
  });
  await bob.sees('carried');
  const editing = change('carried', 'carried, then edited');
  await until(async () => isEqual(await shown(), ['carried, then edited']), 'the view shows it at once');
  ada.network.goDown();
  await ada.is('reconnecting');
  await editing;
  await ada.tab.evaluate(() => globalThis.person.say(['waits', 'regretted']));
  await change('waits', 'waits, edited once');
  await change('waits, edited once', 'waits, edited twice');
  await change('regretted');
  const expected = ['carried, then edited', 'waits, edited twice'];
  assert.deepEqual(await shown(), expected);
  // A page that is loaded anew knows no more than what is on disk.
  await ada.come();
  ada.network.heal();
  for (const person of [ada, bob]) {
    await until(async () => {
      const { storedMessages, unsettled } = await person.report();
      return (
        unsettled === 0 &&
        isEqual(
          storedMessages.map(({ text }) => text),
          expected,
        )
      );
    }, `${person.name} shows what is left`).catch(async (error) => {
      throw new Error(`${error.message}: ${JSON.stringify(await person.report())}`);
    });
  }
  assertNoProblems(ada.tab, bob.tab);
});
