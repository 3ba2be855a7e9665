/** Attachments that the Worker would not store, as a page may have them of another server, or of times before. */

/**
 * Puts attachments into every message of the history that a page loads from now on.
 *
 * @param {import('playwright-core').Page} tab
 * @param {unknown[]} attachments
 */
export async function attachToHistory(tab, attachments) {
  await tab.route('**/messages?**', async (route) => {
    const response = await route.fetch();
    const page = await response.json();
    const messages = page.messages.map((message) => ({ ...message, attachments }));
    await route.fulfill({ response, json: { ...page, messages } });
  });
}

/** One whose address no browser can read. */
export const UNREADABLE = {
  ...{ id: 'f1', url: 'http://[', filename: 'plan.pdf' },
  ...{ contentType: 'application/pdf', size: 1_000 },
};
