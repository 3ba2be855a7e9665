/**
 * Files of a folder, for a browser.
 *
 * Owns the mapping from a URL's path to a file inside the folder and nowhere else, and the media types.
 */
import { readFile, realpath } from 'node:fs/promises';
import { extname, join, sep } from 'node:path';

const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.svg': 'image/svg+xml',
  // Without this type a browser refuses to compile while it downloads.
  '.wasm': 'application/wasm',
};

/**
 * Reads a file.
 *
 * @param {string} folder
 * @param {string} urlPath Relative to the folder, as it stands in the URL (percent-encoded).
 * @returns {Promise<{ type: string, body: Buffer } | undefined>} Undefined for whatever is no such file: one
 *   that is missing, of another type, hidden, or outside the folder.
 */
export async function readStaticFile(folder, urlPath) {
  let path;
  try {
    path = decodeURIComponent(urlPath);
  } catch {
    return undefined;
  }
  const type = TYPES[extname(path)];
  const isPlain = path.split('/').every((part) => part !== '' && !part.startsWith('.'));
  if (!type || !isPlain || /[\\\0]/u.test(path)) return undefined;
  try {
    const root = await realpath(folder);
    // The real path, so that a link inside the folder leads nowhere else.
    const file = await realpath(join(root, path));
    return file.startsWith(root + sep) ? { type, body: await readFile(file) } : undefined;
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'EISDIR', 'ENAMETOOLONG'].includes(error.code)) return undefined;
    throw error;
  }
}
