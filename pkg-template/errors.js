/**
 * The one error class of the package.
 *
 * Owns what an app can read from a failure. Must not know where failures come from.
 */

/** An error with a `code` to branch on; the message is for people. */
export class ChatError extends Error {
  // A field: where a page froze `Error.prototype`, an assignment throws.
  name = 'ChatError';

  /**
   * @param {string} message What happened, what was expected, what to do.
   * @param {object} [details]
   * @param {string} [details.code] Stable name of the kind of error.
   * @param {boolean} [details.retryable] Whether the same call may succeed later.
   * @param {string} [details.field] The argument that was wrong.
   * @param {unknown} [details.cause] The error underneath.
   */
  constructor(message, { code, retryable = false, field, cause } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.retryable = retryable;
    this.field = field;
  }
}
