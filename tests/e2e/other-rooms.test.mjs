/**
 * What waits in a room that is not open.
 */
import assert from 'node:assert/strict';
import { assertNoProblems, test, until, useStack } from './lib/stack.mjs';

const stack = useStack();
/** The rows of a room that was left are given up after a second; then it is looked for them. */
const SENT_WITHIN_MS = 15_000;

/** Ada's page, which writes to `room` while nothing gets through and goes on to another room. */
async function writeAndGoOn(room, { isKept }) {
  const other = stack.newSpace('other');
  const ada = await stack.newPerson('ada', other);
  await ada.open();
  const tokenUrl = `${stack.peopleUrl}/token?userId=ada&expiryMs=3600000&spaceId=`;
  ada.network.goDown();
  await ada.tab.evaluate(
    async ([room, other, workerUrl, tokenUrl, isKept]) => {
      const { client } = await import('/kuratchi-spaces/index.js');
      globalThis.warnings = [];
      console.warn = (text) => globalThis.warnings.push(text);
      const tokenFor = async (spaceId) => (await fetch(tokenUrl + encodeURIComponent(spaceId))).text();
      const open = (spaceId) =>
        client({ spaceId, workerUrl, spaceToken: () => tokenFor(spaceId), ...(isKept && { tokenFor }) });
      const left = open(room);
      left.connect().catch(() => {});
      for (const text of ['one', 'two', 'three']) {
        await left.sendMessage({ text });
      }
      left.close();
      globalThis.shown = open(other);
      globalThis.shown.connect().catch(() => {});
      // Written as its view comes, which is gone 20 ms later.
      const { leave, hold } = await import('/kuratchi-spaces/holding.js');
      const brief = open(`${room}-brief`);
      // Effects of children run first.
      brief.sendMessage({ text: 'in passing' }).catch(() => {});
      const release = hold(brief, () => leave(brief));
      await new Promise((resolve) => setTimeout(resolve, 20));
      release();
    },
    [room, other, ada.network.url, tokenUrl, isKept],
  );
  return ada;
}

const pending = (ada) =>
  ada.tab.evaluate(async (workerUrl) => {
    const { pendingSpaces } = await import('/kuratchi-spaces/index.js');
    const list = await pendingSpaces(workerUrl);
    return list.map(({ spaceId, count }) => [spaceId, count]).sort();
  }, ada.network.url);

test('what_waits_in_another_room_goes_out_and_nobody_sees_its_sender_there', async () => {
  const room = stack.newSpace('left');
  const bob = await stack.newPerson('bob', room);
  await bob.arrive();
  const ada = await writeAndGoOn(room, { isKept: true });
  await until(async () => (await pending(ada)).length === 2, 'both rooms to have something to send');
  assert.deepEqual(await pending(ada), [
    [room, 3],
    [`${room}-brief`, 1],
  ]);
  ada.network.heal();
  await until(async () => (await pending(ada)).length === 0, 'nothing to wait', SENT_WITHIN_MS);
  const { shown } = await bob.report();
  assert.deepEqual(shown, ['one', 'two', 'three']);
  const present = () => globalThis.person.client.getSnapshot().presence.map(({ userId }) => userId);
  assert.deepEqual(await bob.tab.evaluate(present), ['bob']);
  const brief = await stack.newPerson('cy', `${room}-brief`);
  await brief.arrive();
  assert.deepEqual((await brief.report()).shown, ['in passing']);
  assert.deepEqual(await ada.tab.evaluate(() => globalThis.warnings), []);
  assertNoProblems(ada.tab, bob.tab, brief.tab);
});

test('an_app_that_gives_no_tokens_for_other_rooms_is_told_what_waits', async () => {
  const room = stack.newSpace('left');
  const ada = await writeAndGoOn(room, { isKept: false });
  const told = () => ada.tab.evaluate(() => globalThis.warnings);
  await until(async () => (await told()).length > 0, 'the app to be told', SENT_WITHIN_MS);
  assert.match((await told())[0], /^kuratchi-spaces: messages wait in the room '.*`tokenFor\(spaceId\)`\.$/);
  ada.network.heal();
  assert.deepEqual((await pending(ada)).at(0), [room, 3]);
  assertNoProblems(ada.tab);
});

test('what_waits_in_memory_goes_out_though_its_room_was_left', async () => {
  const room = stack.newSpace('memory');
  const bob = await stack.newPerson('bob', room);
  await bob.arrive();
  const ada = await stack.newPerson('ada', room);
  await ada.open();
  ada.network.goDown();
  const persistence = await ada.tab.evaluate(
    async ([room, workerUrl, tokenUrl]) => {
      Object.defineProperty(globalThis, 'indexedDB', { value: undefined });
      const { client } = await import('/kuratchi-spaces/index.js');
      const { leave, hold } = await import('/kuratchi-spaces/holding.js');
      const spaceToken = async () => (await fetch(tokenUrl + encodeURIComponent(room))).text();
      const space = client({ spaceId: room, workerUrl, spaceToken });
      const release = hold(space, () => leave(space));
      await space.sendMessage({ senderId: 'ada', senderType: 'user', text: 'kept in mind' });
      release();
      return space.persistence;
    },
    [room, ada.network.url, `${stack.peopleUrl}/token?userId=ada&expiryMs=3600000&spaceId=`],
  );
  assert.equal(persistence, 'memory');
  // Longer than a client whose view is gone is kept for what goes to the disk.
  await ada.tab.waitForTimeout(11_000);
  ada.network.heal();
  await until(
    async () => (await bob.report()).shown.includes('kept in mind'),
    'it to arrive',
    SENT_WITHIN_MS,
  );
  const present = () => globalThis.person.client.getSnapshot().presence.map(({ userId }) => userId);
  await until(
    async () => (await bob.tab.evaluate(present)).join() === 'bob',
    'its client to be gone',
    10_000,
  );
  assertNoProblems(ada.tab, bob.tab);
});

/** Ada writes without a network, and goes before it is back; Bob is there. */
async function leaveSomethingBehind(room) {
  const bob = await stack.newPerson('bob', room);
  await bob.arrive();
  const ada = await stack.newPerson('ada', room);
  await ada.open();
  ada.network.goDown();
  await ada.tab.evaluate(
    async ([room, workerUrl, tokenUrl]) => {
      const { client } = await import('/kuratchi-spaces/index.js');
      const { leave, hold } = await import('/kuratchi-spaces/holding.js');
      const tokenFor = async (spaceId) => (await fetch(tokenUrl + encodeURIComponent(spaceId))).text();
      const space = client({ spaceId: room, workerUrl, spaceToken: () => tokenFor(room), tokenFor });
      const release = hold(space, () => leave(space));
      await space.sendMessage({ text: 'left behind' });
      release();
    },
    [room, ada.network.url, `${stack.peopleUrl}/token?userId=ada&expiryMs=3600000&spaceId=`],
  );
  await until(async () => (await pending(ada)).length === 1, 'the room to have something to send');
  // Longer than the keeper looks for the first time, and gets nowhere.
  await ada.tab.waitForTimeout(4_000);
  return { ada, bob };
}

test('what_waits_goes_out_though_no_room_is_open_any_more', async () => {
  const { ada, bob } = await leaveSomethingBehind(stack.newSpace('only'));
  ada.network.heal();
  await ada.tab.evaluate(() => globalThis.dispatchEvent(new Event('online')));
  await bob.sees('left behind');
  await until(async () => (await pending(ada)).length === 0, 'nothing to wait', SENT_WITHIN_MS);
});

test('what_waits_goes_out_over_a_link_on_which_each_answer_is_slow', async () => {
  const { ada, bob } = await leaveSomethingBehind(stack.newSpace('slow'));
  ada.network.heal();
  // With the question that browsers ask first, longer than a room is given in which nothing of the user's is on its way.
  ada.network.delay(1_700);
  await ada.tab.evaluate(() => globalThis.dispatchEvent(new Event('online')));
  await until(async () => (await pending(ada)).length === 0, 'nothing to wait', 3 * SENT_WITHIN_MS);
  await bob.sees('left behind');
});

test('a_token_for_other_rooms_that_comes_with_a_later_config_is_used', async () => {
  const room = stack.newSpace('left');
  const ada = await writeAndGoOn(room, { isKept: false });
  const tokenUrl = `${stack.peopleUrl}/token?userId=ada&expiryMs=3600000&spaceId=`;
  await ada.tab.evaluate(
    async ([spaceId, workerUrl, tokenUrl]) => {
      const { client } = await import('/kuratchi-spaces/index.js');
      const { OwnClient } = await import('/kuratchi-spaces/own-client.js');
      const tokenFor = async (spaceId) => (await fetch(tokenUrl + encodeURIComponent(spaceId))).text();
      const config = { spaceId, workerUrl, spaceToken: () => tokenFor(spaceId) };
      const own = new OwnClient(config, client);
      own.listen(own.heard);
      own.space.connect();
      own.take({ ...config, tokenFor });
      own.listen(own.heard);
    },
    [stack.newSpace('later'), ada.network.url, tokenUrl],
  );
  ada.network.heal();
  await until(async () => (await pending(ada)).length === 0, 'nothing to wait', SENT_WITHIN_MS);
});

test('a_token_for_other_rooms_that_a_later_config_takes_back_is_not_asked_any_more', async () => {
  const ada = await writeAndGoOn(stack.newSpace('left'), { isKept: false });
  await until(async () => (await pending(ada)).length === 2, 'both rooms to have something to send');
  const asked = await ada.tab.evaluate(
    async ([spaceId, workerUrl]) => {
      const { client } = await import('/kuratchi-spaces/index.js');
      const { OwnClient } = await import('/kuratchi-spaces/own-client.js');
      const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
      let asked = 0;
      let answer;
      const tokenFor = () => {
        asked += 1;
        return new Promise((resolve) => {
          answer = resolve;
        });
      };
      const config = { spaceId, workerUrl, spaceToken: () => '' };
      const own = new OwnClient({ ...config, tokenFor }, client);
      const stop = own.listen(own.heard);
      while (!answer) await wait(50);
      // A render gives the next config before the one before is unheard; the app was asked meanwhile.
      own.take(config);
      answer(undefined);
      globalThis.dispatchEvent(new Event('online'));
      await wait(1_000);
      stop();
      own.listen(own.heard);
      globalThis.dispatchEvent(new Event('online'));
      await wait(4_000);
      return asked;
    },
    [stack.newSpace('later'), ada.network.url],
  );
  assert.equal(asked, 1);
  const warnings = await ada.tab.evaluate(() => globalThis.warnings);
  assert.deepEqual(
    warnings.filter((text) => !text.includes('if client() is given')),
    [],
  );
});

test('an_app_that_gives_no_token_for_a_room_is_told_once_why_it_waits', async () => {
  const rooms = ['throws', 'nothing', 'page', 'silence', 'another'].map((kind) => stack.newSpace(kind));
  const ada = await stack.newPerson('ada', stack.newSpace('home'));
  await ada.open();
  ada.network.goDown();
  const tokenUrl = `${stack.peopleUrl}/token?expiryMs=3600000`;
  await ada.tab.evaluate(
    async ([rooms, home, workerUrl, tokenUrl]) => {
      const { client } = await import('/kuratchi-spaces/index.js');
      globalThis.warnings = [];
      console.warn = (text) => globalThis.warnings.push(text);
      globalThis.asked = 0;
      const tokenOf = async (spaceId, userId = 'ada') =>
        (await fetch(`${tokenUrl}&${new URLSearchParams({ spaceId, userId })}`)).text();
      for (const spaceId of rooms) {
        const left = client({ spaceId, userId: 'ada', workerUrl, spaceToken: () => tokenOf(spaceId) });
        left.connect().catch(() => {});
        await left.sendMessage({ senderId: 'ada', senderType: 'user', text: `to ${spaceId}` });
        left.close();
      }
      const answers = {
        throws: async (spaceId) => {
          throw new Error(`no luck with ${await tokenOf(spaceId)}, sorry`);
        },
        nothing: () => undefined,
        page: () => '<!doctype html>',
        silence: () => new Promise(() => {}),
        // Somebody else has signed in, in another tab.
        another: (spaceId) => {
          globalThis.asked += 1;
          return tokenOf(spaceId, 'bob');
        },
      };
      globalThis.isMended = false;
      const tokenFor = (spaceId) => {
        const kind = Object.keys(answers).find((name) => spaceId.startsWith(name));
        return globalThis.isMended ? tokenOf(spaceId) : answers[kind](spaceId);
      };
      const config = { spaceId: home, userId: 'ada', workerUrl, spaceToken: () => tokenOf(home), tokenFor };
      client(config)
        .connect()
        .catch(() => {});
    },
    [rooms, stack.newSpace('home'), ada.network.url, tokenUrl],
  );
  const told = () => ada.tab.evaluate(() => globalThis.warnings);
  await until(async () => (await told()).length === 5, 'each kind is told', 20_000);
  assert.ok((await ada.tab.evaluate(() => globalThis.asked)) <= 4, 'it rests');
  const texts = (await told()).sort();
  for (const [kind, said] of [
    ['nothing', 'gave nothing'],
    ['page', 'gave something that is no token'],
    ['silence', 'gave no answer within 10 s'],
    ['throws', 'failed (no luck with <token> sorry)'],
    ['another', 'the token names another user than `userId`'],
  ]) {
    const text = texts.find((text) => text.includes(`the room '${kind}`));
    assert.ok(text?.includes(said), text);
  }
  // It goes on, and says no more.
  ada.network.heal();
  await until(async () => (await pending(ada)).length === 5, 'all still wait');
  await ada.tab.evaluate(() => globalThis.dispatchEvent(new Event('online')));
  await ada.tab.waitForTimeout(1_000);
  await ada.tab.evaluate(() => {
    globalThis.isMended = true;
    globalThis.dispatchEvent(new Event('online'));
  });
  await until(async () => (await pending(ada)).length === 0, 'nothing to wait', 30_000);
  assert.equal((await told()).length, 5);
});

test('a_room_that_is_left_before_its_token_is_there_and_sends_by_itself_is_not_told_of', async () => {
  const rooms = [stack.newSpace('left'), stack.newSpace('next')];
  const ada = await stack.newPerson('ada', rooms[0]);
  await ada.open();
  const told = await ada.tab.evaluate(
    async ([rooms, workerUrl, tokenUrl]) => {
      const { client } = await import('/kuratchi-spaces/index.js');
      const { hold, leave } = await import('/kuratchi-spaces/holding.js');
      const warnings = [];
      console.warn = (text) => warnings.push(text);
      const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
      const [left, next] = rooms.map((spaceId) => {
        const spaceToken = async () => {
          await wait(3_000);
          return (await fetch(tokenUrl + encodeURIComponent(spaceId))).text();
        };
        return client({ spaceId, workerUrl, spaceToken });
      });
      const sent = new Promise((resolve) =>
        left.on('messageUpdate', ({ status }) => status === 'sent' && resolve()),
      );
      left.subscribe(() => {});
      const release = hold(left, () => leave(left));
      await left.sendMessage({ senderId: 'ada', senderType: 'user', text: 'in time' });
      await wait(300);
      release();
      hold(next, () => leave(next));
      await sent;
      await next.connect();
      // Longer than after a room was left it is looked what waits.
      await wait(3_000);
      return warnings;
    },
    [rooms, ada.network.url, `${stack.peopleUrl}/token?userId=ada&expiryMs=3600000&spaceId=`],
  );
  assert.deepEqual(told, []);
  assertNoProblems(ada.tab);
});

test('what_an_earlier_page_left_in_another_room_is_told_where_nobody_sees_to_it', async () => {
  const room = stack.newSpace('left');
  const ada = await writeAndGoOn(room, { isKept: false });
  await until(async () => (await pending(ada)).length === 2, 'both rooms to have something to send');
  ada.network.heal();
  const other = stack.newSpace('later');
  await ada.tab.reload();
  const told = await ada.tab.evaluate(
    async ([spaceId, workerUrl, tokenUrl]) => {
      const { client } = await import('/kuratchi-spaces/index.js');
      const spaceToken = await (await fetch(tokenUrl + encodeURIComponent(spaceId))).text();
      const warning = new Promise((resolve) => {
        console.warn = resolve;
      });
      await client({ spaceId, workerUrl, spaceToken }).connect();
      return warning;
    },
    [other, ada.network.url, `${stack.peopleUrl}/token?userId=ada&expiryMs=3600000&spaceId=`],
  );
  assert.match(told, /^kuratchi-spaces: messages wait in the room '/);
});

test('who_comes_back_to_a_room_finds_what_waits_there_and_it_leaves_in_order', async () => {
  const room = stack.newSpace('back');
  const bob = await stack.newPerson('bob', room);
  await bob.arrive();
  const ada = await writeAndGoOn(room, { isKept: true });
  // The keeper is in the room by now, and gets nowhere.
  await ada.tab.waitForTimeout(3_500);
  const seen = () => ada.tab.evaluate(() => globalThis.back.getSnapshot().messages.map(({ text }) => text));
  await ada.tab.evaluate(
    async ([room, workerUrl, tokenUrl]) => {
      const { client } = await import('/kuratchi-spaces/index.js');
      const spaceToken = async () => (await fetch(tokenUrl + encodeURIComponent(room))).text();
      globalThis.back = client({ spaceId: room, workerUrl, spaceToken });
      globalThis.back.subscribe(() => {});
      globalThis.back.connect().catch(() => {});
    },
    [room, ada.network.url, `${stack.peopleUrl}/token?userId=ada&expiryMs=3600000&spaceId=`],
  );
  await until(async () => (await seen()).length === 3, 'what waits to be shown', 6_000);
  await ada.tab.evaluate(() =>
    globalThis.back.sendMessage({ senderId: 'ada', senderType: 'user', text: 'four' }),
  );
  ada.network.heal();
  await bob.sees('four');
  assert.deepEqual((await bob.report()).shown, ['one', 'two', 'three', 'four']);
  assertNoProblems(ada.tab, bob.tab);
});

test('what_a_view_sends_before_there_is_a_token_is_sent_though_the_view_goes_at_once', async () => {
  const room = stack.newSpace('brief');
  const ada = await stack.newPerson('ada', room);
  await ada.open();
  await ada.tab.evaluate(
    async ([room, workerUrl, tokenUrl]) => {
      const { client } = await import('/kuratchi-spaces/index.js');
      const { hold, leave } = await import('/kuratchi-spaces/holding.js');
      const spaceToken = async () => {
        await new Promise((resolve) => setTimeout(resolve, 300));
        return (await fetch(tokenUrl + encodeURIComponent(room))).text();
      };
      const brief = client({ spaceId: room, workerUrl, spaceToken });
      const release = hold(brief, () => leave(brief));
      brief.sendMessage({ text: 'in passing' }).catch(() => {});
      await new Promise((resolve) => setTimeout(resolve, 20));
      release();
    },
    [room, ada.network.url, `${stack.peopleUrl}/token?userId=ada&expiryMs=3600000&spaceId=`],
  );
  const bob = await stack.newPerson('bob', room);
  await bob.arrive();
  await bob.sees('in passing');
  assertNoProblems(ada.tab, bob.tab);
});

test('what_was_written_before_there_was_a_token_is_not_of_the_next_person_in_the_page', async () => {
  const room = stack.newSpace('shared');
  const ada = await stack.newPerson('ada', room);
  await ada.open();
  const found = await ada.tab.evaluate(
    async ([spaceId, workerUrl, tokenUrl]) => {
      const { client } = await import('/kuratchi-spaces/index.js');
      const { hold, leave } = await import('/kuratchi-spaces/holding.js');
      const place = { spaceId, workerUrl };
      const left = client({ ...place, spaceToken: () => Promise.reject(new Error('no token yet')) });
      const release = hold(left, () => leave(left));
      await left.sendMessage({ text: 'by ada' });
      const ended = new Promise((resolve) =>
        left.on('stateChange', ({ state }) => state === 'idle' && resolve()),
      );
      release();
      await ended;
      const next = client({ ...place, spaceToken: async () => (await fetch(tokenUrl + spaceId)).text() });
      next.subscribe(() => {});
      await next.connect();
      await next.sendMessage({ text: 'by bob' });
      const { messages } = next.getSnapshot();
      return messages.map(({ text, status, error }) => [text, status, error?.code]);
    },
    [room, ada.network.url, `${stack.peopleUrl}/token?userId=bob&expiryMs=3600000&spaceId=`],
  );
  assert.deepEqual(found, [
    ['by bob', 'sent', undefined],
    ['by ada', 'failed', 'ownerUnknown'],
  ]);
  assertNoProblems(ada.tab);
});

/** Makes `globalThis.open(name, spaceId)` in Ada's page, of a client that a view holds; it gives what ends the view. */
const makeViews = (ada) =>
  ada.tab.evaluate(
    async ([workerUrl, tokenUrl]) => {
      const { client } = await import('/kuratchi-spaces/index.js');
      const { hold, leave } = await import('/kuratchi-spaces/holding.js');
      globalThis.open = (name, spaceId) => {
        const spaceToken = async () => (await fetch(tokenUrl + encodeURIComponent(spaceId))).text();
        const space = client({ workerUrl, spaceId, spaceToken });
        globalThis[name] = space;
        space.subscribe(() => {});
        return hold(space, () => leave(space));
      };
    },
    [ada.network.url, `${stack.peopleUrl}/token?userId=ada&expiryMs=3600000&spaceId=`],
  );

const waitingIn = (ada, name) =>
  ada.tab.evaluate((name) => {
    const { messages } = globalThis[name].getSnapshot();
    return messages.filter(({ status }) => status === 'pending').map(({ text }) => text);
  }, name);

const isConnected = (ada, name) => () => ada.tab.evaluate((name) => globalThis[name].isConnected(), name);

test('a_view_that_comes_back_to_its_room_during_an_outage_shows_what_waits_there', async () => {
  const [red, blue] = [stack.newSpace('red'), stack.newSpace('blue')];
  const ada = await stack.newPerson('ada', red);
  await ada.open();
  await makeViews(ada);
  await ada.tab.evaluate((red) => {
    globalThis.leaveRed = globalThis.open('red', red);
  }, red);
  await until(isConnected(ada, 'red'), 'red is connected');
  ada.network.goDown();
  await until(async () => !(await isConnected(ada, 'red')()), 'red is cut off');
  await ada.tab.evaluate(() => {
    for (const text of ['waits', 'is deleted']) globalThis.red.sendMessage({ text });
  });
  await until(async () => (await waitingIn(ada, 'red')).length === 2, 'both wait');
  await ada.tab.evaluate(
    async ([red, blue]) => {
      globalThis.leaveRed();
      const leaveBlue = globalThis.open('blue', blue);
      await new Promise((resolve) => setTimeout(resolve, 1_500));
      leaveBlue();
      globalThis.open('again', red);
    },
    [red, blue],
  );
  await until(async () => (await waitingIn(ada, 'again')).length === 2, 'what waits is shown', 1_500);
  await ada.tab.evaluate(async () => {
    const [waits, other] = globalThis.again.getSnapshot().messages;
    await globalThis.again.editMessage(waits.id, { text: 'was edited' });
    // Whether another connection has carried it is not known: it can be deleted, not taken back.
    await globalThis.again.deleteMessage(other.id);
  });
  assert.equal((await waitingIn(ada, 'again'))[0], 'was edited');
  ada.network.heal();
  const bob = await stack.newPerson('bob', red);
  await bob.arrive();
  await bob.sees('was edited');
  await until(async () => (await waitingIn(ada, 'again')).length === 0, 'nothing waits any more');
  const texts = () => globalThis.person.client.getSnapshot().messages.map(({ text }) => text);
  await until(
    async () => (await bob.tab.evaluate(texts)).join() === 'was edited,',
    'the other one is deleted',
  );
  assertNoProblems(ada.tab, bob.tab);
});

test('two_clients_of_one_room_in_a_page_find_their_own_after_a_reload_and_a_switch', async () => {
  const room = stack.newSpace('badge');
  const ada = await stack.newPerson('ada', room);
  await ada.open();
  const openBoth = async () => {
    await makeViews(ada);
    await ada.tab.evaluate((room) => {
      globalThis.open('badge', room);
      globalThis.leaveRoom = globalThis.open('room', room);
    }, room);
  };
  await openBoth();
  for (const name of ['badge', 'room']) await until(isConnected(ada, name), `${name} is connected`);
  ada.network.goDown();
  await ada.tab.evaluate(() => globalThis.room.sendMessage({ text: 'waits' }));
  await until(async () => (await pending(ada)).length === 1, 'it waits');
  await ada.tab.reload();
  await openBoth();
  await until(async () => (await waitingIn(ada, 'room')).length === 1, 'the room shows what waits', 6_000);
  assert.deepEqual(await waitingIn(ada, 'badge'), []);
  await ada.tab.evaluate(async (room) => {
    globalThis.leaveRoom();
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    globalThis.open('room', room);
  }, room);
  await until(async () => (await waitingIn(ada, 'room')).length === 1, 'the room shows it again', 1_500);
  assert.deepEqual(await waitingIn(ada, 'badge'), []);
  ada.network.heal();
  const bob = await stack.newPerson('bob', room);
  await bob.arrive();
  await bob.sees('waits');
  assert.deepEqual((await bob.report()).shown, ['waits']);
});

/**
 * Makes `enter(spaceId, userId)` in Ada's page, which gives a client of hers, or of that user, whose token function fails while `isUp` is
 * false; enters `home`.
 */
async function comeHome(ada, home) {
  const tokenUrl = `${stack.peopleUrl}/token?expiryMs=3600000`;
  await ada.open();
  await ada.tab.evaluate(
    async ([home, workerUrl, tokenUrl]) => {
      const { client } = await import('/kuratchi-spaces/index.js');
      const { hold, leave } = await import('/kuratchi-spaces/holding.js');
      globalThis.warnings = [];
      console.warn = (text) => globalThis.warnings.push(text);
      globalThis.isUp = true;
      globalThis.enter = (spaceId, userId = 'ada') => {
        const tokenFor = async (spaceId) => {
          if (!globalThis.isUp) throw new TypeError('Failed to fetch');
          return (await fetch(`${tokenUrl}&${new URLSearchParams({ userId, spaceId })}`)).text();
        };
        return client({ spaceId, userId, workerUrl, tokenFor, spaceToken: () => tokenFor(spaceId) });
      };
      globalThis.show = (space) => {
        space.subscribe(() => {});
        return hold(space, () => leave(space));
      };
      globalThis.home = enter(home);
      globalThis.leaveHome = show(globalThis.home);
      await globalThis.home.connect();
    },
    [home, ada.network.url, tokenUrl],
  );
}

async function goDown(ada) {
  ada.network.goDown();
  await ada.tab.evaluate(async () => {
    globalThis.isUp = false;
    while (globalThis.home.isConnected()) await new Promise((resolve) => setTimeout(resolve, 20));
  });
}

for (const isLeft of [false, true]) {
  const where = isLeft ? 'that_was_left' : 'that_is_open';
  test(`what_is_written_without_a_token_is_of_whom_the_app_says_of_a_room_${where}`, async () => {
    const [home, room] = [stack.newSpace('home'), stack.newSpace('entered-offline')];
    const ada = await stack.newPerson('ada', home);
    await comeHome(ada, home);
    await goDown(ada);
    await ada.tab.evaluate(
      async ([room, isLeft]) => {
        if (isLeft) globalThis.leaveHome();
        const entered = enter(room);
        const leave = show(entered);
        for (const text of ['one', 'two']) await entered.sendMessage({ text });
        leave();
      },
      [room, isLeft],
    );
    assert.deepEqual(await pending(ada), [[room, 2]]);
    ada.network.heal();
    await comeHome(ada, home);
    await until(async () => (await pending(ada)).length === 0, 'nothing to wait', SENT_WITHIN_MS);
    const bob = await stack.newPerson('bob', room);
    await bob.arrive();
    const { shown } = await bob.report();
    assert.deepEqual(shown, ['one', 'two']);
    assert.deepEqual(await ada.tab.evaluate(() => globalThis.warnings), []);
    assertNoProblems(ada.tab, bob.tab);
  });
}

test('what_views_of_one_room_write_one_after_the_other_without_a_token_leaves_in_that_order', async () => {
  const room = stack.newSpace('panel');
  const bob = await stack.newPerson('bob', room);
  await bob.arrive();
  const ada = await stack.newPerson('ada', room);
  await comeHome(ada, room);
  await goDown(ada);
  const seen = await ada.tab.evaluate(async (room) => {
    const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
    const seen = [];
    let [space, leave] = [globalThis.home, globalThis.leaveHome];
    for (const text of ['1', '2', '3', '4', '5']) {
      await space.sendMessage({ text });
      await sleep(500);
      if (text === '4') continue;
      leave();
      await sleep(100);
      space = enter(room);
      leave = show(space);
      await sleep(1_500);
      seen.push(space.getSnapshot().messages.map(({ text }) => text));
    }
    return seen;
  }, room);
  // What was written before is there again, by what the app says.
  assert.deepEqual(seen, [['1'], ['1', '2'], ['1', '2', '3'], ['1', '2', '3', '4', '5']]);
  ada.network.heal();
  await ada.tab.evaluate(() => {
    globalThis.isUp = true;
    dispatchEvent(new Event('online'));
  });
  await until(async () => (await bob.report()).shown.length === 5, 'all to arrive', SENT_WITHIN_MS);
  assert.deepEqual((await bob.report()).shown, ['1', '2', '3', '4', '5']);
  assertNoProblems(ada.tab, bob.tab);
});

test('what_one_user_wrote_without_a_token_is_not_shown_to_the_next_one_nor_sent_as_theirs', async () => {
  const [home, room] = [stack.newSpace('home'), stack.newSpace('shared-device')];
  const reader = await stack.newPerson('reader', room);
  await reader.arrive();
  const ada = await stack.newPerson('ada', home);
  await comeHome(ada, home);
  await goDown(ada);
  const shownToBob = await ada.tab.evaluate(async (room) => {
    const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
    const hers = enter(room);
    const leave = show(hers);
    await hers.sendMessage({ text: 'by Ada' });
    // The component has a key: views of another user come in the same task.
    leave();
    globalThis.leaveHome();
    globalThis.his = enter(room, 'bob');
    globalThis.leaveHis = show(globalThis.his);
    await globalThis.his.sendMessage({ text: 'by Bob' });
    await sleep(2_000);
    return globalThis.his.getSnapshot().messages.map(({ text }) => text);
  }, room);
  assert.deepEqual(shownToBob, ['by Bob']);
  ada.network.heal();
  await ada.tab.evaluate(() => {
    globalThis.isUp = true;
    dispatchEvent(new Event('online'));
  });
  await reader.sees('by Bob');
  // Hers is still there for a while, and sends what she wrote as hers.
  await reader.sees('by Ada');
  const senders = () =>
    reader.tab.evaluate(() =>
      globalThis.person.client.getSnapshot().messages.map(({ senderId, text }) => `${senderId}: ${text}`),
    );
  assert.deepEqual((await senders()).sort(), ['ada: by Ada', 'bob: by Bob']);
  await ada.tab.evaluate(async (room) => {
    globalThis.leaveHis();
    globalThis.hers = enter(room);
    show(globalThis.hers);
    await globalThis.hers.sendMessage({ text: 'back' }, { until: 'stored' });
  }, room);
  await reader.sees('back');
  assert.equal((await senders()).length, 3, 'each once');
  assertNoProblems(ada.tab, reader.tab);
});

/** Gives a tab `view(userId)`, a view of `room`, and has the Wasm take its time. */
async function prepareViews(ada, room) {
  await ada.open();
  await ada.tab.evaluate(
    async ([room, workerUrl, tokenUrl]) => {
      const { client } = await import('/kuratchi-spaces/index.js');
      const { leave, hold } = await import('/kuratchi-spaces/holding.js');
      globalThis.sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
      const loaded = sleep(600);
      for (const name of ['instantiate', 'instantiateStreaming']) {
        const original = WebAssembly[name];
        WebAssembly[name] = async (...given) => {
          await loaded;
          return original(...given);
        };
      }
      globalThis.view = (userId) => {
        const spaceToken = async () =>
          (await fetch(`${tokenUrl}&${new URLSearchParams({ userId, spaceId: room })}`)).text();
        const space = client({ spaceId: room, userId, workerUrl, spaceToken });
        return { space, end: hold(space, () => leave(space)) };
      };
    },
    [room, ada.network.url, `${stack.peopleUrl}/token?expiryMs=3600000`],
  );
}

test('what_a_user_writes_before_and_after_another_one_leaves_in_order_though_the_wasm_was_slow', async () => {
  const room = stack.newSpace('back-and-forth');
  const reader = await stack.newPerson('reader', room);
  await reader.arrive();
  const ada = await stack.newPerson('ada', room);
  for (const pauseMs of [0, 150]) {
    await prepareViews(ada, room);
    await ada.tab.evaluate(async (pauseMs) => {
      const sent = [];
      const say = ({ space }, text) => sent.push(space.sendMessage({ text }));
      const first = view('ada');
      say(first, `a1 ${pauseMs}`);
      say(first, `a2 ${pauseMs}`);
      await sleep(pauseMs);
      first.end();
      const his = view('bob');
      say(his, `b ${pauseMs}`);
      await sleep(pauseMs);
      his.end();
      say(view('ada'), `a3 ${pauseMs}`);
      await Promise.all(sent);
    }, pauseMs);
    await reader.sees(`a3 ${pauseMs}`);
    await reader.sees(`b ${pauseMs}`);
    const { shown } = await reader.report();
    const ofAda = shown.filter((text) => text.startsWith('a') && text.endsWith(` ${pauseMs}`));
    assert.deepEqual(ofAda, [`a1 ${pauseMs}`, `a2 ${pauseMs}`, `a3 ${pauseMs}`]);
  }
  assertNoProblems(ada.tab, reader.tab);
});

test('what_a_view_sends_that_is_gone_before_the_wasm_came_leaves_behind_what_waited_before_the_reload', async () => {
  const room = stack.newSpace('reloaded');
  const reader = await stack.newPerson('reader', room);
  await reader.arrive();
  const ada = await stack.newPerson('ada', room);
  await prepareViews(ada, room);
  ada.network.goDown();
  await ada.tab.evaluate(async () => {
    const { space } = view('ada');
    for (const text of ['1', '2']) await space.sendMessage({ text });
  });
  ada.network.heal();
  await prepareViews(ada, room);
  await ada.tab.evaluate(async () => {
    const { space, end } = view('ada');
    const sent = ['3', '4'].map((text) => space.sendMessage({ text }));
    await sleep(50);
    end();
    await Promise.all(sent);
  });
  await until(async () => (await reader.report()).shown.length === 4, 'all to arrive', SENT_WITHIN_MS);
  assert.deepEqual((await reader.report()).shown, ['1', '2', '3', '4']);
  assertNoProblems(ada.tab, reader.tab);
});

test('what_a_user_left_in_a_tab_that_is_gone_is_shown_in_the_next_one_before_any_token', async () => {
  const room = stack.newSpace('next-tab');
  const ada = await stack.newPerson('ada', room);
  const show = (text) =>
    ada.tab.evaluate(
      async ([room, workerUrl, text]) => {
        const { client } = await import('/kuratchi-spaces/index.js');
        const spaceToken = async () => {
          throw new TypeError('Failed to fetch');
        };
        globalThis.space = client({ spaceId: room, userId: 'ada', workerUrl, spaceToken });
        globalThis.space.subscribe(() => {});
        globalThis.space.connect().catch(() => {});
        if (text) await globalThis.space.sendMessage({ text });
      },
      [room, ada.network.url, text],
    );
  const shown = () => ada.tab.evaluate(() => globalThis.space.getSnapshot().messages.map(({ text }) => text));
  await ada.open();
  await show('written offline');
  // A tab of its own has a memory of its own.
  await ada.tab.evaluate(() => sessionStorage.clear());
  await ada.open();
  await show();
  await until(async () => (await shown()).length > 0, 'it to be shown', 5_000);
  assert.deepEqual(await shown(), ['written offline']);
  assertNoProblems(ada.tab);
});

test('what_is_sent_with_a_token_of_nobody_s_is_of_whom_the_app_says', async () => {
  const room = stack.newSpace('guest');
  const reader = await stack.newPerson('reader', room);
  await reader.arrive();
  const ada = await stack.newPerson('ada', room);
  await ada.open();
  await ada.tab.evaluate(
    async ([room, workerUrl, tokenUrl]) => {
      const { client } = await import('/kuratchi-spaces/index.js');
      const spaceToken = async () => (await fetch(tokenUrl + encodeURIComponent(room))).text();
      for (const text of ['before', 'after']) {
        const space = client({ spaceId: room, userId: 'guest-7', workerUrl, spaceToken });
        if (text === 'after') await space.connect();
        await space.sendMessage({ text }, { until: 'stored' });
      }
    },
    [room, ada.network.url, `${stack.peopleUrl}/token?expiryMs=3600000&spaceId=`],
  );
  await reader.sees('after');
  const senders = () =>
    globalThis.person.client.getSnapshot().messages.map(({ senderId, verified }) => [senderId, verified]);
  assert.deepEqual(await reader.tab.evaluate(senders), [
    ['guest-7', false],
    ['guest-7', false],
  ]);
  assertNoProblems(ada.tab, reader.tab);
});

test('an_app_is_told_of_what_nobody_knows_who_wrote', async () => {
  const [home, room] = [stack.newSpace('home'), stack.newSpace('nobodys')];
  const ada = await stack.newPerson('ada', home);
  const tokenUrl = `${stack.peopleUrl}/token?userId=ada&expiryMs=3600000&spaceId=`;
  await ada.open();
  await ada.tab.evaluate(
    async ([room, workerUrl]) => {
      const { client } = await import('/kuratchi-spaces/index.js');
      const spaceToken = async () => {
        throw new TypeError('Failed to fetch');
      };
      const entered = client({ spaceId: room, workerUrl, spaceToken });
      entered.connect().catch(() => {});
      await entered.sendMessage({ text: 'one' });
      entered.close();
    },
    [room, ada.network.url],
  );
  await ada.open();
  await ada.tab.evaluate(
    async ([home, workerUrl, tokenUrl]) => {
      const { client } = await import('/kuratchi-spaces/index.js');
      globalThis.warnings = [];
      console.warn = (text) => globalThis.warnings.push(text);
      const tokenFor = async (spaceId) => (await fetch(tokenUrl + encodeURIComponent(spaceId))).text();
      await client({ spaceId: home, workerUrl, tokenFor, spaceToken: () => tokenFor(home) }).connect();
    },
    [home, ada.network.url, tokenUrl],
  );
  const told = () => ada.tab.evaluate(() => globalThis.warnings);
  await until(async () => (await told()).length > 0, 'the app to be told', SENT_WITHIN_MS);
  assert.match((await told())[0], /messages wait in the room '.*nobodys.*ownerUnknown.*retry\(\)/);
  assertNoProblems(ada.tab);
});
