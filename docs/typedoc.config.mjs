/**
 * The API reference: made by TypeDoc out of the package's `.d.ts` files into `docs/reference/`, as Markdown.
 *
 * Owns which entries there are and the names they go by. Entries that only repeat another one's names are left out.
 */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Converter } from 'typedoc';

const DOCS = dirname(fileURLToPath(import.meta.url));
const PACKAGE = join(DOCS, '..', 'pkg-template');

/** By the name that TypeDoc gives a module, after its file: the name that apps import, and the file. */
const ENTRIES = {
  spaces: ['kuratchi-spaces', 'spaces.d.ts'],
  react: ['kuratchi-spaces/react', 'react/index.d.ts'],
  svelte: ['kuratchi-spaces/svelte', 'svelte/index.d.ts'],
  server: ['kuratchi-spaces/server', 'server/index.d.ts'],
};

function nameModules(app) {
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
    for (const module of project.children ?? []) {
      const [name] = ENTRIES[module.name] ?? [];
      // Under another one the pages would move from release to release.
      if (name === undefined) throw new Error(`the reference has no name for the module ${module.name}`);
      module.name = name;
    }
  });
}

/** @type {import('typedoc').TypeDocOptions & import('typedoc-plugin-markdown').PluginOptions} */
export default {
  plugin: ['typedoc-plugin-markdown', 'typedoc-vitepress-theme', nameModules],
  entryPoints: Object.values(ENTRIES)
    .map(([, file]) => join(PACKAGE, file))
    .filter(existsSync),
  tsconfig: join(DOCS, 'tsconfig.json'),
  name: 'API reference',
  readme: 'none',
  out: join(DOCS, 'reference'),
  docsRoot: DOCS,
  entryFileName: 'index',
  disableSources: true,
  githubPages: false,
  hideGenerator: true,
  hidePageHeader: true,
  hideBreadcrumbs: true,
  excludeExternals: true,
  useCodeBlocks: true,
  parametersFormat: 'table',
  validation: { notExported: true, invalidLink: true },
  treatWarningsAsErrors: true,
  sidebar: { autoConfiguration: true, collapsed: true, pretty: false },
};
