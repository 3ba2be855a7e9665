/**
 * Calls at odd times, and callbacks that do as they please.
 */
import assert from 'node:assert/strict';
import { assertNoProblems, test, until, useStack } from './lib/stack.mjs';

const stack = useStack();

/** A bare tab with a ready `newClient(callbacks)` in it. */
async function newClientTab(space) {
  const tab = await stack.newBareTab();
  await tab.evaluate(async (space) => {
    const spaces = await import('/kuratchi-spaces/index.js');
    const { spaceId, spaceToken, workerUrl, userId } = await fetch(`/api/chat/init?space=${space}`).then(
      (r) => r.json(),
    );
    globalThis.newClient = (callbacks) => spaces.client({ spaceId, spaceToken, workerUrl, ...callbacks });
    globalThis.draft = (text) => ({ senderId: userId, senderType: 'user', text });
    globalThis.seen = [];
  }, space);
  return tab;
}

async function sees(tab, ...texts) {
  await tab.waitForFunction((wanted) => JSON.stringify(globalThis.seen) === wanted, JSON.stringify(texts));
}

test('connect_twice_opens_one_socket_and_gives_one_promise', async () => {
  const tab = await newClientTab(stack.newSpace());
  const before = stack.proxy.upgradeCount;
  const result = await tab.evaluate(async () => {
    const client = newClient({});
    const one = client.connect();
    const other = client.connect();
    await Promise.all([one, other]);
    const isConnected = client.isConnected();
    await client.connect();
    return { isSame: one === other, isConnected };
  });
  assert.deepEqual(result, { isSame: true, isConnected: true });
  assert.equal(stack.proxy.upgradeCount - before, 1);
  assertNoProblems(tab);
  await tab.context().close();
});

test('connect_resolves_only_when_the_space_has_accepted', async () => {
  const tab = await newClientTab(stack.newSpace());
  stack.proxy.upgrades.shut();
  await tab.evaluate(() => {
    globalThis.client = newClient({ onConnectionChange: (connected) => seen.push(connected) });
    globalThis.client.connect().then(() => seen.push('resolved'));
  });
  await stack.proxy.upgrades.arrival();
  const early = await tab.evaluate(() => ({ seen, isConnected: globalThis.client.isConnected() }));
  assert.deepEqual(early, { seen: [], isConnected: false });
  stack.proxy.release();
  await tab.waitForFunction(() => seen.includes('resolved'));
  assert.equal(await tab.evaluate(() => globalThis.client.isConnected()), true);
  await tab.context().close();
});

test('disconnect_comes_back_at_once_while_loading_while_connecting_and_while_connected', async () => {
  const tab = await newClientTab(stack.newSpace());
  const attempt = (stage) =>
    tab.evaluate(async (stage) => {
      globalThis.client ??= newClient({});
      const connected = globalThis.client.connect();
      const outcome = connected.then(
        () => 'connected',
        (error) => error.code,
      );
      if (stage === 'held') await globalThis.mayEnd();
      if (stage === 'connected') await connected;
      const started = performance.now();
      globalThis.client.disconnect();
      globalThis.client.disconnect();
      const ms = performance.now() - started;
      return { outcome: await outcome, ms, isConnected: globalThis.client.isConnected() };
    }, stage);
  const check = (result, outcome) => {
    assert.equal(result.outcome, outcome);
    assert.equal(result.isConnected, false);
    assert.ok(result.ms < 100, `disconnect() took ${result.ms} ms`);
  };
  await tab.exposeFunction('mayEnd', () => stack.proxy.upgrades.arrival());

  // The very first call loads the Wasm.
  check(await attempt('loading'), 'closed');
  stack.proxy.upgrades.shut();
  check(await attempt('held'), 'closed');
  stack.proxy.release();
  check(await attempt('connected'), 'connected');
  check(await attempt('connected'), 'connected');
  await until(() => stack.proxy.socketCount === 0, 'no socket is left');
  assertNoProblems(tab);
  await tab.context().close();
});

test('a_disconnected_client_does_not_come_back', async () => {
  const tab = await newClientTab(stack.newSpace());
  await tab.evaluate(async () => {
    globalThis.client = newClient({});
    await globalThis.client.connect();
    globalThis.client.disconnect();
  });
  const upgrades = stack.proxy.upgradeCount;
  // The SDK's client was back after 1.1 s.
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  assert.equal(stack.proxy.upgradeCount, upgrades);
  assert.equal(await tab.evaluate(() => globalThis.client.isConnected()), false);
  await tab.context().close();
});

test('a_disconnect_in_a_cleanup_is_no_unhandled_rejection', async () => {
  const tab = await newClientTab(stack.newSpace());
  stack.proxy.upgrades.shut();
  await tab.evaluate(() => {
    // As the documents' components do it: nobody catches.
    globalThis.client = newClient({});
    const onMount = async () => {
      await globalThis.client.connect();
      seen.push('connected');
    };
    onMount();
  });
  await stack.proxy.upgrades.arrival();
  await tab.evaluate(async () => {
    globalThis.client.disconnect();
    // Unhandled rejections are told after the task that made them.
    await new Promise((resolve) => setTimeout(resolve, 0));
    await new Promise((resolve) => setTimeout(resolve, 0));
  });
  stack.proxy.release();
  assert.deepEqual(await tab.evaluate(() => seen), []);
  assertNoProblems(tab);
  // A rejection that is the app's own is still told.
  await tab.evaluate(() => {
    addEventListener('unhandledrejection', (event) => seen.push(event.reason.message), { once: true });
    Promise.reject(new Error('of the app'));
  });
  await sees(tab, 'of the app');
  await tab.context().close();
});

test('callbacks_may_call_back_into_the_client', async () => {
  const space = stack.newSpace();
  const tab = await newClientTab(space);
  const peer = stack.newPeer(space);
  await tab.evaluate(async () => {
    const client = newClient({
      onConnectionChange: async (connected) => {
        if (connected) await client.sendMessage(draft('from onConnectionChange'));
      },
      onMessage: async ({ text }) => {
        seen.push(text);
        client.isConnected();
        if (text === 'ask') {
          await client.setTyping('nobody', false).catch(() => {});
          const messages = await client.getMessages({ limit: 2 });
          seen.push(`page of ${messages.length}`);
          await client.sendMessage(draft('answer'));
        }
        if (text === 'again') {
          client.disconnect();
          await client.connect();
          seen.push('connected again');
        }
      },
    });
    await client.connect();
  });
  await sees(tab, 'from onConnectionChange');
  await peer.post('ask');
  await sees(tab, 'from onConnectionChange', 'ask', 'page of 2', 'answer');
  await peer.post('again');
  await tab.waitForFunction(() => seen.includes('connected again'));
  assertNoProblems(tab);
  await tab.context().close();
});

test('an_exception_in_onMessage_is_reported_as_itself_and_harms_nothing', async () => {
  const space = stack.newSpace();
  const tab = await newClientTab(space);
  const peer = stack.newPeer(space);
  const before = stack.proxy.upgradeCount;
  await tab.evaluate(async () => {
    globalThis.reported = [];
    addEventListener('error', (event) => {
      globalThis.reported.push(event.error?.message);
      event.preventDefault();
    });
    globalThis.client = newClient({
      onMessage: ({ text }) => {
        seen.push(text);
        throw new Error(`the app's own: ${text}`);
      },
      onError: (error) => seen.push(`onError ${error.message}`),
    });
    await globalThis.client.connect();
  });
  await peer.postAll(['one', 'two', 'three']);
  await sees(tab, 'one', 'two', 'three');
  await tab.waitForFunction(() => globalThis.reported.length === 3);
  assert.deepEqual(await tab.evaluate(() => globalThis.reported), [
    "the app's own: one",
    "the app's own: two",
    "the app's own: three",
  ]);
  assert.equal(await tab.evaluate(() => globalThis.client.isConnected()), true);
  assert.equal(stack.proxy.upgradeCount - before, 1);
  await tab.context().close();
});

test('listeners_may_come_and_go_while_a_message_is_told', async () => {
  const space = stack.newSpace();
  const tab = await newClientTab(space);
  const peer = stack.newPeer(space);
  await tab.evaluate(async () => {
    const client = newClient({});
    const late = ({ text }) => seen.push(`late ${text}`);
    const stopFirst = client.on('message', ({ text }) => {
      seen.push(`first ${text}`);
      stopFirst();
      stopFirst();
      stopSecond();
      client.on('message', late);
    });
    const stopSecond = client.on('message', ({ text }) => seen.push(`second ${text}`));
    client.on('message', ({ text }) => seen.push(`third ${text}`));
    await client.connect();
  });
  await peer.post('a');
  await tab.waitForFunction(() => seen.includes('third a'));
  await peer.post('b');
  await tab.waitForFunction(() => seen.includes('late b'));
  const seen = await tab.evaluate(() => globalThis.seen);
  assert.equal(seen.filter((entry) => entry === 'first a').length, 1);
  assert.equal(seen.filter((entry) => entry === 'third b').length, 1);
  for (const gone of ['first b', 'second b', 'late a']) assert.ok(!seen.includes(gone), gone);
  assertNoProblems(tab);
  await tab.context().close();
});

test('sendMessage_while_down_keeps_the_text', async () => {
  const space = stack.newSpace();
  const tab = await newClientTab(space);
  await tab.evaluate(async () => {
    globalThis.client = newClient({ onMessage: ({ text }) => seen.push(text) });
    await globalThis.client.connect();
  });
  stack.proxy.upgrades.shut();
  stack.proxy.cut();
  await tab.waitForFunction(() => !globalThis.client.isConnected());
  const result = await tab.evaluate(() => globalThis.client.sendMessage(draft('kept')));
  assert.equal(result, undefined);
  stack.proxy.release();
  await sees(tab, 'kept');
  assert.deepEqual(
    (await stack.newPeer(space).messages()).map(({ text }) => text),
    ['kept'],
  );
  await tab.context().close();
});

test('a_rejected_token_ends_in_an_error_and_does_not_loop', async () => {
  const tab = await newClientTab(stack.newSpace());
  const before = stack.proxy.upgradeCount;
  const code = await tab.evaluate(async () => {
    const client = newClient({ spaceToken: 'not.a.good.token' });
    return client.connect().then(
      () => 'connected',
      (error) => error.code,
    );
  });
  assert.equal(code, 'tokenInvalid');
  assert.ok(stack.proxy.upgradeCount - before <= 2, 'one attempt, and one more with a fresh token at most');
  await tab.context().close();
});

test('the_gateway_key_is_never_sent', async () => {
  const space = stack.newSpace();
  const tab = await newClientTab(space);
  const sent = [];
  tab.on('request', (request) =>
    sent.push(request.url(), JSON.stringify(request.headers()), request.postData() ?? ''),
  );
  tab.on('websocket', (socket) => {
    sent.push(socket.url());
    socket.on('framesent', ({ payload }) => sent.push(String(payload)));
  });
  await tab.evaluate(async () => {
    const client = newClient({ gatewayKey: 'this-is-the-secret' });
    await client.connect();
    await client.sendMessage(draft('hello'));
    await client.getMessages();
    await client.getMetadata();
  });
  assert.ok(sent.length > 3);
  assert.ok(!sent.some((text) => text.includes('this-is-the-secret')));
  await tab.context().close();
});

test('a_server_s_message_brings_no_field_of_the_client_s_own_into_the_store', async () => {
  const space = stack.newSpace();
  const [sender, tab] = [await newClientTab(space), await newClientTab(space)];
  await tab.evaluate(async () => {
    const own = { key: 'same', status: 'failed', clientMessageId: 'x', error: {}, dropped: true };
    const forge = (frame) => (frame.message ? { ...frame, message: { ...frame.message, ...own } } : frame);
    globalThis.forged = 0;
    class Forging extends WebSocket {
      set onmessage(listener) {
        super.onmessage = ({ data }) => {
          const frames = [JSON.parse(data)].flat();
          globalThis.forged += frames.filter(({ message }) => message).length;
          listener?.({ data: JSON.stringify(frames.map(forge)) });
        };
      }
    }
    globalThis.client = newClient({ webSocket: Forging });
    globalThis.client.getSnapshot();
    await globalThis.client.connect();
  });
  await sender.evaluate(async () => {
    const client = newClient({});
    await client.connect();
    for (const text of ['one', 'two']) await client.sendMessage({ ...draft(text), until: 'stored' });
  });
  await tab.waitForFunction(() => globalThis.client.getSnapshot().messages.length === 2);
  const { shown, forged } = await tab.evaluate(() => ({
    shown: globalThis.client.getSnapshot().messages,
    forged: globalThis.forged,
  }));
  assert.ok(forged >= 2, `${forged} were forged`);
  for (const message of shown) {
    for (const field of ['key', 'status', 'clientMessageId', 'error', 'dropped']) {
      assert.equal(message[field], undefined, field);
    }
  }
  for (const each of [sender, tab]) await each.context().close();
});

test('what_was_sent_right_before_close_is_told_as_it_is', async () => {
  const space = stack.newSpace();
  const tab = await newClientTab(space);
  const outcomes = await tab.evaluate(async () => {
    const told = [];
    for (const ms of [0, 5, 20]) {
      const client = newClient({});
      await client.connect();
      const sent = ['a', 'b'].map((name) => client.sendMessage(draft(`${name} ${ms}`)));
      const waited = client.sendMessage({ ...draft(`until stored ${ms}`), until: 'stored' });
      const ends = [...sent, waited].map((it) =>
        it.then(
          (message) => (message ? 'stored' : 'kept'),
          (error) => `${error.code} ${error.message}`,
        ),
      );
      await new Promise((resolve) => setTimeout(resolve, ms));
      client.close();
      told.push(await Promise.all(ends));
    }
    return told;
  });
  for (const [a, b, waited] of outcomes) {
    for (const outcome of [a, b]) assert.ok(['stored', 'kept'].includes(outcome), outcome);
    assert.ok(['stored', 'closed close() was called'].includes(waited), waited);
  }
  // The room's next client sends what was kept.
  const texts = await tab.evaluate(async () => {
    const client = newClient({});
    await client.connect();
    await client.sendMessage({ ...draft('last'), until: 'stored' });
    const messages = await client.getMessages();
    client.close();
    return messages.map(({ text }) => text);
  });
  for (const ms of [0, 5, 20]) {
    for (const name of ['a', 'b']) assert.equal(texts.filter((text) => text === `${name} ${ms}`).length, 1);
  }
  assertNoProblems(tab);
  await tab.context().close();
});

test('what_is_sent_and_closed_in_a_callback_or_with_a_full_disk_is_told_as_it_is', async () => {
  const space = stack.newSpace();
  const peer = stack.newPeer(space);
  const tab = await newClientTab(space);
  const outcomes = await tab.evaluate(() => {
    const outcomeOf = (sending) =>
      sending.then(
        (message) => (message ? 'stored' : 'kept'),
        (error) => error.code,
      );
    globalThis.ended = new Promise((resolve) => {
      const client = newClient({
        onMessage: () => {
          resolve(outcomeOf(client.sendMessage(draft('out of a callback'))));
          client.close();
          client.close();
        },
      });
      globalThis.ready = client.connect();
    });
    return globalThis.ready;
  });
  assert.equal(outcomes, undefined);
  await peer.post('hello');
  assert.ok(['stored', 'kept'].includes(await tab.evaluate(() => globalThis.ended)));
  const full = await tab.evaluate(async () => {
    const client = newClient({});
    await client.connect();
    await client.sendMessage({ ...draft('before'), until: 'stored' });
    const { put } = IDBObjectStore.prototype;
    IDBObjectStore.prototype.put = () => {
      throw new DOMException('no space left', 'QuotaExceededError');
    };
    const sending = client.sendMessage(draft('while the disk is full'));
    client.close();
    const outcome = await sending.then(
      (message) => (message ? 'stored' : 'kept'),
      (error) => error.code,
    );
    IDBObjectStore.prototype.put = put;
    return outcome;
  });
  // Nobody has it, unless the server does.
  assert.equal(full, 'closed');
  await until(
    async () => (await peer.messages()).some(({ text }) => text === 'out of a callback'),
    'what was sent out of the callback is stored',
  );
  const texts = (await peer.messages()).map(({ text }) => text);
  assert.equal(texts.filter((text) => text === 'out of a callback').length, 1);
  assertNoProblems(tab);
  await tab.context().close();
});
