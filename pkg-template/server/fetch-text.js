/**
 * A request with a time limit, up to the last byte of the answer.
 *
 * Owns the limit. Must not know what is asked.
 */

/**
 * Fetches a text.
 *
 * Not `AbortSignal.timeout`, whose timer does not keep Node alive: where a connection ends in a way that `fetch` does
 * not notice, a program would end in the middle of waiting, without a word.
 *
 * @param {string | URL} url
 * @param {RequestInit} init
 * @param {number} limitMs
 * @returns {Promise<{response: Response, text: string}>}
 * @throws A `TypeError` when there is no answer, with the reason as its `cause`; an error named `TimeoutError`.
 */
export async function fetchText(url, init, limitMs) {
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(new DOMException('no answer in time', 'TimeoutError')), limitMs);
  try {
    const response = await fetch(url, { ...init, signal: limit.signal });
    return { response, text: await response.text() };
  } finally {
    clearTimeout(timer);
  }
}
