/**
 * Checks links: those of the built site with their anchors, and those between the repository's own documents.
 *
 * Owns what is checked. External addresses are not fetched: whether somebody else's page is up today says nothing
 * about this one. Ends with exit code 1 and a line for each broken link.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { LinkChecker } from 'linkinator';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const SITE = join(ROOT, '.build', 'docs');
const DOCUMENTS = [
  'README.md',
  'ARCHITECTURE.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  'pkg-template/README.md',
];

const LOCAL = /^https?:\/\/(?:localhost|127\.0\.0\.1)[:/]/;

const external = new Set();
const common = {
  checkFragments: true,
  // More at once than the two cores of a small machine serve in time.
  concurrency: 20,
  timeout: 30_000,
  linksToSkip: async (link) => {
    if (LOCAL.test(link)) return false;
    external.add(link);
    return true;
  },
};

const broken = [
  ...(await check('the site', { path: '.', serverRoot: SITE, recurse: true, checkFragments: false })),
  ...anchorsOfSite(),
  ...(await check('the documents', {
    path: DOCUMENTS,
    serverRoot: ROOT,
    markdown: true,
    directoryListing: true,
  })),
];
console.log(`${external.size} external links were not fetched`);
for (const line of broken) console.log(line);
process.exitCode = broken.length === 0 ? 0 : 1;

/** Returns a line for each broken link. */
async function check(what, options) {
  const { links } = await new LinkChecker().check({ ...common, ...options });
  const checked = links.filter(({ state }) => state !== 'SKIPPED');
  // A checker that found nothing to check has proven nothing.
  if (checked.length < DOCUMENTS.length) return [`${what}: only ${checked.length} links were found`];
  console.log(`${what}: ${checked.length} links`);
  const folder = options.serverRoot;
  const lines = checked
    .filter(({ state }) => state === 'BROKEN')
    .map(
      ({ url, parent }) =>
        `${sources(folder, pathOf(url), pathOf(parent))} links to ${pathOf(url)}, which is not there`,
    );
  return [...new Set(lines)];
}

/** The checker knows for a page who links to it, and for an anchor only who linked to its page first. */
function sources(folder, target, parent) {
  const [, anchor] = target.split('#');
  if (!anchor) return parent;
  const found = DOCUMENTS.filter((file) => readFileSync(join(folder, file), 'utf8').includes(`#${anchor}`));
  return found.join(' and ') || parent;
}

/**
 * Returns a line for each anchor of the site that is not there. The checker looks for those that it knew of when it fetched
 * the page, and which these are depends on who answers first.
 */
function anchorsOfSite() {
  const pages = filesBelow(SITE).filter((file) => file.endsWith('.html'));
  const texts = new Map(pages.map((page) => [page, readFileSync(join(SITE, page), 'utf8')]));
  const valuesOf = (page, attribute) =>
    [...texts.get(page).matchAll(attribute)].map(([, value]) => value.replaceAll('&amp;', '&'));
  const ids = new Map(pages.map((page) => [page, new Set(valuesOf(page, /\s(?:id|name)="([^"]+)"/g))]));
  const lines = [];
  let count = 0;
  for (const page of pages) {
    for (const href of new Set(valuesOf(page, /<a\s[^>]*?href="([^"]*#[^"]+)"/g))) {
      const { origin, pathname, hash } = new URL(href, `http://site/${page}`);
      const target = decodeURIComponent(pathname)
        .slice(1)
        .replace(/(^|\/)$/, '$1index.html');
      const known = ids.get(target) ?? ids.get(`${target}.html`);
      if (origin !== 'http://site' || !known) continue;
      count += 1;
      const anchor = decodeURIComponent(hash.slice(1));
      if (!known.has(anchor)) lines.push(`${page} links to ${target}#${anchor}, which is not there`);
    }
  }
  console.log(`the site: ${count} anchors`);
  return count === 0 ? ['the site: no anchors were found'] : lines;
}

function filesBelow(folder) {
  return readdirSync(folder, { recursive: true }).map((file) => file.split(sep).join('/'));
}

function pathOf(url) {
  return url === undefined ? 'the start' : url.replace(/^https?:\/\/(?:localhost|127\.0\.0\.1):\d+\//, '');
}
