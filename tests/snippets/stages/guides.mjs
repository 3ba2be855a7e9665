/** What the guides' blocks for pages take for granted and should come to. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { withCurrentNode } from '../../../scripts/lib/current-node.mjs';
import { ROOT } from '../../../scripts/lib/paths.mjs';
import { run } from '../../../scripts/lib/process.mjs';
import { cleanEnvironment } from '../../packaging/lib/installed.mjs';
import { compileProject } from '../lib/types.mjs';
import {
  chatsByForm,
  isolatesNames,
  loadsOlder,
  marksRefused,
  refusesWell,
  showsLongWords,
  showsRefusal,
  typesToo,
} from './pages.mjs';
import { CHAT_INIT, STYLE, shown } from './shown.mjs';

const INIT = { 'chat-init.ts': CHAT_INIT };
const REACT = {
  'index.html': page('/src/main.tsx'),
  'src/chat-init.ts': CHAT_INIT,
};
const withReact = async () => ({ plugins: [(await import('@vitejs/plugin-react')).default()] });
/** The React guide's room, for stages that put it elsewhere. */
const REACT_ROOM = Object.fromEntries(
  ['src/ChatRoom.tsx', 'src/Who.tsx'].map((file) => [file, shown('docs/guide/react.md', file)]),
);

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
    files: INIT,
    after: `
      await space.sendMessage({ text: 'let in by the function' });
      await guestHears('let in by the function');
      space.close();

      // While the function throws the state stays, and the reason is told.
      await routeRefuses(503, 'The chat is closed today');
      const refused = client({ spaceId, workerUrl, spaceToken: async () => (await chatInit(spaceId)).spaceToken });
      const connected = refused.connect();
      await until(() => refused.getSnapshot().error, 'there is a reason');
      assert(refused.getSnapshot().state === 'connecting', 'it goes on trying');
      assert(refused.getSnapshot().error.message.includes('The chat is closed today'), refused.getSnapshot().error.message);
      await routeRefuses();
      await connected;
      refused.close();
    `,
  },
  'tokens-refused': {
    kind: 'browser',
    files: INIT,
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

  'chat-init': {
    kind: 'browser',
    before: "import { chatInit } from './chat-init';",
    after: `
      assert((await chatInit('some-room')).spaceId === 'some-room', 'the room that it asked for');
      await routeRefuses(503, 'The chat is closed today');
      const refusal = await chatInit().then(() => undefined, (error) => error);
      assert(refusal.message === 'The chat is closed today', 'what the route answered');
      await routeRefuses();
    `,
  },
  'tokens-python': {
    kind: 'python',
    async check({ stdout, theatre }) {
      const { url: workerUrl } = theatre.backend;
      const space = theatre.open({ spaceId: 'support-7', spaceToken: stdout.trim(), workerUrl });
      const stored = await space.sendMessage({ text: 'signed by Python' }, { until: 'stored' });
      assert.deepEqual([stored.senderId, stored.senderType, stored.verified], ['zoë', 'support', true]);
      space.close();
    },
  },

  // ---- Offline and resume
  'offline-state': {
    kind: 'browser',
    files: INIT,
    after: `
      assert(banner === '', 'nothing to say while connected');
      space.disconnect();
      space.setToken('not a token');
      await space.connect().catch(() => {});
      await until(() => banner.startsWith('Not connected. '), 'a refusal is told');
      assert(banner.length > 'Not connected. '.length, 'with its reason');
      space.close();
    `,
  },
  'offline-statuses': {
    kind: 'browser',
    files: INIT,
    after: `
      await until(() => lines.includes('Hello! (Sent)'), 'the line says that it was sent');
      space.close();
    `,
  },
  'offline-failed': {
    kind: 'browser',
    files: INIT,
    after: `
      assert(isOrdered, 'it was stored');
      // Refused for good: somebody else's name.
      space.sendMessage({ senderId: 'somebody-else', text: 'not me' }).catch(() => {});
      const failed = () => space.getSnapshot().messages.find(({ status }) => status === 'failed');
      await until(failed, 'it failed');
      await tryAgain(failed());
      assert(problem !== '', 'and is refused again, which is told');
      await until(failed, 'it failed again');
      problem = '';
      await giveUp(failed());
      await until(() => !failed(), 'it is gone');
      await signOut();
      assert(problem === '', 'nothing is left');
      const closed = await space.connect().then(() => undefined, (error) => error);
      assert(closed.code === 'closed', 'nobody is signed in any more');
    `,
  },
  'offline-token-for': {
    kind: 'browser',
    files: INIT,
    // Written in another room while the browser is offline.
    before: `
      import { client as open } from 'kuratchi-spaces';
      import { chatInit as init } from './chat-init';
      const otherRoom = 'other-' + crypto.randomUUID();
      const other = await init(otherRoom);
      const left = open(other);
      await left.getMessages();
      await setOffline(true);
      left.connect().catch(() => {});
      await left.sendMessage({ text: 'for later' });
      left.close();
      await setOffline(false);
    `,
    after: `
      const reader = open(other);
      await until(
        async () => (await reader.getMessages()).some(({ text }) => text === 'for later'),
        'what waited in the other room is there',
      );
      await until(async () => (await pendingSpaces(config.workerUrl)).length === 0, 'nothing waits any more');
      reader.close();
      space.close();
    `,
  },
  'offline-discontinuity': {
    kind: 'browser',
    files: INIT,
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
    files: INIT,
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
      await showsLongWords(scene);
      await marksRefused(scene);
      await showsRefusal(scene);
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
    files: REACT,
    vite: withReact,
    check: guideRoom,
  },
  'react-badge': {
    kind: 'app',
    files: {
      ...REACT,
      'src/main.tsx': `
        import { showBadge } from './Badge';
        await showBadge(document.querySelector('#root')!);
      `,
    },
    vite: withReact,
    async check({ tab, guest, refuse }) {
      await (await guest()).say('for the badge');
      await tab.getByText('1 messages').waitFor();
      refuse(503, 'The chat is closed today');
      await tab.reload();
      await tab.getByText('The chat is closed today').waitFor();
    },
  },
  'react-router': {
    kind: 'app',
    project: {
      path: 'projects/react-router',
      without: ['app', 'vite.config.js', 'react-router.config.js'],
      borrowed: ['@types/react', '@types/react-dom'],
    },
    files: { ...REACT, ...REACT_ROOM },
    vite: withReact,
    async check({ tab, theatre, refuse, project }) {
      const { code, output } = await compileProject(project, ['src/main.tsx']);
      assert.equal(code, 0, output);
      await switchesRooms({ tab, theatre });
      // The route that is asked for the next room answers with an error.
      refuse(503, 'The chat is closed today');
      await tab.getByRole('link', { name: 'Red' }).click();
      await tab.getByText('The chat is closed today').waitFor();
    },
  },
  'readme-react': {
    kind: 'app',
    files: {
      ...REACT,
      'src/main.tsx': `
        import { StrictMode } from 'react';
        import { createRoot } from 'react-dom/client';
        import { chatInit } from './chat-init';
        import { Room } from './Room';
        const config = await chatInit();
        createRoot(document.querySelector('#root')!).render(<StrictMode><Room config={config} /></StrictMode>);
      `,
    },
    vite: withReact,
    async check(scene) {
      await chatsByForm(scene);
      await marksRefused({ ...scene, isDiscardable: false });
    },
  },
  svelte: {
    kind: 'app',
    files: {
      'index.html': page('/src/main.ts'),
      'src/main.ts': `
        import { mount } from 'svelte';
        import App from './App.svelte';
        mount(App, { target: document.querySelector('#root')! });
      `,
      'src/chat-init.ts': CHAT_INIT,
    },
    vite: async () => ({
      plugins: [(await import('@sveltejs/vite-plugin-svelte')).svelte({ configFile: false })],
    }),
    check: guideRoom,
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
  jest: {
    kind: 'walk',
    project: { path: 'projects/jest', without: [] },
    files: { 'Room.tsx': shown('README.md', 'src/Room.tsx') },
    open: answeringRoom,
    async check({ folder, theatre, blocks, props }) {
      await props.hasTalked();
      // A current Node, whose `Request` takes its own `AbortSignal` only.
      const { env, hasTalked } = await answeringRoom(theatre);
      const [, { text }] = blocks;
      const how = {
        cwd: folder,
        env: withCurrentNode({ ...cleanEnvironment(), ...env }),
        show: 'silent',
        allowFailure: true,
      };
      const { code, output } = await run('sh', ['-ec', text], how);
      assert.equal(code, 0, output);
      await hasTalked();
    },
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
  return `<!doctype html><html lang="en"><head><title>app</title><link rel="icon" href="data:,"><style>${STYLE}</style></head>
    <body><div id="root"></div><script type="module" src="${script}"></script></body></html>`;
}

/** A room in which somebody answers the greeting of the test in `projects/jest`. */
async function answeringRoom(theatre) {
  const spaceId = theatre.newRoom('jest');
  const { space, say, heard } = await theatre.guest(spaceId);
  space.on('message', ({ text }) => text === 'Hello from Jest' && say('Hello to Jest'));
  return {
    env: { CHAT_CONFIG: JSON.stringify(await theatre.admit(spaceId)) },
    hasTalked: () => heard('Hello to Jest'),
    close: async () => {},
  };
}

/** What the room of the React guide does, and that of the Svelte guide. */
async function guideRoom(scene) {
  await chatsByForm(scene);
  await scene.tab.getByText('Here: Ada, Grace').waitFor();
  await typesToo(scene);
  await isolatesNames(scene);
  await refusesWell(scene);
  await showsLongWords(scene);
  await loadsOlder(scene);
  await marksRefused(scene);
  await showsRefusal(scene);
}

/** Two rooms at one page: each has its own messages, and what is written goes to the one that is shown. */
async function switchesRooms({ tab, theatre }) {
  const people = { Red: await theatre.guest('red'), Blue: await theatre.guest('blue', 'joan') };
  const lines = () => tab.getByRole('listitem').allTextContents();
  for (const name of ['Red', 'Blue', 'Red']) {
    await tab.getByRole('link', { name }).click();
    await people[name].say(`to ${name}`);
    await tab.getByText(`to ${name}`).last().waitFor();
    for (const line of await lines()) assert.match(line, new RegExp(`(?:to|in) ${name}`));
    assert.equal(await tab.getByLabel('Message').inputValue(), '');
    await tab.getByLabel('Message').fill(`in ${name}`);
    await tab.getByRole('button', { name: 'Send' }).click();
    await people[name].heard(`in ${name}`);
    // Half-written, and not sent.
    await tab.getByLabel('Message').fill('not yet');
  }
  for (const name of ['Red', 'Blue']) {
    const said = people[name].heardAll.map(({ text }) => text);
    assert.ok(
      said.every((text) => text.endsWith(` ${name}`)),
      said.join(),
    );
  }
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
