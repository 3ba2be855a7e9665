/**
 * Asks the app's own server, from a page.
 *
 * Owns the form of question and answer, and what is said when none comes.
 */

/** Why the server gave nothing; `field` names the input to mend, if it is one. */
export class Problem extends Error {
  /**
   * @param {string} message For people.
   * @param {{ field?: string, status?: number }} [details]
   */
  constructor(message, { field, status } = {}) {
    super(message);
    this.field = field;
    this.status = status;
  }
}

/**
 * @param {string} path
 * @param {object} body
 * @param {object} [options]
 * @param {boolean} [options.outlivesPage] Whether it is asked though the page is closed meanwhile.
 * @returns {Promise<object>} The answer.
 * @throws {Problem}
 */
export async function ask(path, body, { outlivesPage = false } = {}) {
  let response;
  let answer;
  try {
    response = await fetch(path, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
      keepalive: outlivesPage,
    });
    answer = await response.json();
  } catch {
    throw new Problem('The server can not be reached.');
  }
  if (!response.ok) throw new Problem(answer.error, { field: answer.field, status: response.status });
  return answer;
}
