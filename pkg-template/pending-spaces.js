/**
 * Which rooms have something to send.
 *
 * Owns nothing: the outbox's database does.
 */

import { placeOf, readWorkerUrl } from './options.js';
import { waitingSpaces } from './outbox-database.js';

export async function pendingSpaces(workerUrl) {
  const place = placeOf({ workerUrl: readWorkerUrl(workerUrl), spaceId: '' });
  return waitingSpaces({ workerUrl: place.workerUrl });
}
