/**
 * Which rooms have something to send.
 *
 * Owns nothing: the outbox's database does.
 */

import { ChatError } from './errors.js';
import { placeOf, readWorkerUrl } from './options.js';
import { waitingSpaces } from './outbox-database.js';

export async function pendingSpaces(workerUrl) {
  const place = placeOf({ workerUrl: readWorkerUrl(workerUrl), spaceId: '' });
  try {
    return await waitingSpaces({ workerUrl: place.workerUrl });
  } catch (cause) {
    const text = "the browser's storage failed: what waits there to be sent is not known";
    throw new ChatError(text, { code: 'persistenceLost', retryable: true, cause });
  }
}
