/**
 * Spaces whose ids need care in URLs and headers, through our client, by HTTP and by WebSocket.
 */
import assert from 'node:assert/strict';
import { ChatPage } from './lib/chat-page.mjs';
import { assertNoProblems, test, useStack } from './lib/stack.mjs';

const stack = useStack();

const KINDS = ['房间', 'é', '%41', 'with space', 'with.dot', 'a&b=c#d?e', '🦀', "it's+100%", 'A'];

for (const kind of KINDS) {
  test(`a space called ${kind} can be used by HTTP and by WebSocket`, async () => {
    const space = kind;
    const tab = await stack.newBareTab();
    const result = await tab.evaluate(async (space) => {
      const spaces = await import('/kuratchi-spaces/index.js');
      const query = new URLSearchParams({ space, name: 'Zoë 王' });
      const { spaceId, spaceToken, workerUrl, userId } = await fetch(`/api/chat/init?${query}`).then((r) =>
        r.json(),
      );
      const seen = [];
      const client = spaces.client({
        spaceId,
        spaceToken,
        workerUrl,
        onMessage: ({ text }) => seen.push(text),
      });
      const draft = (text) => ({ senderId: userId, senderType: 'user', text });
      await client.sendMessage(draft('by HTTP'));
      await client.connect();
      await client.sendMessage(draft('by WebSocket'));
      const participants = await client.getParticipants();
      return {
        spaceId,
        seen,
        texts: (await client.getMessages()).map(({ text }) => text),
        isParticipant: participants.some((participant) => participant.userId === userId),
      };
    }, space);
    assert.deepEqual(result, {
      spaceId: space,
      seen: ['by WebSocket'],
      texts: ['by HTTP', 'by WebSocket'],
      isParticipant: true,
    });
    assert.deepEqual(
      (await stack.newPeer(space).messages()).map(({ text }) => text),
      ['by HTTP', 'by WebSocket'],
    );
    assertNoProblems(tab);
    await tab.context().close();
  });
}

test('ids that a careless decoder would confuse are spaces of their own', async () => {
  const root = stack.newSpace('twin');
  const ids = [
    `${root}A`,
    `${root}%41`,
    `${root}%2541`,
    `${root}a`,
    `${root}é`,
    `${root}e\u0301`,
    `${root}+`,
    `${root} x`,
  ];
  for (const id of ids) await stack.newPeer(id).post(`only in ${id}`);
  for (const id of ids) {
    const texts = (await stack.newPeer(id).messages()).map(({ text }) => text);
    assert.deepEqual(texts, [`only in ${id}`]);
  }
});

test('the page itself talks in a space with an odd name', async () => {
  const space = stack.newSpace('房间 %41.é');
  const ada = new ChatPage(await stack.newTab(), stack.url);
  await ada.join('阿达', space);
  await ada.say('你好');
  await ada.sees('你好');
  await ada.tab.reload();
  await ada.connected();
  await ada.sees('你好');
  await ada.seesPeople('阿达');
  assertNoProblems(ada.tab);
  await ada.tab.context().close();
});
