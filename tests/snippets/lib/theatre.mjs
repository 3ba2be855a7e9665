/**
 * All that the documents' code needs to be run: the installed package, the real Worker, a browser, and a second person
 * in the room.
 *
 * Owns starting and ending them. Must not know what a document shows.
 */
import { randomUUID } from 'node:crypto';
import { copyFileSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';
import { WebSocket } from 'ws';
import { startBackend } from '../../../scripts/lib/backend.mjs';
import { CHROMIUM_FLAGS, chromium as chromiumPath } from '../../../scripts/lib/browsers.mjs';
import { ROOT, TARBALL, WORKER_TEST } from '../../../scripts/lib/paths.mjs';
import { until } from '../../e2e/lib/waiting.mjs';
import { Installed } from '../../packaging/lib/installed.mjs';

/** Packages that the documents' code imports beside ours, as the clone has them. */
const BORROWED = [
  ...['ws', 'react', 'react-dom', 'svelte', 'vite', '@vitejs/plugin-react', '@sveltejs/vite-plugin-svelte'],
  ...['@types/node', '@types/react', '@types/react-dom'],
];

export class Theatre {
  /** The project in which the package is installed. */
  folder;
  /** The packed package, and its removal. */
  installed = new Installed();
  /** As `startBackend` gives it. */
  backend;
  browser;
  /** The package, as this process uses it for the second person. */
  #package;
  #people = [];

  async start() {
    await this.installed.pack();
    this.folder = await this.installed.project('snippets');
    for (const name of BORROWED) borrow(this.folder, name);
    // Under the name of what it stands in for, too; `moving-alias` lets npm do that.
    symlinkSync(
      join(this.folder, 'node_modules', 'kuratchi-spaces'),
      join(this.folder, 'node_modules', 'kuratchi-sdk'),
      'junction',
    );
    // As little as there is: a stage fills its room.
    const vars = { SPACE_BYTES_MAX: '1000000' };
    this.backend = await startBackend({ workerDir: WORKER_TEST, vars });
    this.browser = await chromium.launch({
      executablePath: process.env.CHROMIUM_BIN ?? chromiumPath(),
      args: [...CHROMIUM_FLAGS],
    });
    const entry = join(this.folder, 'node_modules', 'kuratchi-spaces', 'index.node.js');
    this.#package = await import(pathToFileURL(entry).href);
  }

  async stop() {
    for (const person of this.#people) person.leave();
    await this.browser?.close();
    await this.backend?.stop();
    this.installed.remove();
  }

  /** What a server's environment holds. */
  get environment() {
    return {
      KURATCHI_GATEWAY_KEY: this.backend.gatewayKey,
      KURATCHI_SPACES_WORKER_URL: this.backend.url,
    };
  }

  /** The answer of a server's route for one person and a room: `{ spaceId, spaceToken, workerUrl }`. */
  async admit(spaceId, options = { userId: 'ada', name: 'Ada' }) {
    const { gatewayKey, url: workerUrl } = this.backend;
    const spaceToken = await this.#package.generateToken(spaceId, { gatewayKey, ...options });
    return { spaceId, spaceToken, workerUrl };
  }

  /** A client of this process. */
  open(config) {
    return this.#package.client({ ...config, webSocket: WebSocket });
  }

  /** A room that nobody else uses. */
  newRoom(stage) {
    return `${stage}-${randomUUID()}`;
  }

  /** What an owner does who has restored a room from a backup. */
  async beginAnew(spaceId) {
    const { gatewayKey, url } = this.backend;
    const headers = { Authorization: `Bearer ${gatewayKey}`, 'x-space-id': spaceId };
    const response = await fetch(`${url}/admin/epoch`, { method: 'POST', headers });
    if (!response.ok) throw new Error(`/admin/epoch: ${response.status} ${await response.text()}`);
  }

  /** Somebody else in the room, who has come in: `say(text)`, `heard(text)`, `heardAll`. */
  async guest(spaceId, userId = 'grace', name = 'Grace') {
    const config = await this.admit(spaceId, { userId, name, role: 'agent', caps: ['moderate'] });
    const heardAll = [];
    const space = this.#package.client({ ...config, webSocket: WebSocket });
    space.on('message', (message) => heardAll.push(message));
    await space.connect();
    for (const message of await space.getMessages()) heardAll.push(message);
    const person = {
      space,
      heardAll,
      say: (text) => space.sendMessage({ text }, { until: 'stored' }),
      heard: (text) =>
        until(() => heardAll.find((message) => message.text === text), `somebody heard "${text}"`),
      sees: (id) =>
        until(() => space.getSnapshot().presence.some((user) => user.userId === id), `somebody saw ${id}`),
      leave: () => space.close(),
    };
    this.#people.push(person);
    return person;
  }

  /** Writes files into a new folder of the project, from where imports find the package. Gives its path. */
  place(name, files = {}) {
    const folder = join(this.folder, 'stages', name);
    mkdirSync(folder, { recursive: true });
    write(folder, files);
    return folder;
  }

  /**
   * A copy of a project of the packaging tests, with its packages and ours.
   *
   * @param {object} project
   * @param {string} project.path From `tests/packaging`.
   * @param {string[]} project.without What of it is left out.
   * @param {string[]} [project.borrowed] Packages of the clone that it needs besides.
   * @param {Record<string, string>} [files] More files, contents by path.
   */
  async projectOf({ path, without, borrowed = [] }, files = {}) {
    const { folder } = await this.installed.copyOf(path);
    // As `npm install` would have it: SvelteKit looks there for packages that use its Svelte.
    const manifest = join(folder, 'package.json');
    const { dependencies, ...rest } = JSON.parse(readFileSync(manifest, 'utf8'));
    const ours = { 'kuratchi-spaces': `file:${this.installed.tarball}` };
    writeFileSync(manifest, JSON.stringify({ ...rest, dependencies: { ...dependencies, ...ours } }));
    for (const part of without) rmSync(join(folder, part), { recursive: true });
    for (const name of borrowed) borrow(folder, name);
    write(folder, files);
    return folder;
  }

  /**
   * A folder from where no package is found, as readers have one in which their projects lie: with what `npm run build` made in
   * a clone.
   */
  apart(name) {
    const folder = join(dirname(this.folder), 'apart', name);
    const clone = join(folder, 'kuratchi-spaces');
    mkdirSync(clone, { recursive: true });
    copyFileSync(this.installed.tarball, join(clone, basename(TARBALL)));
    return folder;
  }
}

/** Writes files, contents by path. */
export function write(folder, files) {
  for (const [path, text] of Object.entries(files)) {
    const file = join(folder, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
}

/** Puts a package of the clone beside the installed one. */
function borrow(folder, name) {
  const link = join(folder, 'node_modules', name);
  mkdirSync(dirname(link), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules', name), link, 'junction');
}
