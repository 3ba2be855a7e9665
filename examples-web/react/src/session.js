/** Sessions, as the app's server gives them: who we are, and a token for a room. */
import { ask } from '../../shared/ask.js';
import { ROOMS } from './rooms.js';

/**
 * @param {{ name: string, team: string, room?: string }} visit
 * @returns {Promise<{ userId: string, name: string, team: string, spaceId: string, spaceToken: string, workerUrl: string }>}
 */
export function openSession({ name, team, room = ROOMS[0].id }) {
  return ask('/api/session', { name, team, room });
}
