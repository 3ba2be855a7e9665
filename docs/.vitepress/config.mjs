/** The site: its pages, its navigation and how it is built. `npm run docs` makes the reference first. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitepress';

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));

/** Made by TypeDoc. Without it the site is whole but for the reference. */
function reference() {
  const file = path('../reference/typedoc-sidebar.json');
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).map((entry) => linked(entry)) : [];
}

/**
 * Each entry that opens a list leads to its place on the page above, too: the theme makes one without a link a
 * button within a button, which a screen reader can not tell apart.
 */
function linked({ items, ...entry }, page) {
  const link = entry.link ?? `${page}#${entry.text.toLowerCase().replaceAll(' ', '-')}`;
  return { ...entry, link, ...(items && { items: items.map((item) => linked(item, link)) }) };
}

export default defineConfig({
  title: 'Kuratchi Spaces',
  description: 'Chat rooms for web apps, on infrastructure of your own.',
  lang: 'en-GB',
  // Where the site is not at the root of its host: DOCS_BASE=/kuratchi-spaces/
  base: process.env.DOCS_BASE ?? '/',
  outDir: '../.build/docs',
  srcExclude: ['README.md'],
  lastUpdated: false,
  head: [
    ['link', { rel: 'icon', type: 'image/svg+xml', href: `${process.env.DOCS_BASE ?? '/'}mark.svg` }],
    ['meta', { name: 'theme-color', content: '#2a56d4' }],
  ],
  markdown: {
    // The plain ones have words of less contrast than 4.5 to 1.
    theme: { light: 'github-light-high-contrast', dark: 'github-dark-high-contrast' },
  },
  vite: {
    // The root's node_modules hold another Vite; nothing of it belongs to the site.
    cacheDir: path('./cache/vite'),
  },
  themeConfig: {
    logo: { src: '/mark.svg', alt: '' },
    search: { provider: 'local' },
    outline: { level: [2, 3] },
    nav: [
      { text: 'Guide', link: '/guide/quick-start', activeMatch: '^/guide/' },
      { text: 'Reference', link: '/reference/', activeMatch: '^/reference/' },
    ],
    sidebar: {
      '/guide/': [
        {
          text: 'Start',
          items: [
            { text: 'Quick start', link: '/guide/quick-start' },
            { text: 'Tokens and identity', link: '/guide/tokens' },
            { text: 'Moving from kuratchi-sdk', link: '/guide/moving' },
          ],
        },
        {
          text: 'In your app',
          items: [
            { text: 'React', link: '/guide/react' },
            { text: 'Svelte', link: '/guide/svelte' },
            { text: 'Plain HTML', link: '/guide/html' },
            { text: 'Servers and Node', link: '/guide/server' },
            { text: 'Offline and resume', link: '/guide/offline' },
          ],
        },
        {
          text: 'In production',
          items: [
            { text: 'Deploying', link: '/guide/deploying' },
            { text: 'Limits and costs', link: '/guide/limits' },
            { text: 'Troubleshooting', link: '/guide/troubleshooting' },
            { text: 'How it works', link: '/guide/how-it-works' },
            { text: 'Architecture in full', link: '/guide/architecture' },
          ],
        },
      ],
      '/reference/': [{ text: 'API reference', link: '/reference/', items: reference() }],
    },
    footer: { message: 'MIT licensed.' },
    docFooter: { prev: 'Before', next: 'Next' },
  },
});
