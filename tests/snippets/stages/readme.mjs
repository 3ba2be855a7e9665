/** What the blocks of the README, and of the package's own, take for granted and should come to. */

import assert from 'node:assert/strict';
import { run } from '../../../scripts/lib/process.mjs';

/** Of a project that has nothing yet. */
export const MANIFEST = JSON.stringify({ name: 'app', version: '1.0.0', private: true, type: 'module' });

/** The commands of somebody who reads the registry's page, with the packed package in its place. */
const withTarball = (lines, { installed }) =>
  lines.replaceAll(/(?<=\s)kuratchi-spaces(?=\s|$)/g, `file:${installed.tarball}`);

/** The browser's half of a chat: somebody else writes, and hears what is sent. */
const CHATS = `
  await guestHears('Hello!');
  await guestSays('Hello, Ada!');
`;

/** @type {Record<string, import('../lib/kinds.mjs').Stage>} */
export const README = {
  'readme-server': {
    kind: 'node',
    after: `
      const answer = await chatInit('ada');
      assert.equal(answer.workerUrl, process.env.KURATCHI_SPACES_WORKER_URL);
      const { client: open, validateSpaceToken: isGood } = await import('kuratchi-spaces');
      assert.ok(await isGood(answer.spaceToken, answer.spaceId, process.env.KURATCHI_GATEWAY_KEY));
      const stored = await open(answer).sendMessage({ text: 'as Ada' });
      assert.equal(stored.senderId, 'ada');
    `,
  },
  'readme-browser': {
    kind: 'browser',
    after: `
      ${CHATS}
      await until(() => messages.length === 2, 'both messages are there');
      assert(messages.map(({ text }) => text).join() === 'Hello!,Hello, Ada!', 'once each and in order');

      // Refused by the room, and told also where nobody waits for it: somebody else's name.
      let said = '';
      console.error = (text) => { said = text; };
      space.sendMessage({ senderId: 'somebody-else', text: 'not me' }).catch(() => {});
      await until(() => said === 'not me', 'what is refused is told');
      space.close();
    `,
  },
  'readme-changes': {
    kind: 'browser',
    before: `
      import { client } from 'kuratchi-spaces';
      const config = await fetch('/api/chat/init').then((r) => r.json());
      const space = client(config);
      await space.connect();
      const { id } = await space.sendMessage({ text: 'Good' }, { until: 'stored' });
      // Not the name in the token, so this one fails.
      await space.sendMessage({ senderId: 'somebody-else', text: 'not me' }).catch(() => {});
    `,
    after: `
      const left = (await space.getMessages()).find((message) => message.id === id);
      assert(left.deletedAt > 0, 'it was deleted');
      assert(space.getSnapshot().messages.every(({ status }) => status !== 'failed'), 'nothing failed is left');
      space.close();
    `,
  },
  'package-install': {
    kind: 'shell',
    isApart: true,
    files: { 'package.json': MANIFEST },
    inPlaceOf: withTarball,
    async check({ folder }) {
      const args = [
        '--input-type=module',
        '--eval',
        "console.log(typeof (await import('kuratchi-spaces')).client)",
      ];
      const { stdout } = await run(process.execPath, args, { cwd: folder, show: 'silent' });
      assert.equal(stdout.trim(), 'function');
    },
  },
  'package-page': {
    kind: 'browser',
    before: `
      /** @type {string[]} */
      const shown = [];
      /** @param {import('kuratchi-spaces').Message[]} messages */
      function show(messages) { shown.push(messages.map(({ text }) => text).join()); }
    `,
    after: `
      ${CHATS}
      await until(() => shown.at(-1) === 'Hello!,Hello, Ada!', 'both are shown, once each and in order');
      space.close();
    `,
  },
  'package-server': {
    kind: 'node',
    after: `
      const { validateSpaceToken } = await import('kuratchi-spaces');
      assert.ok(await validateSpaceToken(spaceToken, 'support-7', process.env.KURATCHI_GATEWAY_KEY));
    `,
  },
};
