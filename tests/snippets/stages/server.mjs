/** What the guides' blocks for servers, and for moving, take for granted and should come to. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../../../scripts/lib/process.mjs';
import { MANIFEST } from './readme.mjs';

const installs = (...names) => ({
  kind: 'shell',
  isApart: true,
  files: { 'package.json': MANIFEST },
  check({ folder }) {
    for (const name of names) assert.ok(existsSync(join(folder, 'node_modules', name, 'package.json')), name);
  },
});

/** @type {Record<string, import('../lib/kinds.mjs').Stage>} */
export const SERVER = {
  'node-install': installs('kuratchi-spaces', 'ws'),
  'html-copy': {
    kind: 'shell',
    isApart: true,
    files: { 'package.json': MANIFEST, 'public/robots.txt': '' },
    check({ folder }) {
      const copy = readFileSync(join(folder, 'public', 'kuratchi-spaces.js'), 'utf8');
      assert.match(copy, /generateToken/);
    },
  },
  'node-bot': {
    kind: 'node',
    after: `
      const visitor = await guest('support-7', 'visitor');
      await visitor.space.sendMessage({ text: 'What are your opening hours?' });
      const answer = () => visitor.heard.find(({ senderId }) => senderId === 'helper');
      await until(answer, 'the helper answers');
      assert.equal(answer().text, 'We are here from nine to five.');
      assert.equal(answer().senderType, 'support');

      // An answer that is refused does not end the process.
      console.error = () => {};
      space.sendMessage = async () => { throw new Error('refused'); };
      await visitor.space.sendMessage({ text: 'And your opening hours on Sunday?' }, { until: 'stored' });
      await new Promise((resolve) => setTimeout(resolve, 200));
    `,
  },
  'node-commonjs': {
    kind: 'node',
    after: `
      const { tokenFor } = (await import('./token.cjs')).default;
      const { client: open } = await import('kuratchi-spaces');
      const stored = await open({ spaceId: 'cjs', spaceToken: await tokenFor('cjs', 'ada') }).sendMessage({ text: 'Hello' });
      assert.equal(stored.senderId, 'ada');
      if (process.features.require_module) {
        const { createRequire } = await import('node:module');
        assert.equal(typeof createRequire(import.meta.url)('kuratchi-spaces').generateToken, 'function');
      }
    `,
  },
  'node-http': {
    kind: 'node',
    after: `
      assert.equal(newest.at(-1).senderType, 'system');
      const again = client({ spaceId: 'support-7', spaceToken });
      assert.equal((await again.getMetadata()).topic, 'Order 1042');
    `,
  },
  'ssr-store': {
    kind: 'node',
    after: `
      assert.deepEqual(messages, []);
      assert.equal(state, 'idle');
    `,
  },
  'workerd-route': {
    kind: 'workerd',
    bindings: ({ backend }) => ({ GATEWAY_KEY: backend.gatewayKey, WORKER_URL: backend.url }),
    async check({ answer, theatre }) {
      const { heardAll } = await theatre.guest('status');
      assert.equal(heardAll.at(-1).id, answer.id);
    },
  },

  // ---- Moving
  'moving-alias': {
    kind: 'shell',
    isApart: true,
    files: { 'package.json': MANIFEST },
    async check({ folder }) {
      const source = `
        import * as chat from 'kuratchi-sdk/spaces';
        import { spaces } from 'kuratchi-sdk';
        console.log(typeof chat.client, chat.client === spaces.client);`;
      const args = ['--input-type=module', '--eval', source];
      const { stdout } = await run(process.execPath, args, { cwd: folder, show: 'silent' });
      assert.equal(stdout.trim(), 'function true');
    },
  },
  'moving-imports': {
    kind: 'node',
    after: 'assert.equal(same, true);',
  },
  'moving-legacy': {
    kind: 'node',
    // Our Worker stands in the old one's place: it is noticed, and served as ever.
    after: `
      // Node 20 has none of its own, and the SDK's worker needs none.
      const { WebSocket } = await import('ws');
      globalThis.WebSocket ??= WebSocket;
      await space.connect();
      await space.sendMessage({ senderId: 'somebody new', senderType: 'user', text: 'moved' }, { until: 'stored' });
      assert.equal(space.transport, 'websocket');
      space.close();
    `,
  },
  'moving-import': {
    kind: 'node',
    after: `
      const space = open('moved', await spaces.generateToken('moved'), process.env.KURATCHI_SPACES_WORKER_URL ?? '');
      await space.sendMessage({ senderId: 'ada', senderType: 'user', text: 'with another import' });
      assert.ok(texts(await space.getMessages()).includes('with another import'));
    `,
  },
};
