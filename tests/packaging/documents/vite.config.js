import { svelte } from '@sveltejs/vite-plugin-svelte';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

const proxy = { '/api': process.env.API_URL };

export default defineConfig({
  plugins: [react(), svelte()],
  // The React component is written for Next, which puts such variables into the page.
  define: { 'process.env.NEXT_PUBLIC_SPACES_KEY': JSON.stringify(process.env.NEXT_PUBLIC_SPACES_KEY) },
  build: { rolldownOptions: { input: ['names.html', 'react.html', 'strict.html', 'svelte.html'] } },
  server: { proxy },
  preview: { proxy },
});
