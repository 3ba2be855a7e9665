/**
 * The documents' TypeScript and JavaScript as the compiler sees it.
 *
 * Owns the compiler's options: as strict as ours for TypeScript; for JavaScript the same, but that parameters need no
 * types. Must not know what a document shows.
 */
import { join } from 'node:path';
import { bin } from '../../../scripts/lib/modules.mjs';
import { run } from '../../../scripts/lib/process.mjs';
import { filesOf, moduleOf } from './kinds.mjs';
import { write } from './theatre.mjs';

const TYPED = new Set(['ts', 'tsx']);
const SCRIPT = new Set(['ts', 'tsx', 'js', 'jsx']);
const COMPILER_MS_MAX = 120_000;

/** What modules of no type of their own stand for. */
const AMBIENT = `
  declare module '*.css';
  declare function setOffline(isOffline: boolean): Promise<void>;
  declare module '*.svelte' { const component: import('svelte').Component; export default component; }
`;

/**
 * Compiles everything at once, without output.
 *
 * @param {import('./theatre.mjs').Theatre} theatre
 * @param {[string, import('./kinds.mjs').Stage, import('./extract.mjs').Block[]][]} plays
 * @returns {Promise<{ files: number, code: number, output: string }>}
 */
export async function compile(theatre, plays) {
  const folder = join(theatre.folder, 'types');
  const strict = [];
  const loose = [];
  for (const [name, stage, blocks] of plays) {
    // Only where its packages are: see `compileProject`.
    if (stage.project) continue;
    const scripts = blocks.filter(({ language }) => SCRIPT.has(language));
    if (scripts.length === 0) continue;
    const files = Object.fromEntries(
      Object.entries(filesOf(stage, blocks)).filter(([path]) => /\.[jt]sx?$/.test(path)),
    );
    if (scripts.some(({ file }) => file === undefined)) {
      const isTyped = scripts.some(({ language, file }) => file === undefined && TYPED.has(language));
      files[isTyped ? 'main.ts' : 'main.js'] = `${moduleOf(stage, scripts)}\nexport {};\n`;
    }
    write(join(folder, name), files);
    for (const path of Object.keys(files)) {
      (/\.tsx?$/.test(path) ? strict : loose).push(`${name}/${path}`);
    }
  }
  write(folder, {
    'ambient.d.ts': AMBIENT,
    'strict.json': options(strict, {}),
    'loose.json': options(loose, { noImplicitAny: false }),
  });
  const results = [];
  for (const project of ['strict.json', 'loose.json']) {
    const how = { cwd: folder, show: 'silent', allowFailure: true, timeoutMs: COMPILER_MS_MAX };
    results.push(await run(bin('tsc'), ['--project', project, '--pretty', 'false'], how));
  }
  return {
    files: strict.length + loose.length,
    code: Math.max(...results.map(({ code }) => code)),
    output: results.map(({ output }) => output).join('\n'),
  };
}

/**
 * Compiles the TypeScript of a stage that has a project of its own.
 *
 * @param {string} folder The project's.
 * @param {string[]} files Which, with all that they import.
 * @returns {Promise<{ code: number, output: string }>}
 */
export async function compileProject(folder, files) {
  write(folder, { 'tsconfig.json': options(files, { types: ['react', 'react-dom'] }, []) });
  const how = { cwd: folder, show: 'silent', allowFailure: true, timeoutMs: COMPILER_MS_MAX };
  return run(bin('tsc'), ['--project', folder, '--noEmit', '--pretty', 'false'], how);
}

function options(files, more, ambient = ['ambient.d.ts']) {
  return JSON.stringify({
    compilerOptions: {
      target: 'es2022',
      lib: ['es2022', 'dom', 'dom.iterable', 'esnext.disposable'],
      module: 'esnext',
      moduleResolution: 'bundler',
      jsx: 'react-jsx',
      strict: true,
      exactOptionalPropertyTypes: true,
      allowJs: true,
      checkJs: true,
      noEmit: true,
      skipLibCheck: true,
      types: ['node', 'react', 'react-dom'],
      ...more,
    },
    files: [...ambient, ...files],
  });
}
