/** `npm run size`: what the files of `pkg/` weigh, raw, with gzip -9 and with brotli -11. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { CLIENT_STEM, PKG } from './lib/paths.mjs';
import { runMain, UserError } from './lib/process.mjs';
import { table } from './lib/table.mjs';

runMain(async () => {
  if (!existsSync(join(PKG, 'package.json'))) {
    throw new UserError('pkg/ is missing: this measures the npm package; run "npm run build" first.');
  }
  const rows = shippedFiles()
    .map((file) => ({ part: partOf(file), file, ...weigh(readFileSync(join(PKG, file))) }))
    .sort((a, b) => a.part.localeCompare(b.part) || a.file.localeCompare(b.file));
  const parts = ['wasm', 'glue', 'wrapper'];
  const totals = parts.map((part) =>
    sum(
      `total ${part}`,
      rows.filter((row) => row.part === part),
    ),
  );
  const lines = [...rows, ...totals, sum('total', rows)].map((row) => [
    row.file,
    row.part,
    ...[row.raw, row.gzip, row.brotli].map((bytes) => bytes.toLocaleString('en')),
  ]);
  console.log(table([['file', 'part', 'raw', 'gzip -9', 'brotli -11'], ...lines], { left: 2 }));
});

/** What a browser may load: types and documents are not among it. */
function shippedFiles() {
  return readdirSync(PKG, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(js|mjs|wasm)$/.test(entry.name))
    .map((entry) => relative(PKG, join(entry.parentPath ?? entry.path, entry.name)))
    .filter((file) => !file.startsWith('node_modules'));
}

function partOf(file) {
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

function sum(file, rows) {
  const add = (key) => rows.reduce((total, row) => total + row[key], 0);
  return { file, part: '', raw: add('raw'), gzip: add('gzip'), brotli: add('brotli') };
}
