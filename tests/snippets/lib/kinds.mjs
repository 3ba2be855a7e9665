/**
 * How a stage's blocks are run, by the kind of the stage: each in the runtime that its readers would use.
 *
 * Owns the runtimes and what counts as having gone well: it ran to its end, nobody was warned, and the stage's own
 * check held. Must not know what a document shows: that is in `stages/`.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { build as bundle, transform } from 'esbuild';
import { Miniflare } from 'miniflare';
import { parse as parseToml } from 'smol-toml';
import { COMPATIBILITY_DATE } from '../../../scripts/lib/backend.mjs';
import { run } from '../../../scripts/lib/process.mjs';
import { PATIENCE_MS } from '../../e2e/lib/waiting.mjs';
import { startServer } from './server-process.mjs';
import { openSite } from './site.mjs';
import { write } from './theatre.mjs';

/** npm may have to download. */
const SHELL_MS_MAX = 180_000;
const PROGRAM_MS_MAX = 60_000;

/**
 * What stands on a stage.
 *
 * @typedef {object} Stage
 * @property {'node'|'browser'|'app'|'page'|'workerd'|'python'|'shell'|'walk'|'parse'} kind
 * @property {(theatre: object) => Promise<{ env?: object, close: () => Promise<void> }>} [open] What the stage needs
 *   running meanwhile; `check` gets it as `props`.
 * @property {string} [before] Code that the document takes for granted, before its own.
 * @property {string} [after] Code that checks, after the document's own. `assert`, `until`, `guest` are there.
 * @property {Record<string, string>} [files] More files of the project, contents by path.
 * @property {{ path: string, without: string[], borrowed?: string[] }} [project] A project of the packaging tests whose
 *   packages the stage needs, as `projectOf` takes it. Its TypeScript is compiled there, by `check`.
 * @property {(blocks: import('./extract.mjs').Block[]) => import('./extract.mjs').Block[]} [steps] What a walk takes, where the reader
 *   comes from another document.
 * @property {(scene: object) => Promise<void>|void} [check] Looks at what came of it.
 */

/** @type {Record<string, (play: { name: string, stage: Stage, blocks: import('./extract.mjs').Block[], theatre: import('./theatre.mjs').Theatre }) => Promise<void>>} */
const KINDS = { node, browser, app, page, workerd, python, shell, walk, parse };

/** Runs what stands on a stage. */
export async function play({ name, stage, blocks, theatre }) {
  const props = await stage.open?.(theatre);
  try {
    await KINDS[stage.kind]({ name, stage, blocks, theatre, props });
  } finally {
    await props?.close();
  }
}

/** The one module that blocks without a file make together. */
export function moduleOf(stage, blocks) {
  const texts = blocks.filter(({ file }) => file === undefined).map(({ text }) => text);
  return [stage.before ?? '', ...texts, ''].join('\n');
}

/** Files that a stage's blocks are, and those that it brings. */
export function filesOf(stage, blocks) {
  const named = blocks.filter(({ file }) => file !== undefined).map(({ file, text }) => [file, `${text}\n`]);
  return { ...stage.files, ...Object.fromEntries(named) };
}

// ---- Node

/** What `after` has in Node. */
const NODE_HELP = `
  import { WebSocket } from 'ws';
  import { client, generateToken } from 'kuratchi-spaces';
  export { default as assert } from 'node:assert/strict';
  export async function until(check, what) {
    const end = Date.now() + ${PATIENCE_MS};
    for (;;) {
      const value = await check();
      if (value) return value;
      if (Date.now() > end) throw new Error('waited in vain until ' + what);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
  export async function guest(spaceId, userId = 'grace') {
    const spaceToken = await generateToken(spaceId, { userId, role: 'agent' });
    const heard = [];
    const space = client({ spaceId, spaceToken, webSocket: WebSocket, onMessage: (message) => heard.push(message) });
    await space.connect();
    return { space, heard };
  }
`;

async function node({ name, stage, blocks, theatre, props }) {
  const source = `${moduleOf(stage, blocks)}
    const { assert, until, guest } = await import('./help.mjs');
    ${stage.after ?? ''}
    // What is still open would be waited for.
    process.exit(0);`;
  const files = { ...filesOf(stage, blocks), 'main.ts': source };
  const compiled = { 'help.mjs': NODE_HELP };
  for (const [path, text] of Object.entries(files)) {
    if (!/\.[jt]s$/.test(path)) compiled[path] = text;
    else
      compiled[path.replace(/\.ts$/, '.js')] = (await transform(text, { loader: 'ts', format: 'esm' })).code;
  }
  const folder = theatre.place(name, compiled);
  const { code, stdout, output } = await run(process.execPath, ['main.js'], {
    cwd: folder,
    env: { ...process.env, ...theatre.environment, ...props?.env },
    show: 'silent',
    timeoutMs: PROGRAM_MS_MAX,
    allowFailure: true,
  });
  assert.equal(code, 0, output);
  await stage.check?.({ stdout, folder, theatre, blocks, props });
}

// ---- A page

async function browser({ name, stage, blocks, theatre }) {
  const folder = theatre.place(name, {
    ...filesOf(stage, blocks),
    'main.ts': `${moduleOf(stage, blocks)}\n${stage.after ?? ''}\nglobalThis.isOver = true;`,
  });
  const { outputFiles, warnings } = await bundle({
    absWorkingDir: folder,
    entryPoints: ['main.ts'],
    bundle: true,
    write: false,
    format: 'esm',
    target: 'es2022',
    logLevel: 'silent',
  });
  assert.deepEqual(warnings, []);
  const [{ text }] = outputFiles;
  const html = `<!doctype html><html lang="en"><meta charset="utf-8"><title>${name}</title><link rel="icon" href="data:,">
    <body>${stage.body ?? ''}<script type="module">${text.replaceAll('</script', '<\\/script')}</script></body></html>`;
  // What the bundler leaves beside the module: the Wasm is found from where the module is.
  const wasm = join(theatre.folder, 'node_modules', 'kuratchi-spaces');
  await onPage({ name, stage, theatre, page: html, folder: wasm }, async ({ tab }) => {
    await tab.waitForFunction(() => globalThis.isOver, undefined, { timeout: PATIENCE_MS });
  });
}

async function page({ name, stage, blocks, theatre }) {
  const [{ text }, ...more] = blocks.filter(({ language }) => language === 'html');
  assert.equal(more.length, 0, 'a page is one block');
  await onPage({ name, stage, theatre, page: text, blocks });
}

/** A project of files, built by Vite as its readers would build it. */
async function app({ name, stage, blocks, theatre }) {
  const files = filesOf(stage, blocks);
  const folder = stage.project ? await theatre.projectOf(stage.project, files) : theatre.place(name, files);
  // Only here: the other kinds do without it.
  const { build, createLogger } = await import('vite');
  const said = [];
  const customLogger = createLogger('silent');
  for (const level of ['warn', 'warnOnce', 'error']) customLogger[level] = (text) => said.push(text);
  await build({ root: folder, customLogger, ...(await stage.vite?.(theatre)), build: { outDir: 'dist' } });
  assert.deepEqual(said, [], 'the build warns of nothing');
  await onPage({ name, stage, theatre, folder: join(folder, 'dist'), project: folder });
}

async function onPage({ name, stage, theatre, page: html, folder, project, blocks = [] }, whenOpen) {
  const spaceId = theatre.newRoom(name);
  // What the route answers to everybody, for a while: `[status, text]`.
  let refusal;
  const site = await openSite({
    init: (url) => theatre.admit(url.searchParams.get('room') || spaceId, stage.person?.(url)),
    refusal: () => refusal,
    page: html,
    folders: {
      '/node_modules/': join(theatre.folder, 'node_modules'),
      '/': folder ?? stage.folder?.(theatre),
    },
    headers: stage.headers?.(theatre, blocks) ?? {},
  });
  const context = await theatre.browser.newContext();
  const problems = [];
  try {
    const tab = await context.newPage();
    tab.setDefaultTimeout(PATIENCE_MS);
    const failed = new Promise((_, reject) => {
      tab.on('pageerror', (error) => {
        problems.push(error.message);
        reject(error);
      });
    });
    // Looked at below, too.
    failed.catch(() => {});
    tab.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) problems.push(message.text());
    });
    let guest;
    const known = async () => (guest ??= theatre.guest(spaceId));
    await tab.exposeFunction('guestSays', async (text) => void (await (await known()).say(text)));
    await tab.exposeFunction('beginAnew', () => theatre.beginAnew(spaceId));
    await tab.exposeFunction('setOffline', (isOffline) => context.setOffline(isOffline));
    const refuse = (...answer) => {
      refusal = answer.length > 0 ? answer : undefined;
    };
    await tab.exposeFunction('routeRefuses', refuse);
    await tab.exposeFunction('guestHears', async (text) => void (await (await known()).heard(text)));
    await tab.addInitScript((patienceMs) => {
      globalThis.assert = (value, what) => {
        if (!value) throw new Error(what);
      };
      globalThis.until = async (check, what) => {
        const end = performance.now() + patienceMs;
        for (;;) {
          const value = await check();
          if (value) return value;
          if (performance.now() > end) throw new Error(`waited in vain until ${what}`);
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
      };
    }, PATIENCE_MS);
    await tab.goto(site.url);
    if (whenOpen) await Promise.race([whenOpen({ tab }), failed]);
    if (stage.check) {
      await Promise.race([
        stage.check({ tab, context, url: site.url, spaceId, theatre, guest: known, refuse, project }),
        failed,
      ]);
    }
    // The browser reports by itself what a stage has made fail, whatever the page makes of it.
    const said = problems.filter((text) => !/status of 503|ERR_INTERNET_DISCONNECTED/.test(text));
    assert.deepEqual(said, stage.said ?? [], 'what the page said');
  } catch (error) {
    if (problems.length > 0) error.message += `\nThe page said: ${problems.join('\n')}`;
    throw error;
  } finally {
    await context.close();
    await site.close();
  }
}

// ---- A Worker of the reader's own

async function workerd({ name, stage, blocks, theatre }) {
  const folder = theatre.place(name, { ...filesOf(stage, blocks), 'main.ts': moduleOf(stage, blocks) });
  const outdir = join(folder, 'dist');
  await bundle({
    absWorkingDir: folder,
    entryPoints: ['main.ts'],
    bundle: true,
    format: 'esm',
    target: 'es2022',
    conditions: ['workerd', 'worker', 'browser'],
    loader: { '.wasm': 'copy' },
    outdir,
    logLevel: 'silent',
  });
  const worker = new Miniflare({
    host: '127.0.0.1',
    // Without this Miniflare asks the network where on earth it is.
    cf: false,
    compatibilityDate: COMPATIBILITY_DATE,
    modulesRoot: outdir,
    modules: [
      { type: 'ESModule', path: join(outdir, 'main.js') },
      ...readdirSync(outdir)
        .filter((file) => extname(file) === '.wasm')
        .map((file) => ({
          type: 'CompiledWasm',
          path: join(outdir, file),
          contents: readFileSync(join(outdir, file)),
        })),
    ],
    bindings: stage.bindings(theatre),
  });
  try {
    await worker.ready;
    const response = await worker.dispatchFetch('http://app.invalid/', {
      signal: AbortSignal.timeout(PROGRAM_MS_MAX),
    });
    const text = await response.text();
    assert.equal(response.status, 200, text);
    await stage.check({ answer: JSON.parse(text), theatre });
  } finally {
    await worker.dispose();
  }
}

// ---- Another language

/** Runs the blocks as one program of Python's, where there is one. */
async function python({ name, stage, blocks, theatre }) {
  const folder = theatre.place(name, { 'main.py': moduleOf(stage, blocks) });
  const how = {
    cwd: folder,
    env: { ...process.env, ...theatre.environment },
    show: 'silent',
    timeoutMs: PROGRAM_MS_MAX,
  };
  const isThere = await run('python3', ['--version'], { ...how, allowFailure: true }).then(
    ({ code }) => code === 0,
    () => false,
  );
  if (!isThere) {
    console.log(`${name}: not run, there is no python3 here`);
    return;
  }
  const { stdout } = await run('python3', ['main.py'], how);
  await stage.check({ stdout, theatre });
}

// ---- Commands

/** Runs the lines in one shell, which stops at the first failure. */
async function shell({ name, stage, blocks, theatre, props }) {
  const folder = await folderOf(name, stage, theatre);
  const { code, stdout, output } = await command(moduleOf(stage, blocks), {
    name,
    stage,
    theatre,
    folder,
    props,
  });
  assert.equal(code, 0, output);
  await stage.check?.({ stdout, output, folder, theatre, props });
}

/** Takes the blocks one after the other, as a reader does: runs commands, writes files, runs scripts. */
async function walk({ name, stage, blocks, theatre, props }) {
  let folder = await folderOf(name, stage, theatre);
  const started = Date.now();
  const servers = [];
  let commands = 0;
  let files = 0;
  const serve = async (line, ready) => {
    const server = startServer(line, folder, environment(stage, theatre, props));
    servers.push(server);
    await server.says(ready);
    return server;
  };
  try {
    for (const { file, language, text } of stage.steps?.(blocks) ?? blocks) {
      if (file !== undefined) {
        write(folder, { [file]: `${text}\n` });
        files += 1;
      } else if (language === 'bash') {
        for (const line of text.split('\n')) {
          commands += 1;
          const ready = stage.serving?.find(([start]) => line.startsWith(start))?.[1];
          if (line.startsWith('cd ')) folder = join(folder, line.slice(3));
          else if (ready) await serve(line, ready);
          else {
            const { code, output } = await command(line, { name, stage, theatre, folder, props });
            assert.equal(code, 0, `${line}\n${output}`);
          }
        }
      } else {
        const args = ['--input-type=module', '--eval', text];
        await run(process.execPath, args, { cwd: folder, show: 'silent', timeoutMs: PROGRAM_MS_MAX });
      }
    }
    const ms = Date.now() - started;
    const takes = (line) => command(line, { name, stage, theatre, folder, props });
    await stage.check?.({ folder, theatre, blocks, props, servers, serve, takes, commands, files, ms });
  } finally {
    for (const server of servers) await server.stop();
  }
}

/** Runs shell lines, or what stands in for them here. */
async function command(lines, { name, stage, theatre, folder, props }) {
  const script = stage.inPlaceOf?.(lines, theatre) ?? lines;
  if (script !== lines) console.log(`${name}: ${lines.trim()}\n  is run as ${script.trim()}`);
  return run('sh', ['-ec', script], {
    cwd: folder,
    env: environment(stage, theatre, props),
    show: 'silent',
    timeoutMs: SHELL_MS_MAX,
    allowFailure: true,
  });
}

function environment(stage, theatre, props) {
  const settings = stage.isBare ? {} : theatre.environment;
  // npm asks before it runs what it has to download, and the reader says yes.
  const npm = { npm_config_yes: 'true', npm_config_update_notifier: 'false' };
  return { ...plainEnvironment(), ...npm, ...settings, ...props?.env };
}

/** With `isApart` a project beside a clone, which has no packages yet, or for a walk the folder of both. */
async function folderOf(name, stage, theatre) {
  if (stage.project) return theatre.projectOf(stage.project, stage.files);
  if (!stage.isApart) return theatre.place(name, stage.files);
  const home = theatre.apart(name);
  const folder = stage.kind === 'walk' ? home : join(home, 'app');
  write(folder, stage.files ?? {});
  return folder;
}

/**
 * Without what an outer npm leaves in the environment, which points at the clone, and without the mode that Vite
 * leaves there after a build, in which npm installs less.
 */
function plainEnvironment() {
  return Object.fromEntries(Object.entries(process.env).filter(([key]) => !/^npm_|^NODE_ENV$/i.test(key)));
}

// ---- Files that are only read

const PARSERS = {
  json: JSON.parse,
  toml: parseToml,
  ini: (text) =>
    Object.fromEntries(
      text.split('\n').map((line) => {
        const [, key, value] = /^([A-Z_]+)=(\S+)$/.exec(line) ?? assert.fail(`not a setting: ${line}`);
        return [key, value];
      }),
    ),
};

async function parse({ stage, blocks, theatre }) {
  for (const { language, text, place } of blocks) {
    const parser = PARSERS[language] ?? assert.fail(`${place}: nobody reads ${language}`);
    await stage.check(parser(text), theatre);
  }
}
