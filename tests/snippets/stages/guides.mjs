/** What the guides' blocks for pages take for granted and should come to. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../../../scripts/lib/paths.mjs';
import { run } from '../../../scripts/lib/process.mjs';

/** @type {Record<string, import('../lib/kinds.mjs').Stage>} */
export const GUIDES = {
  // ---- Tokens and identity
  'tokens-route': {
    kind: 'node',
    files: {
      'session.js': `
        /** @param {Request} request
         *  @returns {Promise<{ id: string, name: string } | undefined>} */
        export async function signedInUser(request) {
          return request.headers.has('cookie') ? { id: 'ada', name: 'Ada' } : undefined;
        }
      `,
    },
    after: `
      const route = 'https://app.example.com/api/chat/init';
      const { client: open } = await import('kuratchi-spaces');
      assert.equal((await GET(new Request(route))).status, 401);
      const response = await GET(new Request(route, { headers: { cookie: 'session=1' } }));
      const stored = await open(await response.json()).sendMessage({ text: 'by the route' });
      assert.equal(stored.senderId, 'ada');
      assert.equal(stored.verified, true);
    `,
  },
  'tokens-agent': {
    kind: 'node',
    after: `
      const { client: open } = await import('kuratchi-spaces');
      const workerUrl = process.env.KURATCHI_SPACES_WORKER_URL;
      const customer = open({ spaceId: 'support-7', spaceToken: await generateToken('support-7', { userId: 'ada' }) });
      const { id } = await customer.sendMessage({ text: 'Oh no' });
      const agent = open({ spaceId: 'support-7', spaceToken, workerUrl });
      await agent.deleteMessage(id, { until: 'stored' });
      const stored = await agent.sendMessage({ text: 'Moderated' });
      assert.equal(stored.senderType, 'support');
    `,
  },
  'tokens-function': {
    kind: 'browser',
    after: `
      await space.sendMessage({ text: 'let in by the function' });
      await guestHears('let in by the function');
      space.close();
    `,
  },
  'tokens-refused': {
    kind: 'browser',
    after: `
      assert(advice.startsWith('The server signs with another key'), 'the advice is: ' + advice);
      space.close();
    `,
  },
  'tokens-validate': {
    kind: 'node',
    after: `
      assert.equal(mayEnter, true);
      assert.equal(await validateSpaceToken(token, 'support-8', gatewayKey), false);
    `,
  },

  // ---- Offline and resume
  'offline-state': {
    kind: 'browser',
    after: `
      assert(banner === '', 'nothing to say while connected');
      space.disconnect();
      const wrong = { ...config, spaceToken: 'not a token' };
      const refused = client(wrong);
      refused.on('stateChange', ({ state, reason }) => { if (state === 'failed') banner = reason.message; });
      await refused.connect().catch(() => {});
      assert(banner !== '', 'a refusal is told');
      space.close();
      refused.close();
    `,
  },
  'offline-statuses': {
    kind: 'browser',
    after: `
      await until(() => lines.includes('Hello! (Sent)'), 'the line says that it was sent');
      space.close();
    `,
  },
  'offline-failed': {
    kind: 'browser',
    after: `
      assert(stored.seq > 0, 'it was stored');
      // Refused for good: somebody else's name.
      space.sendMessage({ senderId: 'somebody-else', text: 'not me' }).catch(() => {});
      const failed = () => space.getSnapshot().messages.find(({ status }) => status === 'failed');
      await until(failed, 'it failed');
      const refusal = await tryAgain(failed()).then(() => undefined, (error) => error);
      assert(refusal?.code === 'senderMismatch', 'and is refused again');
      await until(failed, 'it failed again');
      await giveUp(failed());
      await until(() => !failed(), 'it is gone');
      await signOut();
      const closed = await space.connect().then(() => undefined, (error) => error);
      assert(closed.code === 'closed', 'nobody is signed in any more');
    `,
  },
  'offline-discontinuity': {
    kind: 'browser',
    after: `
      await guestSays('one');
      await until(() => messages.some(({ text }) => text === 'one'), 'it came live');
      const before = messages;
      await beginAnew();
      await until(() => messages !== before, 'the history was loaded again');
      await space.sendMessage({ text: 'two' }, { until: 'stored' });
      await until(() => messages.length === 2, 'and goes on live');
      assert(messages.map(({ text }) => text).join() === 'one,two', 'once each and in order');
      space.close();
    `,
  },

  // ---- Moving
  'moving-order': {
    kind: 'browser',
    after: `
      assert(newest === undefined, 'the room is empty');
      await space.sendMessage({ text: 'first' });
      await space.sendMessage({ text: 'second' });
      const [last] = await space.getMessages();
      assert(last.text === 'second', 'newest first');
      space.close();
    `,
  },

  // ---- Plain HTML
  'html-page': {
    kind: 'page',
    folder: alone,
    headers: policy,
    async check(scene) {
      await chatsByForm(scene);
      await refusesWell(scene);
    },
  },
  'html-importmap': {
    kind: 'page',
    async check({ tab, guest }) {
      const person = await guest();
      // The page shows what is said from now on, so it has to be there.
      await person.sees('ada');
      await person.say('Hello, page!');
      await tab.getByText('Hello, page!').waitFor();
    },
  },

  // ---- React and Svelte
  react: {
    kind: 'app',
    files: {
      'index.html': page('/src/main.tsx'),
      'src/main.tsx': `
        import type { ClientOptions } from 'kuratchi-spaces';
        import { StrictMode } from 'react';
        import { createRoot } from 'react-dom/client';
        import { Badge } from './Badge.tsx';
        import { ChatRoom } from './ChatRoom.tsx';
        const config: ClientOptions = await fetch('/api/chat/init').then((response) => response.json());
        createRoot(document.querySelector('#app')!).render(<StrictMode><ChatRoom config={config} /><Badge /></StrictMode>);
      `,
    },
    vite: async () => ({
      plugins: [(await import('@vitejs/plugin-react')).default()],
    }),
    async check(scene) {
      await chatsByForm(scene);
      await scene.tab.getByText('Here: Ada, Grace').waitFor();
      await scene.tab.getByText('2 messages').waitFor();
      await typesToo(scene);
      await refusesWell(scene);
    },
  },
  'readme-react': {
    kind: 'app',
    files: {
      'index.html': page('/src/main.tsx'),
      'src/main.tsx': `
        import type { ClientOptions } from 'kuratchi-spaces';
        import { StrictMode } from 'react';
        import { createRoot } from 'react-dom/client';
        import { Room } from './Room.tsx';
        const config: ClientOptions = await fetch('/api/chat/init').then((response) => response.json());
        createRoot(document.querySelector('#app')!).render(<StrictMode><Room config={config} /></StrictMode>);
      `,
    },
    vite: async () => ({
      plugins: [(await import('@vitejs/plugin-react')).default()],
    }),
    check: chatsByForm,
  },
  svelte: {
    kind: 'app',
    files: {
      'index.html': page('/src/main.ts'),
      'src/main.ts': `
        import { mount } from 'svelte';
        import ChatRoom from './ChatRoom.svelte';
        const config = await fetch('/api/chat/init').then((response) => response.json());
        mount(ChatRoom, { target: document.querySelector('#app')!, props: { config } });
      `,
    },
    vite: async () => ({
      plugins: [(await import('@sveltejs/vite-plugin-svelte')).svelte({ configFile: false })],
    }),
    async check(scene) {
      await chatsByForm(scene);
      await scene.tab.getByText('Here: Ada, Grace').waitFor();
      await typesToo(scene);
      await refusesWell(scene);
    },
  },
  sveltekit: {
    kind: 'node',
    after: `
      const { client: open } = await import('kuratchi-spaces');
      const { config } = await load({ locals: { user: { id: 'ada', name: 'Ada' } } });
      const stored = await open(config).sendMessage({ text: 'by the load function' });
      assert.equal(stored.senderId, 'ada');
    `,
  },

  // ---- Limits and costs
  cost: {
    kind: 'node',
    async check({ stdout, blocks }) {
      const [{ text }] = blocks;
      const page = readFileSync(join(ROOT, 'docs', 'guide', 'limits.md'), 'utf8');
      assert.ok(page.includes(stdout.trim()), `the page does not show what the code prints: ${stdout}`);
      const tenTimes = text.replace('rooms = 1_000', 'rooms = 10_000');
      assert.notEqual(tenTimes, text);
      const args = ['--input-type=module', '--eval', tenTimes];
      const dollars = /\$\d+\.\d+/.exec((await run(process.execPath, args, { show: 'silent' })).stdout)?.[0];
      assert.ok(
        page.includes(`come to ${dollars}:`),
        `the page does not say that ten times as much is ${dollars}`,
      );
    },
  },

  // ---- Troubleshooting
  'vite-exclude': {
    kind: 'app',
    files: {
      'index.html': `<!doctype html><html lang="en"><head><title>app</title><link rel="icon" href="data:,"></head>
        <body><p id="state"></p><script type="module" src="/main.js"></script></body></html>`,
      'main.js': `
        import { client } from 'kuratchi-spaces';
        const config = await fetch('/api/chat/init').then((response) => response.json());
        const state = /** @type {HTMLElement} */ (document.querySelector('#state'));
        const space = client({ ...config, onMessage: ({ text }) => { state.textContent = text; } });
        await space.connect();
        await space.sendMessage({ text: 'built with the setting' });
      `,
    },
    check: ({ tab }) => tab.getByText('built with the setting').waitFor(),
  },
  tsconfig: {
    kind: 'parse',
    check({ compilerOptions }) {
      // As the documents' own TypeScript is compiled.
      assert.deepEqual(compilerOptions, { module: 'esnext', moduleResolution: 'bundler' });
    },
  },
};

function page(script) {
  return `<!doctype html><html lang="en"><head><title>app</title><link rel="icon" href="data:,"></head>
    <body><div id="app"></div><script type="module" src="${script}"></script></body></html>`;
}

async function typesToo({ tab, guest }) {
  await (await guest()).space.setTyping('grace', true);
  await tab.getByText('grace typing …').waitFor();
}

/** The one file where the guide puts it. */
function alone(theatre) {
  const folder = theatre.place('html-served', {});
  const standalone = join(theatre.folder, 'node_modules', 'kuratchi-spaces', 'standalone.js');
  cpSync(standalone, join(folder, 'kuratchi-spaces.js'));
  return folder;
}

/** The policy that the guide shows, for the Worker that is here, and for the script that stands in the page. */
function policy(theatre, blocks) {
  const shown = blocks.find(({ language }) => language === 'text')?.text ?? assert.fail('no policy is shown');
  const [, script] = /<script type="module">([\s\S]*?)<\/script>/.exec(blocks[0].text);
  const hash = createHash('sha256').update(script).digest('base64');
  const { host } = new URL(theatre.backend.url);
  return {
    'Content-Security-Policy': shown
      .replace("script-src 'self'", `script-src 'self' 'sha256-${hash}'`)
      .replace('https://chat.example.com', `http://${host}`)
      .replace('wss://chat.example.com', `ws://${host}`),
  };
}

/** Somebody writes into the form and sends; both hear each other, once and in order. */
export async function chatsByForm({ tab, guest }) {
  const person = await guest();
  await tab.getByLabel('Message').fill('Hello from the page');
  await tab.getByRole('button', { name: 'Send' }).click();
  await person.heard('Hello from the page');
  await person.say('Hello to the page');
  await tab.getByText('Hello to the page').waitFor();
  const items = await tab.getByRole('listitem').allTextContents();
  assert.equal(items.length, 2, items.join(' | '));
  assert.match(items[0], /Hello from the page/);
  assert.match(items[1], /Hello to the page/);
}

/** A message that is refused leaves the page, and what was written, where they are. */
async function refusesWell({ tab }) {
  const thrown = [];
  tab.on('pageerror', (error) => thrown.push(error.message));
  const field = tab.getByLabel('Message');
  await field.fill('x'.repeat(20_000));
  await tab.getByRole('button', { name: 'Send' }).click();
  await tab.getByRole('alert').filter({ hasText: /text/ }).waitFor();
  assert.equal((await field.inputValue()).length, 20_000);
  assert.deepEqual(thrown, []);
}
