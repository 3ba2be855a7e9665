/**
 * `npm run docs`: builds the documentation site into `.build/docs` and checks its links.
 *
 * `npm run docs -- --serve` then serves it on this machine until Ctrl-C. Owns the order; what is on the pages, and
 * which links are checked, stands in `docs/`.
 */
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { bin, docsModulesStep } from './lib/modules.mjs';
import { BUILD, ROOT } from './lib/paths.mjs';
import { run, runMain, UserError } from './lib/process.mjs';
import { portFrom } from './lib/serving.mjs';
import { setUp } from './lib/setup.mjs';
import { step } from './lib/steps.mjs';

const DOCS = join(ROOT, 'docs');
const SITE = join(BUILD, 'docs');
const HOST = '127.0.0.1';
const PORT = 4173;

runMain(async () => {
  const words = process.argv.slice(2);
  const unknown = words.find((word) => word !== '--serve');
  if (unknown !== undefined) throw new UserError(`npm run docs does not know ${unknown}; it knows --serve.`);

  console.log('Building the documentation');
  // The workspace's modules as well: the adapters' types name those of React and Svelte.
  await setUp({ modules: true });
  await step(docsModulesStep);
  await step({
    what: 'API reference',
    why: "TypeDoc reads the package's types",
    about: '10 s',
    act: () => program('typedoc', ['--options', 'typedoc.config.mjs']),
  });
  await step({
    what: 'Pages',
    why: 'VitePress renders them, and refuses links to pages that there are not',
    about: '20 s',
    async act() {
      rmSync(SITE, { recursive: true, force: true });
      mkdirSync(BUILD, { recursive: true });
      await program('vitepress', ['build']);
    },
  });
  await step({
    what: 'Links',
    why: 'anchors too, and those between the documents of the repository',
    about: '10 s',
    act: checkLinks,
  });

  if (!words.includes('--serve')) {
    console.log('\nThe site is in .build/docs; "npm run docs -- --serve" shows it.');
    return;
  }
  const port = portFrom('PORT', PORT);
  console.log(`\n  Site  http://${HOST}:${port}/\n\nCtrl-C stops.\n`);
  await program('vitepress', ['preview', '--host', HOST, '--port', `${port}`], { show: 'silent' });
});

async function program(name, args, options) {
  await run(bin(name, DOCS), args, { cwd: DOCS, ...options });
}

async function checkLinks() {
  const { stdout } = await run(process.execPath, ['check-links.mjs'], { cwd: DOCS });
  return stdout.trim().split('\n').join(', ');
}
