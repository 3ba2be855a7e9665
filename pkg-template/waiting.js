/**
 * Promises that wait for a connection, and how the waiting ends.
 *
 * Owns time limits, abort signals, and that `disconnect()` in a cleanup is nothing to report. Must not know how
 * connecting works.
 */

/** The method that closes a client once all that it was given is safe: of whichever copy of the package. */
export const CLOSE_WHEN_SAFE = Symbol.for('kuratchi-spaces.closeWhenSafe');

import { ChatError } from './errors.js';

/**
 * How long an error that `disconnect()` caused may take, in milliseconds, to come out of the app's own async
 * functions as an unhandled rejection.
 */
const HUSH_MS = 250;

/** The error of whatever waited when the client was disconnected or closed. */
export function closedError(cause) {
  return new ChatError(`${cause} was called`, { code: 'closed' });
}

/** A promise with its two functions. Rejecting it with `closed` is never an unhandled rejection. */
export function createDeferred() {
  const deferred = { isPending: true };
  deferred.promise = new Promise((resolve, reject) => {
    deferred.resolve = (value) => {
      deferred.isPending = false;
      resolve(value);
    };
    deferred.reject = (error) => {
      if (deferred.isPending && error?.code === 'closed') {
        deferred.promise.catch(() => {});
        hush(error);
      }
      deferred.isPending = false;
      reject(error);
    };
  });
  return deferred;
}

/** A promise that is rejected, as {@link createDeferred} does it. */
export function createRejected(error) {
  const { promise, reject } = createDeferred();
  reject(error);
  return promise;
}

/**
 * Keeps a page from reporting exactly this error. An `async` function that awaits `connect()` rejects with it
 * when its cleanup disconnects, and its caller (a framework's mount hook) never looks.
 */
function hush(error) {
  const page = globalThis.window;
  if (!page?.addEventListener) {
    return;
  }
  const preventReport = (event) => {
    if (event.reason === error) {
      event.preventDefault();
    }
  };
  page.addEventListener('unhandledrejection', preventReport);
  setTimeout(() => page.removeEventListener('unhandledrejection', preventReport), HUSH_MS);
}

/** The error of a signal that was aborted. */
export function abortedError(signal) {
  const text = 'waiting for the connection was aborted: the client goes on trying';
  return new ChatError(text, { code: 'aborted', retryable: true, cause: signal.reason });
}

/** Waits for `promise` no longer than the limits say. What is waited for goes on. */
export function withLimits(promise, { timeoutMs, signal }) {
  const { promise: limited, resolve, reject } = createDeferred();
  const onAbort = () => finish(reject, abortedError(signal));
  const onTimeout = () => {
    const text = `not connected within ${timeoutMs} ms: the client goes on trying`;
    finish(reject, new ChatError(text, { code: 'timeout', retryable: true }));
  };
  const timer = timeoutMs == null ? undefined : setTimeout(onTimeout, timeoutMs);
  signal?.addEventListener('abort', onAbort);

  function finish(settle, value) {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
    settle(value);
  }

  promise.then(
    (value) => finish(resolve, value),
    (error) => finish(reject, error),
  );
  return limited;
}
