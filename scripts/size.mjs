/**
 * `npm run size`: what the package weighs, raw, with gzip -9 and with brotli -11.
 *
 * Two tables: the files of `pkg/` as they are, and what each entry costs an app, bundled and minified, with the Wasm
 * that it loads beside it.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { CLIENT_STEM, PKG } from './lib/paths.mjs';
import { runMain, UserError } from './lib/process.mjs';
import { table } from './lib/table.mjs';

const WASM_FILE = `${CLIENT_STEM}_bg.wasm`;

/** What apps import in a page, and whether the Wasm is loaded beside it. Adapters are weighed without what they adapt. */
const ENTRIES = [
  { path: '.', takes: 'client', hasWasm: true },
  { path: './inline', takes: 'client' },
  { path: './standalone', takes: 'client' },
  { path: './react', isAdapter: true },
  { path: './svelte', isAdapter: true },
];

runMain(async () => {
  if (!existsSync(join(PKG, 'package.json'))) {
    throw new UserError('pkg/ is missing: this measures the npm package; run "npm run build" first.');
  }
  console.log(filesTable());
  console.log(`\nWhat an entry costs a page, bundled and minified:\n\n${await entriesTable()}`);
});

function filesTable() {
  const rows = shippedFiles()
    .map((file) => ({ part: partOf(file), file, ...weigh(readFileSync(join(PKG, file))) }))
    .sort((a, b) => a.part.localeCompare(b.part) || a.file.localeCompare(b.file));
  const parts = [...new Set(rows.map((row) => row.part))];
  const totals = parts.map((part) =>
    sum(
      `total ${part}`,
      rows.filter((row) => row.part === part),
    ),
  );
  const lines = [...rows, ...totals].map((row) => [row.file, row.part, ...numbers(row)]);
  return table([['file', 'part', 'raw', 'gzip -9', 'brotli -11'], ...lines], { left: 2 });
}

async function entriesTable() {
  const { exports } = JSON.parse(readFileSync(join(PKG, 'package.json'), 'utf8'));
  const wasm = weigh(readFileSync(join(PKG, WASM_FILE)));
  const lines = [];
  for (const entry of ENTRIES) {
    const js = weigh(await bundled(join(PKG, exports[entry.path].default), entry));
    const whole = entry.hasWasm ? sum('', [js, wasm]) : js;
    lines.push([`kuratchi-spaces${entry.path.slice(1)}`, ...numbers(js), ...numbers(whole).slice(2)]);
  }
  return table([['entry', 'JS raw', 'gzip -9', 'brotli -11', 'with Wasm, brotli -11'], ...lines]);
}

async function bundled(file, { takes, isAdapter }) {
  const { build } = await import('esbuild');
  const { outputFiles } = await build({
    stdin: {
      contents: `export ${takes ? `{ ${takes} }` : '*'} from ${JSON.stringify(file)}`,
      resolveDir: PKG,
    },
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    conditions: ['browser'],
    // One adapter is weighed, and neither the framework nor the client.
    external: isAdapter
      ? ['react', 'react/*', 'svelte', 'svelte/*', '../space.js', '../engine.js', '../wasm.*']
      : [],
    write: false,
    logLevel: 'error',
  });
  return outputFiles[0].contents;
}

/** What may be loaded: types and documents are not among it. */
function shippedFiles() {
  return readdirSync(PKG, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(js|mjs|wasm)$/.test(entry.name))
    .map((entry) => relative(PKG, join(entry.parentPath ?? entry.path, entry.name)))
    .filter((file) => !file.startsWith('node_modules'));
}

function partOf(file) {
  if (/^(worker|server|bin)[\\/]/.test(file)) return 'server';
  if (/^(react|svelte)[\\/]/.test(file)) return 'adapter';
  if (/^(client-wasm|standalone)\.js$/.test(file)) return 'embedded';
  if (file.endsWith('.wasm')) return 'wasm';
  return file === `${CLIENT_STEM}.js` || file.startsWith('snippets') ? 'glue' : 'wrapper';
}

function weigh(bytes) {
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
  return {
    raw: bytes.length,
    gzip: gzipSync(bytes, { level: 9 }).length,
    brotli: brotliCompressSync(bytes, { params }).length,
  };
}

function numbers({ raw, gzip, brotli }) {
  return [raw, gzip, brotli].map((bytes) => bytes.toLocaleString('en'));
}

function sum(file, rows) {
  const add = (key) => rows.reduce((total, row) => total + row[key], 0);
  return { file, part: '', raw: add('raw'), gzip: add('gzip'), brotli: add('brotli') };
}
