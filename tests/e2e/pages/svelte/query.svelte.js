/** What the page is to show. */
export const query = $state({});
