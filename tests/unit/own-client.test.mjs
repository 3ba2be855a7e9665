/**
 * When a changed config means another client, and one client in the place of several.
 *
 * Owns nothing but expectations.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Following } from '../../pkg-template/following.js';
import { heardBy, OwnClient, userOf } from '../../pkg-template/own-client.js';
import { generateToken } from '../../pkg-template/tokens.js';
import { setUpConnected } from './lib/core-double.mjs';

const GATEWAY_KEY = 'a-gateway-key-of-more-than-32-characters';
const tokenOf = (userId) => generateToken('room.with.dots', { gatewayKey: GATEWAY_KEY, userId });

test('a token tells whom it names, without being checked', async () => {
  assert.equal(userOf(await tokenOf('ada')), 'ada');
  assert.equal(userOf(await tokenOf('Ängström 🙂')), 'Ängström 🙂');
  assert.equal(userOf(await tokenOf()), '');
  for (const none of [undefined, null, '', 'a.b', '<h1>Sign in.</h1>', 'r.b~!.1.c', 'r.b~bnVsbA.1.c', 5]) {
    assert.equal(userOf(none), undefined, String(none));
  }
});

test('another client is another place, order or user, and nothing else', async () => {
  const config = { spaceId: 'a', workerUrl: 'https://x.example', spaceToken: await tokenOf('ada') };
  const own = new OwnClient(config, () => ({}));
  for (const same of [
    { ...config, spaceToken: await tokenOf('ada') },
    { ...config, onMessage: () => {} },
    { ...config, tokenFor: () => {} },
    { ...config, order: 'asc' },
    { ...config, order: null },
    ...['https://x.example/', 'HTTPS://X.example', 'wss://x.example', ' https://x.example:443 '].map(
      (workerUrl) => ({ ...config, workerUrl }),
    ),
    // Nobody else is named.
    ...[undefined, '', '<h1>Sign in</h1>', () => ''].map((spaceToken) => ({ ...config, spaceToken })),
  ]) {
    assert.ok(own.isOf(same), JSON.stringify(same));
  }
  for (const other of [
    { ...config, spaceId: 'b' },
    { ...config, workerUrl: 'https://y.example' },
    { ...config, workerUrl: 'http://x.example' },
    { ...config, workerUrl: 'nothing that is an address' },
    { ...config, order: 'desc' },
    { ...config, order: 'sideways' },
    { ...config, spaceToken: await tokenOf('bo') },
    { ...config, spaceToken: await tokenOf() },
    undefined,
  ]) {
    assert.ok(!own.isOf(other), JSON.stringify(other));
  }
});

test('another user whom the app says is another client, whatever the token', async () => {
  const config = { spaceId: 'a', workerUrl: 'https://x.example', userId: 'ada' };
  const own = new OwnClient({ ...config, spaceToken: () => tokenOf('ada') }, () => ({}));
  const tokens = [
    undefined,
    () => tokenOf('ada'),
    await tokenOf('ada'),
    await tokenOf(),
    await tokenOf('bo'),
  ];
  for (const spaceToken of tokens) {
    assert.ok(own.isOf({ ...config, spaceToken }));
    assert.ok(!own.isOf({ ...config, spaceToken, userId: 'bo' }));
  }
  // A session that is not there for a moment names nobody else.
  own.take({ ...config, userId: undefined, spaceToken: undefined });
  assert.ok(own.isOf(config) && own.isOf({ ...config, userId: null }));
  assert.ok(own.isOf({ ...config, userId: null, spaceToken: await tokenOf('ada') }));
  // A guest is somebody else.
  for (const spaceToken of [() => tokenOf(), await tokenOf()]) {
    assert.ok(!own.isOf({ ...config, userId: undefined, spaceToken }));
  }
  const nobody = new OwnClient(
    { ...config, userId: undefined, spaceToken: () => tokenOf('ada') },
    () => ({}),
  );
  assert.ok(!nobody.isOf(config), 'what was written before is nobody’s');
});

test('the address of the environment is the one of a config without', (t) => {
  const { KURATCHI_SPACES_WORKER_URL: before } = process.env;
  t.after(() => {
    if (before === undefined) delete process.env.KURATCHI_SPACES_WORKER_URL;
    else process.env.KURATCHI_SPACES_WORKER_URL = before;
  });
  process.env.KURATCHI_SPACES_WORKER_URL = 'http://x.example/';
  const own = new OwnClient({ spaceId: 'a' }, () => ({}));
  assert.ok(own.isOf({ spaceId: 'a', workerUrl: 'http://x.example' }));
  assert.ok(!own.isOf({ spaceId: 'a', workerUrl: 'http://y.example' }));
});

describe('a text in the place of a function, and the other way round', () => {
  const place = { spaceId: 'a', workerUrl: 'http://x.example' };
  const make = (spaceToken) => new OwnClient({ ...place, spaceToken }, (config) => new FakeClient(config));
  const ofUser = (own, spaceToken) => own.isOf({ ...place, spaceToken });

  test('a function that has given nothing may be anybody, and is who came first', async () => {
    const own = make(() => tokenOf('ada'));
    assert.ok(ofUser(own, () => 'another function'));
    assert.ok(ofUser(own, await tokenOf('bo')));
    own.take({ ...place, spaceToken: await tokenOf('ada') });
    assert.ok(!ofUser(own, await tokenOf('bo')));
    assert.ok(ofUser(own, () => ''));
  });

  test('a function is of the user whom its token named', async () => {
    const own = make(() => tokenOf('ada'));
    await own.space.config.spaceToken({ fresh: false });
    assert.ok(ofUser(own, await tokenOf('ada')));
    assert.ok(!ofUser(own, await tokenOf('bo')));
  });

  test('what a function gives too late tells nothing of a text', async () => {
    let give;
    const own = make(() => new Promise((resolve) => (give = resolve)));
    const late = own.space.config.spaceToken({ fresh: false });
    own.take({ ...place, spaceToken: await tokenOf('ada') });
    give(await tokenOf('bo'));
    await late;
    assert.ok(ofUser(own, await tokenOf('ada')));
  });

  test('who had no token could do nothing: a token is another client, a function as well', async () => {
    const own = make(undefined);
    assert.ok(ofUser(own, undefined));
    for (const given of [await tokenOf('ada'), await tokenOf(), () => '']) assert.ok(!ofUser(own, given));
  });

  test('the same client is shown the new source, once', async () => {
    const text = await tokenOf('ada');
    const own = make(text);
    own.take({ ...place, spaceToken: () => 'by a function' });
    own.showToken();
    const { source } = own.space;
    own.take({ ...place, spaceToken: () => 'by the next one' });
    own.showToken();
    assert.equal(own.space.source, source, 'a client takes the same source for no change');
    assert.equal(source({ fresh: true }), 'by the next one');
    own.take({ ...place, spaceToken: text });
    own.showToken();
    assert.equal(own.space.source, text);
  });

  describe('another function', () => {
    const asks = () => {
      const asked = [];
      const of =
        (name, userId = name) =>
        async () => {
          asked.push(name);
          return tokenOf(userId);
        };
      return { asked, of };
    };
    const timers = () => new Promise((resolve) => setTimeout(resolve, 5));
    /** A component that shows one config after the other; its client asks each source that it is given. */
    const component = (spaceToken) => {
      const own = new OwnClient({ ...place, spaceToken }, (config) => new FakeClient(config));
      let source = own.space.config.spaceToken;
      const answers = [];
      const ask = async () => {
        answers.push(source({ fresh: true }));
        await Promise.all(answers);
      };
      own.space.setToken = (given) => {
        assert.notEqual(given, source, 'no change');
        source = given;
        ask();
      };
      const commit = (spaceToken, isMeant) => {
        own.take({ ...place, spaceToken }, isMeant);
        own.showToken();
        // StrictMode runs effects twice.
        own.showToken();
        return Promise.all(answers);
      };
      return { own, ask, commit };
    };

    test('than the one that was kept between renders is asked at once, and once', async () => {
      const { asked, of } = asks();
      const [ann, bob] = [of('ann'), of('bob')];
      const { own, ask, commit } = component(ann);
      await commit(ann);
      await commit(ann);
      assert.deepEqual(asked, [], 'nobody has asked yet');
      ask();
      for (const spaceToken of [ann, bob, bob, bob, ann, ann]) await commit(spaceToken);
      assert.deepEqual(asked, ['ann', 'bob', 'ann']);
      assert.ok(!ofUser(own, await tokenOf('bob')), 'it is the one who came last');
      ask();
      assert.deepEqual(asked.slice(3), ['ann'], 'the newest is asked when the client needs a token');
    });

    test('is asked at once where each was there in one render only, and named another user', async () => {
      const { asked, of } = asks();
      const ann = of('ann');
      const { ask, commit } = component(ann);
      await commit(ann);
      await ask();
      for (const name of ['bob', 'ann', 'bob']) await commit(of(name));
      assert.deepEqual(asked, ['ann', 'bob', 'ann', 'bob']);
    });

    test('that came while the first was asked is asked once it is kept', async () => {
      const { asked, of } = asks();
      const [ann, bob] = [of('ann'), of('bob')];
      const { own, ask, commit } = component(ann);
      commit(ann);
      ask();
      commit(bob);
      assert.deepEqual(asked, ['ann']);
      await commit(bob);
      assert.deepEqual(asked, ['ann', 'bob']);
      assert.ok(!ofUser(own, await tokenOf('ann')), 'whoever was asked before is not learned from');
    });

    test('that_came_before_the_first_had_answered_is_asked_after_that_though_nothing_is_rendered', async () => {
      const { asked, of } = asks();
      const ann = of('ann');
      const { own, ask, commit } = component(ann);
      commit(ann);
      ask();
      await commit(of('bob'));
      await timers();
      assert.deepEqual(asked, ['ann', 'bob']);
      await timers();
      assert.ok(!ofUser(own, await tokenOf('ann')), 'it is the one who came last');
    });

    test('that_took_the_place_of_one_at_once_is_asked_with_the_next_render_that_has_it', async () => {
      const { asked, of } = asks();
      const [ann, bob] = [of('ann'), of('bob')];
      const { ask, commit } = component(ann);
      await commit(ann);
      await ask();
      await commit(ann);
      for (const spaceToken of [of('ann anew', 'ann'), bob]) await commit(spaceToken);
      for (let times = 0; times < 3; times += 1) await commit(bob);
      assert.deepEqual(asked, ['ann', 'ann anew', 'bob']);
    });

    test('of_each_render_that_renders_again_when_it_is_asked_is_not_asked_in_a_circle', async () => {
      let asked = 0;
      const render = () => async () => {
        asked += 1;
        assert.ok(asked < 10, 'a circle');
        commit(render());
        return tokenOf('ann');
      };
      const { ask, commit } = component(render());
      commit(render());
      ask();
      for (let times = 0; times < 5; times += 1) await timers();
      assert.equal(asked, 2);
    });

    test('of_each_render_of_what_is_above_is_not_asked_where_the_component_renders_by_itself_between', async () => {
      const { asked, of } = asks();
      const config = (name) => ({ ...place, spaceToken: of(name, 'ann') });
      const first = config('first');
      const { own, ask } = component(first.spaceToken);
      own.take(first);
      await ask();
      for (let times = 0; times < 10; times += 1) {
        const next = config(`made ${times}`);
        for (const shown of [next, next]) {
          own.take(shown);
          own.showToken();
          await timers();
        }
      }
      assert.deepEqual(asked, ['first', 'made 0'], 'the first one that follows has the benefit of the doubt');
    });

    test('that_follows_one_of_a_while_is_asked_also_where_the_whole_config_is_kept_between_renders', async (t) => {
      t.mock.timers.enable({ apis: ['Date'] });
      const { asked, of } = asks();
      const config = (name, userId) => ({ ...place, spaceToken: of(name, userId) });
      const first = config('ann');
      const { own, ask } = component(first.spaceToken);
      own.take(first);
      await ask();
      for (const next of [config('ann anew', 'ann'), config('bob')]) {
        for (let times = 0; times < 5; times += 1) {
          own.take(next);
          own.showToken();
          await timers();
        }
        t.mock.timers.tick(30_000);
      }
      assert.deepEqual(asked, ['ann', 'ann anew', 'bob']);
    });

    test('in each render is one that is made in it: the newest is asked when a token is needed', async () => {
      const { asked, of } = asks();
      const { ask, commit } = component(of('discarded'));
      commit(of('1', 'ann'));
      ask();
      commit(of('2', 'ann'));
      for (let at = 3; at < 20; at += 1) await commit(of(`${at}`, 'ann'));
      assert.equal(asked.length, 2, 'the first, and the one that was there when it had answered');
      ask();
      assert.deepEqual(asked.slice(2), ['19']);
      // One that rendered before it was told from one that is kept: once, whatever comes.
      const late = component(of('late'));
      late.commit(of('late 0', 'ann'));
      await late.ask();
      for (let at = 1; at < 20; at += 1) await late.commit(of(`late ${at}`, 'ann'));
      assert.deepEqual(asked.slice(3), ['late 0', 'late 1']);
    });

    test('after none for a while is the same or another', async () => {
      const { asked, of } = asks();
      const [ann, bob] = [of('ann'), of('bob')];
      const { ask, commit } = component(ann);
      ask();
      for (const spaceToken of [ann, ann, undefined, ann, undefined, bob]) await commit(spaceToken);
      assert.deepEqual(asked, ['ann', 'bob']);
    });

    test('is asked at once where it is known to be meant', async () => {
      const { asked, of } = asks();
      const ann = of('ann');
      const { ask, commit } = component(of('made before'));
      await commit(ann, true);
      ask();
      for (const spaceToken of [ann, of('bob'), of('cy')]) await commit(spaceToken, true);
      assert.deepEqual(asked, ['ann', 'bob', 'cy']);
    });
  });

  test('a client that is over takes none, and a render goes on', () => {
    const own = make(() => '');
    own.space.setToken = () => {
      throw new Error('over');
    };
    own.showToken();
  });
});

/** A client that notes what it is asked. */
class FakeClient {
  asked = [];
  listeners = new Map();
  subscribers = new Set();

  constructor(config) {
    this.config = config;
  }

  setToken(token) {
    this.source = token;
    this.asked.push(`setToken ${token}`);
  }

  sendMessage({ text }) {
    this.asked.push(`send ${text}`);
    return 'sent';
  }

  on(event, listener) {
    this.listeners.set(event, listener);
    return () => this.listeners.delete(event);
  }

  subscribe(listener) {
    this.subscribers.add(listener);
    return () => this.subscribers.delete(listener);
  }

  getSnapshot() {
    return this.config;
  }
}

test('a_client_that_another_takes_the_place_of_has_its_tokens_for_other_rooms_or_none', async () => {
  const config = {
    spaceId: 'a',
    workerUrl: 'http://x.example',
    spaceToken: await tokenOf('ada'),
    tokenFor: () => 'ada',
  };
  const own = () => new OwnClient(config, () => ({}));
  const tokenFor = () => 'bob';
  const after = (next) => {
    const left = own();
    left.yieldTo(next);
    return left.config.tokenFor;
  };
  const { tokenFor: before, ...without } = config;
  assert.equal(after({ ...without, spaceToken: await tokenOf('bob') }), undefined);
  assert.equal(after({ ...config, workerUrl: 'http://x.example/', tokenFor }), tokenFor);
  // What is elsewhere, or nothing, says nothing of the rooms here.
  for (const next of [{ ...without, workerUrl: 'http://y.example' }, undefined])
    assert.equal(after(next), before);
});

test('the functions of the latest config are called, and its token is shown', async () => {
  const said = [];
  const own = new OwnClient(
    { spaceId: 'a', spaceToken: await tokenOf('ada'), onMessage: () => said.push('first') },
    (config) => new FakeClient(config),
  );
  assert.equal(own.space.config.onMessage, undefined, 'nothing is heard before anybody listens');
  const stop = own.listen(own.heard);
  own.take({ spaceId: 'a', onMessage: () => said.push('second') });
  own.space.listeners.get('message')('hi');
  assert.deepEqual(said, ['second']);
  const spaceToken = await tokenOf('ada');
  for (const given of [spaceToken, '', '<h1>Sign in</h1>']) {
    own.take({ spaceId: 'a', spaceToken: given });
    own.showToken();
  }
  assert.deepEqual(own.space.asked, [`setToken ${spaceToken}`]);
  assert.deepEqual(heardBy(own.config), []);
  stop();
  assert.equal(own.space.listeners.size, 0);
});

describe('following', () => {
  test('subscribers and listeners go over to the next client, and are told', () => {
    const [one, other] = [new FakeClient('one'), new FakeClient('other')];
    const following = new Following(one);
    const said = [];
    const unsubscribe = following.subscribe(() => said.push(following.getSnapshot()));
    const stop = following.on('message', (text) => said.push(text));
    one.listeners.get('message')('by one');
    following.follow(other);
    assert.deepEqual([one.subscribers.size, one.listeners.size], [0, 0]);
    other.listeners.get('message')('by other');
    for (const tell of other.subscribers) tell();
    assert.deepEqual(said, ['by one', 'other', 'by other', 'other']);
    unsubscribe();
    stop();
    assert.deepEqual([other.subscribers.size, other.listeners.size], [0, 0]);
  });

  test('a room that was left for none is not shown, and nothing is written there', async () => {
    const [one, other] = [(await setUpConnected()).client, new FakeClient('other')];
    const following = new Following(one);
    let told = 0;
    following.subscribe(() => (told += 1));
    const stop = following.on('message', () => {});
    one.setTyping = () => assert.fail('in the room that was left');
    assert.equal(following.getSnapshot().state, 'connected');
    following.follow(undefined);
    assert.equal(told, 1);
    assert.equal(following.getSnapshot(), one.getServerSnapshot());
    assert.deepEqual([following.isConnected(), following.persistence], [false, 'memory']);
    for (const name of ['sendMessage', 'setTyping', 'loadOlder', 'connect']) {
      await assert.rejects(following[name]({}), { code: 'closed', retryable: false }, name);
    }
    for (const name of ['disconnect', 'setToken', 'close']) following[name]('token');
    // Whoever signs out may take the config away first.
    let cleared = 0;
    one.clearLocal = () => (cleared += 1);
    following.follow(undefined);
    following.clearLocal();
    assert.equal(cleared, 1);
    following.follow(other);
    assert.deepEqual([told, other.subscribers.size, other.listeners.size], [3, 1, 1]);
    stop();
    one.close();
  });

  test('calls reach the latest client, also those that were taken as functions before', () => {
    const [one, other] = [new FakeClient('one'), new FakeClient('other')];
    const following = new Following(one);
    const { sendMessage } = following;
    assert.equal(sendMessage({ text: 'a' }), 'sent');
    following.follow(other);
    sendMessage({ text: 'b' });
    assert.deepEqual([one.asked, other.asked], [['send a'], ['send b']]);
  });
});
