/**
 * A small app in a folder of its own, with the package installed: under Vite's dev server, or built for production.
 *
 * Owns the folder, which lies in the clone so that React, Svelte and Vite are found, and the server. Under the dev
 * server files may be edited while the app runs, as somebody at work does. Must not know what the app shows.
 */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import react from '@vitejs/plugin-react';
import { build, createServer, preview } from 'vite';
import { generateToken } from '../../../pkg-template/tokens.js';
import { BUILD, PKG_DEV } from '../../../scripts/lib/paths.mjs';

const PAGES = fileURLToPath(new URL('../pages/', import.meta.url));

/** Vite's plugins, and what an app imports from packages: what Vite finds out later reloads the page. */
const FRAMEWORKS = {
  react: {
    plugins: () => [react()],
    dependencies: [
      ...['react', 'react-dom', 'react-dom/client', 'react/jsx-dev-runtime', 'virtua'],
      ...['kuratchi-spaces', 'kuratchi-spaces/react'],
    ],
  },
  svelte: {
    plugins: () => [svelte({ configFile: false })],
    dependencies: ['kuratchi-spaces', 'kuratchi-spaces/svelte', 'virtua/svelte'],
  },
};

/**
 * Starts an app of `tests/e2e/pages`.
 *
 * @param {'react' | 'svelte'} name Of its folder there.
 * @param {{ isBuilt?: boolean }} [options] `isBuilt` for what people's browsers get.
 * @returns {Promise<App>}
 */
export async function startApp(name, { isBuilt = false } = {}) {
  const { plugins, dependencies } = FRAMEWORKS[name];
  mkdirSync(BUILD, { recursive: true });
  const folder = mkdtempSync(join(BUILD, `app-${name}-`));
  try {
    cpSync(join(PAGES, name), folder, { recursive: true });
    cpSync(PKG_DEV, join(folder, 'node_modules', 'kuratchi-spaces'), { recursive: true });
    writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest(name)));
    const config = {
      root: folder,
      configFile: false,
      logLevel: 'error',
      clearScreen: false,
      plugins: [...plugins(), serverRendering()],
      cacheDir: join(folder, 'node_modules', '.vite'),
      optimizeDeps: { include: dependencies, noDiscovery: true },
      server: { host: '127.0.0.1', port: 0 },
      preview: { host: '127.0.0.1', port: 0 },
    };
    const vite = await (isBuilt
      ? startBuilt(config)
      : createServer(config).then((server) => server.listen()));
    return new App(folder, vite);
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

/** Svelte's plugin learns from the dependencies which packages a server must take from Vite, and not from Node. */
function manifest(name) {
  const dependencies = { 'kuratchi-spaces': '*', virtua: '*' };
  return { name, private: true, type: 'module', dependencies };
}

async function startBuilt(config) {
  await build(config);
  return preview(config);
}

/** `/server-rendered` answers the page with what `server.*` renders into it for the query. */
function serverRendering() {
  return {
    name: 'server-rendering',
    configureServer(server) {
      server.middlewares.use('/server-rendered', async (request, response, next) => {
        try {
          const { render } = await server.ssrLoadModule('/server.js');
          const { searchParams } = new URL(request.url, 'http://app');
          const html = readFileSync(join(server.config.root, 'index.html'), 'utf8');
          const page = await server.transformIndexHtml('/', html);
          response.setHeader('Content-Type', 'text/html; charset=utf-8');
          response.end(page.replace('<!--rendered-->', await render(Object.fromEntries(searchParams))));
        } catch (error) {
          next(error);
        }
      });
    },
  };
}

class App {
  #folder;
  #vite;

  constructor(folder, vite) {
    this.#folder = folder;
    this.#vite = vite;
  }

  /** Address of a page of the app. */
  url(query, path = '/') {
    const [origin] = this.#vite.resolvedUrls.local;
    return `${new URL(path, origin)}?${new URLSearchParams(query)}`;
  }

  /** What the page has to know to chat as `userId` with the Worker of a stack. */
  async query(stack, spaceId, userId, more = {}) {
    const { gatewayKey } = stack.backend;
    const spaceToken = await generateToken(spaceId, { gatewayKey, userId });
    return { spaceId, spaceToken, workerUrl: stack.proxy.url, who: userId, ...more };
  }

  /** Saves a file of the app with other contents. */
  edit(file, change) {
    const path = join(this.#folder, file);
    writeFileSync(path, change(readFileSync(path, 'utf8')));
  }

  async close() {
    await this.#vite.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
