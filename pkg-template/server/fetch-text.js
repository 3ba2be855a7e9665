/**
 * A request with a limit of time, up to the last byte of the answer, and one of bytes.
 *
 * Owns the limits. Must not know what is asked.
 */

/** Far more than anything that is asked answers, in bytes. */
const BYTES_MAX = 16 * 1024 * 1024;

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
    return { response, text: await readText(response.body) };
  } finally {
    clearTimeout(timer);
  }
}

async function readText(body) {
  const decoder = new TextDecoder();
  let text = '';
  let left = BYTES_MAX;
  for await (const chunk of body ?? []) {
    left -= chunk.byteLength;
    if (left < 0) throw new TypeError(`the answer is longer than ${BYTES_MAX / 1024 / 1024} MiB`);
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}
