/**
 * A token with the capability `inspect`, which tools show to whoever answers: what it is good for, and that it is good for
 * nothing else.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { World } from './lib/world.mjs';

const INSPECTS = { userId: 'kuratchi-doctor', caps: ['inspect'] };
/** All else that a token may say does not help. */
const EVERYTHING = { ...INSPECTS, role: 'agent', caps: ['metadata', 'moderate', 'system', 'inspect'] };
const SENTENCE =
  /a token with the capability `inspect` is for GET \/admin\/space and GET \/admin\/settings alone/;

const TYPING = { userId: 'kuratchi-doctor', isTyping: true };
const ROWS = [
  ['POST', '/messages', { text: 'somebody else was here' }],
  ['GET', '/messages'],
  ['HEAD', '/messages'],
  ['PATCH', '/messages/m1-0', { text: 'hi' }],
  ['DELETE', '/messages/m1-0'],
  ['GET', '/events'],
  ['GET', '/participants'],
  ['POST', '/typing', TYPING],
  ['GET', '/metadata'],
  ['PUT', '/metadata', { topic: 'boats' }],
];

describe('a token that inspects does nothing else', { concurrency: true }, () => {
  let world;
  before(async () => {
    world = await World.start();
  });
  after(() => world.stop());

  for (const claims of [INSPECTS, EVERYTHING]) {
    for (const [method, path, body] of ROWS) {
      for (const version of ['', '?v=2']) {
        test(`${method} ${path}${version} with ${claims.caps}`, async () => {
          const spaceId = world.newSpace();
          const given = { spaceId, token: await world.token(spaceId, claims), body };
          for (const gatewayKey of [undefined, world.gatewayKey]) {
            const answer = await world.call(method, `${path}${version}`, { ...given, gatewayKey });
            assert.equal(answer.status, 403);
            if (method === 'HEAD') continue;
            assert.equal(answer.body.code, 'capRequired');
            assert.match(answer.body.error, SENTENCE);
          }
          const { body: page } = await world.call('GET', '/messages', { spaceId });
          assert.deepEqual(page.messages, []);
          const { body: people } = await world.call('GET', '/participants', { spaceId });
          assert.deepEqual(people.participants, []);
        });
      }
    }

    test(`an upgrade of the second version with ${claims.caps}`, async () => {
      const spaceId = world.newSpace();
      const token = await world.token(spaceId, claims);
      const socket = await world.secondSocket({ spaceId, token });
      assert.equal((await assertTurnedAway(socket)).code, 'capRequired');
    });

    test(`an upgrade of the first version with ${claims.caps}`, async () => {
      const spaceId = world.newSpace();
      const spaceToken = await world.token(spaceId, claims);
      for (const gatewayKey of [undefined, world.gatewayKey]) {
        const client = await world.first(spaceId, { spaceToken, gatewayKey });
        await assertTurnedAway(client.socket);
      }
    });
  }

  test('shown on an open connection', async () => {
    const spaceId = world.newSpace();
    const member = { userId: 'kuratchi-doctor' };
    const client = await world.second(spaceId, member);
    client.send({ type: 'auth', token: await world.token(spaceId, INSPECTS) });
    const refused = await client.wait(({ type }) => type === 'error', 'the refusal');
    assert.equal(refused.code, 'capRequired');
    // The token that it came in with is as good as before.
    assert.equal((await client.deliver({ text: 'still a member' })).type, 'ack');
  });

  test('the key is what POST /admin/epoch takes', async () => {
    const spaceId = world.newSpace();
    const answer = await world.call('POST', '/admin/epoch', { spaceId, claims: EVERYTHING });
    assert.equal(answer.status, 401);
    assert.equal(answer.body.code, 'gatewayKeyInvalid');
  });

  test('GET /admin/space and GET /admin/settings are open to it, and to no member', async () => {
    const spaceId = world.newSpace();
    const member = { userId: 'ada', caps: ['metadata', 'moderate', 'system'] };
    for (const path of ['/admin/space', '/admin/settings']) {
      for (const claims of [INSPECTS, EVERYTHING]) {
        assert.equal((await world.call('GET', path, { spaceId, claims })).status, 200, path);
      }
      const refused = await world.call('GET', path, { spaceId, claims: member });
      assert.equal(refused.status, 403, path);
      assert.equal(refused.body.code, 'capRequired');
    }
  });
});

/** It is told why, and closed with what has a client ask for another token. */
async function assertTurnedAway(socket) {
  const refused = await socket.wait(({ type }) => type === 'error', 'the refusal');
  assert.match(refused.error, SENTENCE);
  assert.equal((await socket.ended()).code, 4402);
  return refused;
}
