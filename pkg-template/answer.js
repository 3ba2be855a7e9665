/**
 * The text of an HTTP answer, up to a bound.
 *
 * Owns the bound, and the end of an answer that nobody waits for. Must not know what is in it.
 */

/** Several times the longest page of either kind of worker, in bytes; and most bytes of all answers that are being read. */
const BYTES_MAX = 32 * 1024 * 1024;

/** An answer of so many bytes is read however much is held for others: those may be another server's. */
const OWN_BYTES = 2 * 1024 * 1024;

/** Bytes of the answers that are being read. */
let held = 0;

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
  // Chromium's network panel calls a request cancelled whose body a page read in parts to its end. A copy of it may be read so.
  const reader = (globalThis.document ? response.clone() : response).body.getReader();
  const decoder = new TextDecoder();
  let text = '';
  let own = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return text + decoder.decode();
      own += value.byteLength;
      held += value.byteLength;
      if ((held > BYTES_MAX && own > OWN_BYTES) || signal?.aborted) {
        // A body with a copy ends with both.
        for (const part of [reader, response.body]) part.cancel().catch(() => {});
        throw new Error('the answer is longer than any that a worker gives');
      }
      text += decoder.decode(value, { stream: true });
    }
  } finally {
    held -= own;
  }
}
