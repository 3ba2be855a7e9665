/**
 * The documentation site: it builds, links to what there is, and its pages can be read by everybody.
 */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { chromium } from 'playwright-core';
import { readLimits } from '../../docs/guide/limits.data.mjs';
import { CHROMIUM_FLAGS, chromium as chromiumPath } from '../../scripts/lib/browsers.mjs';
import { BUILD, ROOT } from '../../scripts/lib/paths.mjs';
import { run } from '../../scripts/lib/process.mjs';
import { openSite } from '../snippets/lib/site.mjs';

const SITE = join(BUILD, 'docs');
const PICTURES = join(BUILD, 'screenshots');
const BUILD_MS_MAX = 300_000;
const TEST_MS_MAX = 60_000;

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** The kinds of pages that there are: the first one, text with code and tables, and the reference. */
const PAGES = [
  ['home', '/'],
  ['guide', '/guide/offline.html'],
  ['limits', '/guide/limits.html'],
  ['quick-start', '/guide/quick-start.html'],
  ['reference', '/reference/kuratchi-spaces/classes/KuratchiSpaceClient.html'],
];
const VIEWS = [
  ['desktop-light', { viewport: { width: 1280, height: 900 }, colorScheme: 'light' }],
  ['desktop-dark', { viewport: { width: 1280, height: 900 }, colorScheme: 'dark' }],
  ['phone-light', { viewport: { width: 390, height: 844 }, colorScheme: 'light' }],
];

describe('the documentation site', () => {
  let site;
  let browser;
  before(
    async () => {
      const { output } = await run(process.execPath, ['scripts/docs.mjs'], {
        cwd: ROOT,
        timeoutMs: BUILD_MS_MAX,
      });
      assert.match(output, /The site is in/);
      site = await openSite({ init: async () => ({}), folders: { '/': SITE } });
      browser = await chromium.launch({
        executablePath: process.env.CHROMIUM_BIN ?? chromiumPath(),
        args: [...CHROMIUM_FLAGS],
      });
      mkdirSync(PICTURES, { recursive: true });
    },
    { timeout: BUILD_MS_MAX },
  );
  after(async () => {
    await browser?.close();
    await site?.close();
  });

  /** Opens a page, and fails if it complains or asks anybody else for anything. */
  async function onPage(path, options, look) {
    const context = await browser.newContext(options);
    const problems = [];
    try {
      const tab = await context.newPage();
      tab.on('pageerror', (error) => problems.push(error.message));
      tab.on('console', (message) => {
        if (['error', 'warning'].includes(message.type())) problems.push(message.text());
      });
      tab.on('request', (request) => {
        if (!request.url().startsWith(site.url) && !request.url().startsWith('data:'))
          problems.push(request.url());
      });
      await tab.goto(site.url + path, { waitUntil: 'networkidle' });
      await look(tab);
      assert.deepEqual(problems, []);
    } finally {
      await context.close();
    }
  }

  for (const [name, path] of PAGES) {
    test(`${name} has no fault that axe knows, in light, dark and on a phone`, {
      timeout: TEST_MS_MAX,
    }, async () => {
      for (const [view, options] of VIEWS) {
        await onPage(path, options, async (tab) => {
          await tab.screenshot({ path: join(PICTURES, `docs-${name}-${view}.png`) });
          await tab.evaluate(AXE);
          const { violations } = await tab.evaluate(() => globalThis.axe.run());
          const found = violations.map(
            ({ id, nodes }) => `${view}: ${id}: ${nodes.map(({ html }) => html).join('\n')}`,
          );
          assert.deepEqual(found, []);
          const width = await tab.evaluate(() => document.documentElement.scrollWidth);
          assert.ok(width <= options.viewport.width, `${view}: the page is ${width} wide`);
        });
      }
    });
  }

  test('a reader finds a page by a word', { timeout: TEST_MS_MAX }, async () => {
    await onPage('/', VIEWS[0][1], async (tab) => {
      await tab.getByRole('button', { name: 'Search' }).first().click();
      await tab.getByPlaceholder('Search').fill('StrictMode');
      await tab
        .getByRole('option', { name: /Troubleshooting/ })
        .first()
        .waitFor();
    });
  });

  test('the numbers of the limits page are those of the protocol', { timeout: TEST_MS_MAX }, async () => {
    const limits = readLimits(readFileSync(join(ROOT, 'crates', 'protocol', 'src', 'limits.rs'), 'utf8'));
    assert.equal(limits.TEXT_BYTES_MAX, '16 KiB');
    assert.equal(limits.OUTBOX_ROW_MS_MAX, '7 days');
    await onPage('/guide/limits.html', VIEWS[0][1], async (tab) => {
      const text = await tab.getByRole('row', { name: /Text of a message/ }).textContent();
      assert.match(text, /16 KiB/);
    });
  });

  test('a link to an anchor that there is not is found', { timeout: TEST_MS_MAX }, async () => {
    const page = join(SITE, 'broken.html');
    const check = () =>
      run(process.execPath, ['check-links.mjs'], {
        cwd: join(ROOT, 'docs'),
        show: 'silent',
        allowFailure: true,
      });
    assert.equal((await check()).code, 0);
    const index = readFileSync(join(SITE, 'index.html'), 'utf8');
    try {
      writeFileSync(
        page,
        '<a href="/guide/tokens.html#no-such-heading">x</a><a href="/no-such-page.html">y</a>',
      );
      writeFileSync(
        join(SITE, 'index.html'),
        index.replace('</body>', '<a href="/broken.html">z</a></body>'),
      );
      const { code, stdout } = await check();
      assert.equal(code, 1);
      assert.match(stdout, /broken\.html links to guide\/tokens\.html#no-such-heading, which is not there/);
      assert.match(stdout, /broken\.html links to no-such-page\.html, which is not there/);
    } finally {
      writeFileSync(join(SITE, 'index.html'), index);
      rmSync(page, { force: true });
    }
  });
});
