/**
 * Tokens that run out while somebody chats, on a Worker that is strict about it.
 */
import assert from 'node:assert/strict';
import { Ledger } from './lib/ledger.mjs';
import { settle } from './lib/person.mjs';
import { assertNoProblems, test, useStack } from './lib/stack.mjs';
import { sleep, until } from './lib/waiting.mjs';

const stack = useStack({ vars: { TOKEN_EXPIRY: 'strict' } });

const TOKEN_MS = 5_000;
/** Over four tokens. */
const TALK_MS = 20_000;
const EVERY_MS = 100;

test('tokens_run_out_and_a_function_gives_new_ones', async () => {
  const ledger = new Ledger('a token each 5 s, from a function');
  const space = stack.newSpace('renew');
  const bob = await stack.newPerson('bob', space);
  const ada = await stack.newPerson('ada', space, { expiryMs: TOKEN_MS });
  await bob.arrive();
  await ada.arrive();
  await ada.talk(ada.texts(TALK_MS / EVERY_MS), EVERY_MS);
  await bob.talk(bob.texts(TALK_MS / EVERY_MS), EVERY_MS);
  await ada.talked();
  const { tokensAsked } = await ada.report();
  ledger.fault('token ran out', Math.min(tokensAsked - 1, TALK_MS / TOKEN_MS - 1));
  // Not asked in a circle either, though each token is closer to its end than a token is renewed before it.
  assert.ok(tokensAsked <= (3 * TALK_MS) / TOKEN_MS, `asked ${tokensAsked} times in ${TALK_MS} ms`);
  const [hers] = await settle(ledger, [ada, bob]);
  assert.deepEqual(hers.discontinuities, []);
  assertNoProblems(ada.tab, bob.tab);
});

test('a_token_that_is_a_string_runs_out_and_the_client_says_so', async () => {
  const ledger = new Ledger('a token of 5 s, a string, then a new page');
  const space = stack.newSpace('string');
  const bob = await stack.newPerson('bob', space);
  const ada = await stack.newPerson('ada', space, { expiryMs: TOKEN_MS, renews: false });
  await bob.arrive();
  await ada.arrive();
  await ada.say(...ada.texts(20));
  const upgrades = stack.proxy.upgradeCount;
  await until(async () => (await ada.report()).state === 'failed', 'the client fails');
  ledger.fault('token ran out');
  const { states } = await ada.report();
  assert.equal(states.at(-1).reason, 'tokenExpired');
  assert.ok(stack.proxy.upgradeCount - upgrades <= 1, 'it does not go on trying');
  await ada.remember();
  const again = await stack.newPerson('ada', space, { tab: ada.tab, network: ada.network });
  again.inherit(ada.past);
  await again.arrive();
  await again.say(...again.texts(20, 20));
  await settle(ledger, [again, bob]);
  assertNoProblems(again.tab, bob.tab);
});

/** A question is given up after 10 s; the next one follows soon. */
const GIVEN_UP_MS = 10_000;
const CONNECTED_WITHIN_MS = GIVEN_UP_MS + 5_000;

test('a_token_function_that_never_answers_once_does_not_stop_the_client', async () => {
  const ledger = new Ledger('the first question for a token is never answered');
  const space = stack.newSpace('unanswered');
  const bob = await stack.newPerson('bob', space);
  const ada = await stack.newPerson('ada', space, { tokensUnanswered: 1 });
  await bob.arrive();
  await bob.say(...bob.texts(10));
  const startedMs = Date.now();
  await ada.come();
  ledger.fault('question unanswered');
  await ada.talk(ada.texts(CONNECTED_WITHIN_MS / EVERY_MS), EVERY_MS);
  await bob.talk(bob.texts(CONNECTED_WITHIN_MS / EVERY_MS, 10), EVERY_MS);
  await sleep(GIVEN_UP_MS / 2);
  const early = await ada.report();
  assert.ok(early.sent.length > 0 && early.tokensAsked === 1, 'it talks, and waits for its first question');
  await ada.is('connected', CONNECTED_WITHIN_MS - (Date.now() - startedMs));
  console.log(`token function that never answers once: connected after ${Date.now() - startedMs} ms`);
  assert.equal((await ada.report()).tokensAsked, 2);
  await ada.talked();
  await bob.talked();
  const [hers] = await settle(ledger, [ada, bob]);
  assert.equal(hers.accepted.length, hers.sent.length);
  assert.deepEqual(hers.discontinuities, []);
  assertNoProblems(ada.tab, bob.tab);
});
