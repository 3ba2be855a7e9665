/** The quick start, walked through from a clone's tarball to a page where two people chat, in development and built. */
import assert from 'node:assert/strict';
import { mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { BUILD } from '../../../scripts/lib/paths.mjs';
import { seconds } from '../../../scripts/lib/process.mjs';
import { until } from '../../e2e/lib/waiting.mjs';
import { fitsPhone } from './pages.mjs';

const BACKEND = 'npx kuratchi-spaces dev';
/** Where Vite serves. */
const LOCAL = /Local: +(http:\/\/\S+)/;
const PICTURES = join(BUILD, 'screenshots');

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
    async check({ theatre, folder, servers: [backend, vite, preview], serve, commands, files, ms }) {
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
      await serve(`${BACKEND} --write-env .env.local`, /Ctrl-C stops/);
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
      const ofNetwork = (text) => text.includes('ERR_CONNECTION_REFUSED');
      assert.deepEqual(
        [...ada.problems, ...grace.problems, ...built.problems].filter((text) => !ofNetwork(text)),
        [],
      );
      for (const { context } of [ada, grace, built]) await context.close();

      // Without its key the route answers with an error, and the page shows it.
      renameSync(join(folder, '.env.local'), join(folder, 'env.away'));
      await until(
        // Meanwhile it starts again.
        () =>
          fetch(`${url}api/chat/init`).then(
            ({ status }) => status === 500,
            () => false,
          ),
        'Vite has noticed that the file is gone',
      );
      const refused = await open(theatre, url);
      await refused.tab.getByRole('alert').filter({ hasText: 'gatewayKey is required' }).waitFor();
      await refused.context.close();
    },
  },
};

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
  };
}
