/**
 * The text of an HTTP answer, up to a bound.
 *
 * Owns the bound, and the end of an answer that nobody waits for. Must not know what is in it.
 */

/** Several times the longest page of either kind of worker, in bytes. */
const BYTES_MAX = 32 * 1024 * 1024;

/**
 * Reads a text to its end.
 *
 * @param {Response} response
 * @param {AbortSignal | undefined} signal Looked at for each part as well: Node can lose the way from it to a body.
 * @returns {Promise<string>}
 */
export async function readText(response, signal) {
  // A `Response` of somebody's own may have no stream.
  if (!response.body?.getReader) return response.text();
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let text = '';
  for (let left = BYTES_MAX; ; ) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    left -= value.byteLength;
    if (left < 0 || signal?.aborted) {
      reader.cancel().catch(() => {});
      throw new Error('the answer is longer than any that a worker gives');
    }
    text += decoder.decode(value, { stream: true });
  }
}
