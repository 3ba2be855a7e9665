/** Every error of the package. */

/**
 * Every `code` of a {@link ChatError}.
 *
 * The server's: what is wrong with a request, a token or the space; `gatewayKeyInvalid` also where a worker of the
 * TypeScript SDK asks for a key that was not given. The client's: `closed` (`disconnect()` or
 * `close()` was called meanwhile), `invalidArgument`, `outboxFull`, `webSocketUnavailable`, `tokenUnavailable`
 * (the token function failed), `network`, `connectionLost`, `protocol` (the answer could not be understood),
 * `outboxExpired` (it has waited in the outbox for more than seven days) and `epochChanged` (the space began anew
 * meanwhile): it does not send itself any more, `retry()` does; `ownerUnknown` (it was written before anybody was
 * signed in, and found after a reload, or when its client was gone): it asks before it is sent, `retry()` sends it as who is now; `alreadySent` (it is on its way and can not be
 * discarded, or another tab of the browser took it over), `persistenceLost` (the browser's storage failed: what waits is kept in memory, or for `pendingSpaces()` not known), `discontinuity`
 * (messages may be missing, and nobody listens for that),
 * `timeout` and `aborted` (of `connect(options)`), `wasmUnavailable` (the WebAssembly part could not be loaded, or nothing of it came for 20 s, of its JavaScript for 120 s),
 * `unsupported` (no WebCrypto; or a worker of the TypeScript SDK, which can not do this), `internal` (an error of the server's or the client's own).
 *
 * @example
 * const isOver = (code: ChatErrorCode) => code === 'tokenExpired' || code === 'tokenInvalid';
 */
export type ChatErrorCode =
  | 'badFrame'
  | 'tooLarge'
  | 'unknownType'
  | 'missingField'
  | 'invalidField'
  | 'spaceIdRequired'
  | 'gatewayKeyInvalid'
  | 'tokenMissing'
  | 'tokenInvalid'
  | 'tokenExpired'
  | 'spaceMismatch'
  | 'notAuthenticated'
  | 'identityRequired'
  | 'originRefused'
  | 'senderMismatch'
  | 'capRequired'
  | 'notFound'
  | 'methodNotAllowed'
  | 'conflictingDuplicate'
  | 'outOfOrder'
  | 'rateLimited'
  | 'tooManyConnections'
  | 'spaceFull'
  | 'slowConsumer'
  | 'storageFull'
  | 'quotaExceeded'
  | 'internal'
  | 'closed'
  | 'invalidArgument'
  | 'outboxFull'
  | 'webSocketUnavailable'
  | 'tokenUnavailable'
  | 'network'
  | 'connectionLost'
  | 'protocol'
  | 'outboxExpired'
  | 'epochChanged'
  | 'ownerUnknown'
  | 'alreadySent'
  | 'persistenceLost'
  | 'discontinuity'
  | 'timeout'
  | 'aborted'
  | 'wasmUnavailable'
  | 'unsupported';

/**
 * Every error of the package.
 *
 * @example
 * try {
 *   await client.connect();
 * } catch (error) {
 *   if (error instanceof ChatError && error.code === 'tokenExpired') location.reload();
 * }
 */
export class ChatError extends Error {
  /**
   * @param message What happened, what was expected, what to do.
   * @param details The other fields.
   * @example
   * throw new ChatError('no such room', { code: 'notFound' });
   */
  constructor(
    message: string,
    details?: {
      code?: ChatErrorCode | undefined;
      retryable?: boolean | undefined;
      field?: string | undefined;
      cause?: unknown;
    },
  );
  /** Always `'ChatError'`. @example error.name === 'ChatError' */
  name: 'ChatError';
  /** What to branch on; the message is for people. @example error.code === 'rateLimited' */
  code: ChatErrorCode;
  /** Whether the same call may succeed later. @example if (error.retryable) offerRetry() */
  retryable: boolean;
  /** The argument or field that is absent or wrong. @example form.elements[error.field ?? ''] */
  field: string | undefined;
  /** The HTTP status, if an answer came. @example error.status === 401 */
  status?: number;
  /** The error underneath. @example console.debug(error.cause) */
  cause?: unknown;
}
