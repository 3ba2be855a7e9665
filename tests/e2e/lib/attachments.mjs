/** Attachments that the Worker would not store, as a page may have them of another server, or of times before. */

/**
 * Puts attachments into every message of the history that a page loads from now on.
 *
 * @param {import('playwright-core').Page} tab
 * @param {unknown[]} attachments
 */
export async function attachToHistory(tab, attachments) {
  await tab.route('**/messages?**', async (route) => {
    try {
      const response = await route.fetch();
      const page = await response.json();
      const messages = page.messages.map((message) => ({ ...message, attachments }));
      await route.fulfill({ response, json: { ...page, messages } });
    } catch (error) {
      // The page may be closed while it loads.
      if (!/disposed|closed/.test(error.message)) throw error;
    }
  });
}

/** One whose address no browser can read. */
export const UNREADABLE = {
  ...{ id: 'f1', url: 'http://[', filename: 'plan.pdf' },
  ...{ contentType: 'application/pdf', size: 1_000 },
};
