/**
 * The entries of the package that have the Wasm inside.
 *
 * Owns how it gets in there: as base64 in a module of its own (`client-wasm.js`, for `./inline`), and with all
 * JavaScript in one minified file (`standalone.js`, for `<script type="module">` without a build). Knows nothing about
 * how the Wasm is made.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bin } from './modules.mjs';
import { CLIENT_STEM, ROOT } from './paths.mjs';
import { run } from './process.mjs';

/** For whoever decides whether an output is still good: this file is one of its inputs. */
export const EMBEDDED_SOURCE = fileURLToPath(import.meta.url);

/** Adds both to a package that has all its other files. */
export async function embedWasm(folder) {
  const wasm = readFileSync(join(folder, `${CLIENT_STEM}_bg.wasm`)).toString('base64');
  const text = `/** The Wasm half of the client, as base64. */\nexport const CLIENT_WASM =\n  '${wasm}';\n`;
  writeFileSync(join(folder, 'client-wasm.js'), text);
  await run(
    bin('esbuild'),
    [
      join(folder, 'inline.js'),
      ...['--bundle', '--minify', '--format=esm', '--target=es2022', '--charset=utf8', '--log-level=warning'],
      `--outfile=${join(folder, 'standalone.js')}`,
    ],
    { cwd: ROOT },
  );
}
