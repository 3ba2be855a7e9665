/** The SvelteKit section of the Svelte guide, walked through in a project of SvelteKit's, in development and built. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { PATIENCE_MS } from '../../e2e/lib/waiting.mjs';
import { runScript } from '../../packaging/lib/installed.mjs';
import { shown } from './shown.mjs';

const LOCAL = /Local: +(http:\/\/\S+)/;
const GUIDE = 'docs/guide/svelte.md';

/** @type {Record<string, import('../lib/kinds.mjs').Stage>} */
export const SVELTEKIT = {
  sveltekit: {
    kind: 'walk',
    project: { path: 'projects/sveltekit', without: ['src/routes'] },
    // The reader has set nothing: all that the server knows comes by the file that the guide has written.
    isBare: true,
    files: {
      // As SvelteKit's template has it.
      'tsconfig.json':
        '{ "extends": "./.svelte-kit/tsconfig.json", "compilerOptions": { "strict": true, "skipLibCheck": true } }',
      'src/app.d.ts': `
        declare global {
          namespace App {
            interface Locals { user: { id: string; name: string } }
          }
        }
        export {};
      `,
      // Who is signed in.
      'src/hooks.server.ts': `
        import type { Handle } from '@sveltejs/kit';
        export const handle: Handle = ({ event, resolve }) => {
          const name = event.cookies.get('name') ?? 'Ada';
          event.locals.user = { id: name.toLowerCase(), name };
          return resolve(event);
        };
      `,
      ...Object.fromEntries(
        ['Composer', 'Messages', 'Who'].map((name) => [
          `src/lib/${name}.svelte`,
          shown(GUIDE, `src/${name}.svelte`),
        ]),
      ),
    },
    async open() {
      const server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      const { port } = server.address();
      server.close();
      // What is built would take port 3000, which may be somebody else's.
      const env = { PORT: `${port}`, HOST: '127.0.0.1', ORIGIN: `http://127.0.0.1:${port}` };
      return { port, env, close: async () => {} };
    },
    serving: [
      ['npx kuratchi-spaces dev', /Ctrl-C stops/],
      ['npm run dev', LOCAL],
      ['node --env-file', /Listening on/],
    ],
    async check({ folder, theatre, servers: [, vite, node], props }) {
      // Throws for what does not compile, in TypeScript and in components.
      await runScript(folder, 'svelte-check', ['--tsconfig', 'tsconfig.json', '--fail-on-warnings']);

      const [, url] = await vite.says(LOCAL);
      const ada = await open(theatre, `${url}red`, 'Ada', vite);
      const grace = await open(theatre, `${url}blue`, 'Grace', vite);
      await ada.says('in red');
      await ada.goesTo('Blue');
      await ada.says('in blue');
      await grace.reads(['in blue']);
      await grace.says('blue, too');
      await ada.reads(['in blue', 'blue, too']);
      await ada.writes('not yet');
      await ada.goesTo('Red');
      await ada.reads(['in red']);
      assert.equal(await ada.tab.getByLabel('Message').inputValue(), '');
      await grace.goesTo('Red');
      await grace.reads(['in red']);
      assert.deepEqual([...ada.problems, ...grace.problems], []);

      const built = await open(theatre, `http://127.0.0.1:${props.port}/red`, 'Joan', node);
      await built.reads(['in red']);
      await built.says('as built');
      await ada.reads(['in red', 'as built']);
      assert.deepEqual(built.problems, []);
      for (const { context } of [ada, grace, built]) await context.close();
    },
  },
};

/** A browser of somebody's own, at an address. */
async function open(theatre, url, name, server) {
  const context = await theatre.browser.newContext();
  await context.addCookies([{ name: 'name', value: name, url }]);
  const tab = await context.newPage();
  tab.setDefaultTimeout(PATIENCE_MS);
  const problems = [];
  tab.on('pageerror', (error) => problems.push(error.message));
  tab.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) problems.push(message.text());
  });
  await tab.goto(url);
  const isHere = () =>
    tab
      .getByText(/Here: .*\b/)
      .filter({ hasText: name })
      .waitFor();
  await isHere().catch(async (error) => {
    error.message += `\nThe page shows: ${await tab.locator('body').innerText()}\nThe server says: ${server.output()}`;
    throw error;
  });
  const writes = (text) => tab.getByLabel('Message').fill(text);
  return {
    context,
    tab,
    problems,
    writes,
    async goesTo(room) {
      await tab.getByRole('link', { name: room }).click();
      await tab.waitForURL(`**/${room.toLowerCase()}`);
    },
    async says(text) {
      await isHere();
      await writes(text);
      await tab.getByRole('button', { name: 'Send' }).click();
      await tab.getByRole('listitem').filter({ hasText: text }).waitFor();
    },
    async reads(texts) {
      await tab
        .getByRole('listitem')
        .filter({ hasText: texts.at(-1) })
        .waitFor();
      const shown = await tab.getByRole('listitem').locator('span').allTextContents();
      assert.deepEqual(shown, texts);
    },
  };
}
