import { fileURLToPath } from 'node:url';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig, loadEnv } from 'vite';
import { jsonApi } from '../shared/json-api.mjs';
import { supportRoutes } from './server/routes.mjs';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig(({ mode }) => {
  // Of the environment, and of a file `.env`. None of it goes to the page.
  const env = loadEnv(mode, here('.'), ['KURATCHI_', 'AGENT_']);
  const routes = supportRoutes({
    gatewayKey: env.KURATCHI_GATEWAY_KEY,
    workerUrl: env.KURATCHI_SPACES_WORKER_URL,
    agentPassword: env.AGENT_PASSWORD,
  });
  return {
    // Two pages: the shop, and `/agent`.
    appType: 'mpa',
    plugins: [svelte({ configFile: false }), jsonApi(routes)],
    build: { rollupOptions: { input: [here('index.html'), here('agent.html')] } },
  };
});
