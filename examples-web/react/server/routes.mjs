/**
 * What the team room's server does for its chat: it says who somebody is, and lets them into a room.
 *
 * Here everybody who names themselves is believed; an app with accounts asks its own session instead. Messages go from
 * the page straight to the Worker.
 */
import { generateToken } from 'kuratchi-spaces';
import { Refusal } from '../../shared/json-api.mjs';
import { FieldProblem, Sessions } from '../../shared/sessions.mjs';
import { ROOMS } from '../src/rooms.js';

const TEAM_PATTERN = /^[\p{L}\p{N}][\p{L}\p{N} ._-]{0,39}$/u;

/**
 * @param {object} options
 * @param {string} options.gatewayKey Signs the tokens. It stays here.
 * @param {string} options.workerUrl Where the Worker is, as browsers reach it.
 */
export function teamRoutes({ gatewayKey, workerUrl }) {
  const sessions = new Sessions({ generateToken, gatewayKey, workerUrl });
  return {
    /** `{ name, team, room }` → `{ userId, name, team, spaceId, spaceToken, workerUrl }` */
    '/api/session': async ({ body: { name, team, room }, cookies }) => {
      const teamName = checkTeam(team);
      if (!ROOMS.some(({ id }) => id === room)) throw new Refusal(404, 'There is no such room.');
      if (typeof name !== 'string') throw new Refusal(400, 'Please enter a name.', 'name');
      try {
        const { session, cookie } = await sessions.open({ name, space: `${teamName}/${room}`, cookies });
        return { body: { ...session, team: teamName }, cookie };
      } catch (error) {
        if (error instanceof FieldProblem) throw new Refusal(400, error.message, error.field);
        throw error;
      }
    },
  };
}

function checkTeam(team) {
  const name = typeof team === 'string' ? team.normalize('NFC').trim() : '';
  if (TEAM_PATTERN.test(name)) return name;
  throw new Refusal(400, 'Please enter a team: up to 40 letters, digits, spaces, dots and dashes.', 'team');
}
