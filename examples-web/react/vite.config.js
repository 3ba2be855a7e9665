import { fileURLToPath } from 'node:url';
import react from '@vitejs/plugin-react';
import { defineConfig, loadEnv } from 'vite';
import { jsonApi } from '../shared/json-api.mjs';
import { teamRoutes } from './server/routes.mjs';

export default defineConfig(({ mode }) => {
  // Of the environment, and of a file `.env`. None of it goes to the page.
  const env = loadEnv(mode, fileURLToPath(new URL('.', import.meta.url)), 'KURATCHI_');
  const routes = teamRoutes({
    gatewayKey: env.KURATCHI_GATEWAY_KEY,
    workerUrl: env.KURATCHI_SPACES_WORKER_URL,
  });
  return { plugins: [react(), jsonApi(routes)] };
});
