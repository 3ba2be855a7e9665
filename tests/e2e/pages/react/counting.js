/** Counts how often a component rendered, where there is a page to tell. */
export function countRender(name) {
  const renders = globalThis.page?.renders;
  if (renders) {
    renders[name] = (renders[name] ?? 0) + 1;
  }
}
