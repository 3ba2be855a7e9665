/** The quick start, walked through from a clone's tarball to a page where two people chat, in development and built. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { BUILD, ROOT } from '../../../scripts/lib/paths.mjs';
import { seconds } from '../../../scripts/lib/process.mjs';
import { until } from '../../e2e/lib/waiting.mjs';
import { write } from '../lib/theatre.mjs';
import { fitsPhone, marksRefused } from './pages.mjs';
import { blocksOf, CHAT_INIT, shown } from './shown.mjs';

const BACKEND = 'npx kuratchi-spaces dev';
/** Where Vite serves. */
const LOCAL = /Local: +(http:\/\/\S+)/;
const PICTURES = join(BUILD, 'screenshots');

const QUICK_START_GUIDE = 'docs/guide/quick-start.md';
const REACT_GUIDE = 'docs/guide/react.md';
const SVELTE_GUIDE = 'docs/guide/svelte.md';
const { dependencies } = JSON.parse(
  readFileSync(join(ROOT, 'tests/packaging/projects/react-router/package.json'), 'utf8'),
);
const REACT_ROUTER = dependencies['react-router'];

/** @type {Record<string, import('../lib/kinds.mjs').Stage>} */
export const QUICK_START = {
  'quick-start': {
    kind: 'walk',
    isApart: true,
    // The reader has set nothing.
    isBare: true,
    serving: [
      [BACKEND, /Ctrl-C stops/],
      ['npm run dev', LOCAL],
      ['npm run preview', LOCAL],
    ],
    async check({ theatre, folder, servers: [backend, vite, preview], serve, takes, commands, files, ms }) {
      const [, url] = await vite.says(LOCAL);
      const opened = Date.now();
      const ada = await open(theatre, url);
      const grace = await open(theatre, `${url}?name=Grace`);
      await ada.tab.getByText('Connected').waitFor();
      await ada.say('Hello, Grace');
      await grace.tab.getByText('Ada Hello, Grace').waitFor();
      await grace.say('Hello, Ada');
      await ada.tab.getByText('Grace Hello, Ada').waitFor();
      const took = ms + Date.now() - opened;
      mkdirSync(PICTURES, { recursive: true });
      await ada.tab.screenshot({ path: join(PICTURES, 'quick-start.png') });
      assert.deepEqual([...ada.problems, ...grace.problems], []);
      console.log(
        `quick start: ${commands} commands, ${files} files, ${seconds(took)} until two people chat`,
      );

      // The production build is another page in the same room.
      const [, builtUrl] = await preview.says(LOCAL);
      const built = await open(theatre, `${builtUrl}?name=Joan`);
      await built.tab.getByText('Grace Hello, Ada').waitFor();
      await built.say('Hello, both');
      await ada.tab.getByText('Joan Hello, both').waitFor();

      // "Stop the backend, write on, start it again: nothing is lost."
      await backend.stop();
      await ada.say('Are you still there?');
      // From now on the room may be filled.
      await serve(`${BACKEND} --write-env .env.local --var SPACE_BYTES_MAX=1000000`, /Ctrl-C stops/);
      for (const { tab } of [ada, grace, built]) {
        // Each comes back in its own time.
        const last = tab
          .getByRole('log')
          .locator('p')
          .filter({ hasText: /^Ada Are you still there\?\s*$/ });
        await last.waitFor();
        const lines = await tab.getByRole('log').locator('p').allTextContents();
        assert.deepEqual(
          lines.map((line) => line.trim()),
          ['Ada Hello, Grace', 'Grace Hello, Ada', 'Joan Hello, both', 'Ada Are you still there?'],
        );
      }
      // A refusal costs neither the page nor what was written.
      await ada.say('x'.repeat(20_000));
      await ada.tab.getByRole('alert').filter({ hasText: 'The message is too long' }).waitFor();
      assert.equal((await ada.tab.getByLabel('Message').inputValue()).length, 20_000);
      await ada.say('x'.repeat(2_000));
      await grace.tab.getByText('x'.repeat(2_000)).waitFor();
      await fitsPhone(grace.tab);
      const space = theatre.open(await (await fetch(`${url}api/chat/init?name=Grace`)).json());
      await space.connect();
      const rows = ada.tab.getByRole('log').locator('p');
      const heard = (text) => grace.tab.getByText(`Ada ${text}`).waitFor();
      await marksRefused({ tab: ada.tab, rows, guest: async () => ({ space, heard }) });
      space.close();
      const ofNetwork = (text) => /ERR_(?:CONNECTION_REFUSED|INTERNET_DISCONNECTED)/.test(text);
      assert.deepEqual(
        [...ada.problems, ...grace.problems, ...built.problems].filter((text) => !ofNetwork(text)),
        [],
      );
      for (const { context } of [ada, grace, built]) await context.close();

      // What is neither a room nor a name is refused, and the page says why.
      for (const [key, field] of [
        ['room', 'spaceId'],
        ['name', 'userId'],
      ]) {
        const wrong = await open(theatre, `${url}?${key}=${'x'.repeat(300)}`);
        await wrong.tab
          .getByRole('alert')
          .filter({ hasText: `${field} must be` })
          .waitFor();
        await wrong.context.close();
      }
      // Without its key the route answers with an error, and the page shows it.
      renameSync(join(folder, '.env.local'), join(folder, 'env.away'));
      await answers(url, 500);
      const refused = await open(theatre, url);
      await refused.tab.getByRole('alert').filter({ hasText: 'gatewayKey is required' }).waitFor();
      await refused.context.close();
      renameSync(join(folder, 'env.away'), join(folder, '.env.local'));
      await answers(url, 200);

      await theRoomOfTheGuide({ theatre, folder, url, takes });
      await theRoomsOfTheGuide({ theatre, folder, url, takes });
    },
  },
  // The quick start as a reader takes it who comes from the Svelte guide.
  'svelte-start': {
    kind: 'walk',
    isApart: true,
    isBare: true,
    serving: [
      [BACKEND, /Ctrl-C stops/],
      ['npm run dev', LOCAL],
      ['npm run preview', LOCAL],
    ],
    steps([{ text: create }, { file: config, text: diff }]) {
      return blocksOf(QUICK_START_GUIDE, 'quick-start').flatMap((block) => {
        if (block.text.startsWith('npm create'))
          return [{ ...block, text: block.text.replace(/^.*/, () => create) }];
        if (block.file === config) return [{ ...block, text: patched(block.text, diff) }];
        if (block.file === 'src/index.css') return [{ ...block, file: 'src/app.css' }];
        if (block.file !== 'src/App.tsx') return [block];
        return [{ file: 'src/chat-init.ts', text: CHAT_INIT }, ...blocksOf(SVELTE_GUIDE, 'svelte')];
      });
    },
    async check({ theatre, servers: [, vite, preview], takes }) {
      await isBuilt(takes, 'npm run check');
      await twoPeople(theatre, (await vite.says(LOCAL))[1]);
      const built = await open(theatre, `${(await preview.says(LOCAL))[1]}?name=Joan`);
      await built.tab.getByText(/Here: .*Joan/).waitFor();
      await built.reads(['Grace: Hello from the guide']);
      await built.context.close();
    },
  },
};

/** Vite has noticed that the file is another one. Meanwhile it starts again. */
function answers(url, wanted) {
  const isSo = () =>
    fetch(`${url}api/chat/init`).then(
      ({ status }) => status === wanted,
      () => false,
    );
  return until(isSo, `the route answers with status ${wanted}`);
}

/** The reader goes on to the React guide: its room, two people by the page's address. */
async function theRoomOfTheGuide({ theatre, folder, url, takes }) {
  write(folder, {
    'src/chat-init.ts': CHAT_INIT,
    ...filesShown(REACT_GUIDE, ['src/main.tsx', 'src/ChatRoom.tsx', 'src/Who.tsx']),
  });
  await isBuilt(takes);
  await twoPeople(theatre, url);
}

/** And to its rooms in a router: each has its own messages, and who is there stays who they are. */
async function theRoomsOfTheGuide({ theatre, folder, url, takes }) {
  const { code, output } = await takes(`npm install react-router@${REACT_ROUTER}`);
  assert.equal(code, 0, output);
  const files = blocksOf(REACT_GUIDE, 'react-router').map(({ file, text }) => [file, `${text}\n`]);
  write(folder, Object.fromEntries(files));
  await isBuilt(takes);
  const ada = await open(theatre, `${url}rooms/red`);
  const grace = await open(theatre, `${url}rooms/blue?name=Grace`);
  await grace.tab.getByText('Here: Grace').waitFor();
  await ada.tab.getByText('Here: Ada').waitFor();
  await ada.say('written in red');
  await grace.say('written in blue');
  await grace.tab.getByRole('link', { name: 'Red' }).click();
  await grace.reads(['Ada: written in red']);
  await grace.say('Grace in red');
  await ada.reads(['Ada: written in red', 'Grace: Grace in red']);
  await ada.tab.getByRole('link', { name: 'Blue' }).click();
  await ada.reads(['Grace: written in blue']);
  await grace.tab.reload();
  await grace.tab.getByText(/Here: .*Grace/).waitFor();
  for (const { context } of [ada, grace]) await context.close();
}

/** Two people in the room of a guide: the second one by the page's address. */
async function twoPeople(theatre, url) {
  const ada = await open(theatre, url);
  const grace = await open(theatre, `${url}?name=Grace`);
  for (const { tab } of [ada, grace]) await tab.getByText('Here: Ada, Grace').waitFor();
  await grace.say('Hello from the guide');
  for (const { tab } of [ada, grace])
    await tab.getByRole('listitem').filter({ hasText: 'Grace: Hello from the guide' }).waitFor();
  // Another room of the same route.
  const garden = await open(theatre, `${url}?name=Grace&room=garden`);
  await garden.tab.getByText('Here: Grace').waitFor();
  await garden.say('in the garden');
  await garden.reads(['Grace: in the garden']);
  for (const { context } of [ada, grace, garden]) await context.close();
}

/** The template's own compiler, and a build. */
async function isBuilt(takes, line = 'npm run build') {
  const { code, output } = await takes(line);
  assert.equal(code, 0, output);
}

const filesShown = (document, files) =>
  Object.fromEntries(files.map((file) => [file, shown(document, file)]));

/** The lines of a `diff` of whole lines, each `-` with the `+` that takes its place, done to a text. */
function patched(text, diff) {
  const changes = [...diff.matchAll(/^-(.*)\n\+(.*)$/gm)];
  assert.equal(changes.length * 2, diff.split('\n').length, `not a change a pair of lines: ${diff}`);
  return changes.reduce((before, [, from, to]) => {
    assert.ok(before.split('\n').includes(from), `the quick start has no line ${from}`);
    return before.replace(from, () => to);
  }, text);
}

async function open(theatre, url) {
  const context = await theatre.browser.newContext();
  const tab = await context.newPage();
  const problems = [];
  tab.on('pageerror', (error) => problems.push(error.message));
  tab.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) problems.push(message.text());
  });
  await tab.goto(url);
  return {
    context,
    tab,
    problems,
    async say(text) {
      await tab.getByLabel('Message').fill(text);
      await tab.getByRole('button', { name: 'Send' }).click();
    },
    /** In a guide's room: these are the messages, and nothing else is. */
    async reads(lines) {
      const items = tab.getByRole('listitem');
      await items.filter({ hasText: lines.at(-1) }).waitFor();
      // What waits has a sign behind it.
      await items.filter({ hasText: /…\s*$/ }).waitFor({ state: 'detached' });
      const texts = await items.allTextContents();
      assert.deepEqual(
        texts.map((text) => text.trim().replaceAll(/\s+/g, ' ')),
        lines,
      );
    },
  };
}
