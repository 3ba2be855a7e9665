/**
 * The code that the documents show, with what stands about it in comments that no reader sees.
 *
 * Before a fenced block stands `<!-- snippet: stage -->`: the name of the stage (see `stages/`) on which it is run.
 * Blocks of one stage continue each other. `file=src/App.jsx` makes the block that file of the stage's project;
 * `<!-- snippet: norun reason="…" -->` says why a block is not run. Fences of language `text` show output and need
 * no comment. Anything else without one is a mistake: nothing is left out silently.
 *
 * Owns this notation. Must not know how anything is run.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { fromMarkdown } from 'mdast-util-from-markdown';

const COMMENT = /^<!--\s*snippet:\s*(?<stage>[\w-]+)(?<options>[\s\S]*?)-->$/;
const OPTION = /(?<name>\w+)=(?:"(?<quoted>[^"]*)"|(?<plain>\S+))/g;
const OPTIONS = new Set(['file', 'reason']);

/** Stands for blocks that are shown and not run. */
export const NOT_RUN = 'norun';
/** The language of blocks that are output, addresses or drawings. */
const SHOWN_ONLY = 'text';

/**
 * One fenced block.
 *
 * @typedef {{ place: string, language: string, text: string, stage: string, file?: string, reason?: string }} Block
 */

/**
 * The blocks of a document, in its order.
 *
 * @param {string} name What to call the document.
 * @param {string} markdown
 * @returns {{ blocks: Block[], shown: number, problems: string[] }} `shown` counts blocks of language `text`;
 *   `problems` has a line for each block or comment that is not as it should be.
 */
export function extract(name, markdown) {
  const found = { blocks: [], shown: 0, problems: [] };
  visit(fromMarkdown(markdown), name, found);
  return found;
}

/** The paths, from `root`, of all documents whose code is run. */
export function documents(root) {
  const pages = readdirSync(join(root, 'docs'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.md'))
    .map((entry) =>
      relative(root, join(entry.parentPath ?? entry.path, entry.name))
        .split(sep)
        .join('/'),
    )
    // Made out of the types, or not ours.
    .filter((path) => !/^docs\/(?:reference|node_modules|\.vitepress)\//.test(path));
  return ['README.md', 'pkg-template/README.md', ...pages.sort()];
}

/** The blocks of all documents under `root`. */
export function extractAll(root) {
  const all = { blocks: [], shown: 0, problems: [] };
  for (const path of documents(root)) {
    const { blocks, shown, problems } = extract(path, readFileSync(join(root, path), 'utf8'));
    all.blocks.push(...blocks);
    all.shown += shown;
    all.problems.push(...problems);
  }
  return all;
}

function visit(node, name, found) {
  let comment;
  for (const child of node.children ?? []) {
    const place = `${name}:${child.position.start.line}`;
    if (child.type === 'code') {
      take(child, comment, place, found);
      comment = undefined;
    } else {
      if (comment !== undefined) found.problems.push(`${comment.place}: no block follows the comment`);
      comment = child.type === 'html' ? readComment(child.value, place, found) : undefined;
      visit(child, name, found);
    }
  }
  if (comment !== undefined) found.problems.push(`${comment.place}: no block follows the comment`);
}

function take({ lang, value }, comment, place, found) {
  if (comment === undefined) {
    if (lang === SHOWN_ONLY) found.shown += 1;
    else found.problems.push(`${place}: a block of language ${lang ?? '(none)'} without a snippet comment`);
    return;
  }
  if (!lang) found.problems.push(`${place}: a block without a language`);
  const { stage, options } = comment;
  if (stage === NOT_RUN && !options.reason) {
    found.problems.push(`${place}: norun takes a reason: <!-- snippet: norun reason="…" -->`);
  }
  found.blocks.push({ place, language: lang ?? '', text: value, stage, ...options });
}

function readComment(html, place, found) {
  if (!/^<!--\s*snippet\b/.test(html)) return undefined;
  const match = COMMENT.exec(html.trim());
  if (match === null) {
    found.problems.push(`${place}: a snippet comment that can not be read: ${html}`);
    return undefined;
  }
  const rest = match.groups.options.replaceAll(OPTION, '').trim();
  const options = {};
  for (const { groups } of match.groups.options.matchAll(OPTION)) {
    if (OPTIONS.has(groups.name)) options[groups.name] = groups.quoted ?? groups.plain;
    else found.problems.push(`${place}: a snippet comment knows no ${groups.name}`);
  }
  if (rest !== '') found.problems.push(`${place}: a snippet comment knows no ${rest}`);
  return { stage: match.groups.stage, options, place };
}
