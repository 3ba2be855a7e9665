/** Blocks of the documents that other blocks build upon: one place shows them, and the others say where. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../../../scripts/lib/paths.mjs';
import { extract } from '../lib/extract.mjs';

/** The file that a document shows. */
export function shown(document, file) {
  const { blocks } = extract(document, readFileSync(join(ROOT, document), 'utf8'));
  const block = blocks.find((each) => each.file === file);
  if (!block) throw new Error(`${document} shows no ${file}`);
  return `${block.text}\n`;
}

/** All that a document shows for a stage, in its order. */
export function blocksOf(document, stage) {
  const { blocks } = extract(document, readFileSync(join(ROOT, document), 'utf8'));
  return blocks.filter((each) => each.stage === stage);
}

/** The page's half of the token route. */
export const CHAT_INIT = shown('docs/guide/tokens.md', 'chat-init.ts');
/** The style that a chat page needs. */
export const STYLE = shown('docs/guide/quick-start.md', 'src/index.css');
