/**
 * What the shop's server does for its support chat: it gives each visitor a conversation of their own, and lets agents
 * into all of them. Messages go from the pages straight to the Worker.
 */
import { createHmac } from 'node:crypto';
import { generateToken, validateSpaceToken } from 'kuratchi-spaces';
import { Refusal } from '../../shared/json-api.mjs';
import { visitorOf } from '../../shared/visitors.mjs';
import { Agents } from './agents.mjs';
import { DESK, Desk } from './desk.mjs';

const CONVERSATION_PATTERN = /^support-[0-9a-f]{16}$/;

/**
 * @param {object} options
 * @param {string} options.gatewayKey Signs the tokens. It stays here.
 * @param {string} options.workerUrl Where the Worker is, as browsers reach it.
 * @param {string} [options.agentPassword] Lets agents in; without it there are none.
 */
export function supportRoutes({ gatewayKey, workerUrl, agentPassword }) {
  const agents = new Agents({ gatewayKey, password: agentPassword });
  const desk = new Desk({ gatewayKey, workerUrl });

  /** The cookie is a secret, and the ids are not: nobody finds one from the other. */
  function conversationOf(visitor) {
    const id = createHmac('sha256', gatewayKey).update(`support\n${visitor}`).digest('hex').slice(0, 16);
    return { spaceId: `support-${id}`, userId: `visitor-${id}` };
  }

  function isTokenOf(spaceId, token) {
    return typeof token === 'string' && validateSpaceToken(token, spaceId, gatewayKey);
  }

  return {
    /** `{}` → the visitor's session: `{ spaceId, spaceToken, workerUrl, userId }` */
    '/api/visit': async ({ cookies, address }) => {
      const { visitor, cookie } = visitorOf(cookies);
      const { spaceId, userId } = conversationOf(visitor);
      await desk.visit(spaceId, address);
      const spaceToken = await generateToken(spaceId, { gatewayKey, userId });
      return { body: { spaceId, spaceToken, workerUrl, userId }, cookie };
    },

    /**
     * `{ spaceId, spaceToken }` → `{}`. A visitor's page says that something was written in their conversation: which that is the
     * cookie says, and where the browser keeps none the token.
     */
    '/api/written': async ({ body: { spaceId, spaceToken }, cookies, address }) => {
      const { visitor, isNew } = visitorOf(cookies);
      const own = isNew ? spaceId : conversationOf(visitor).spaceId;
      if (isNew && !(isConversation(spaceId) && (await isTokenOf(spaceId, spaceToken)))) {
        throw new Refusal(404, 'There is no such conversation.');
      }
      await desk.hear(own, address);
      return { body: {} };
    },

    /** `{ name, password }` → `{ userId, name }`, and a cookie that says so. */
    '/api/agent/sign-in': async ({ body: { name, password }, address }) =>
      agents.signIn(name, password, address),

    /** `{}` → `{ agent: { userId, name } }` of the one who is signed in, or `{}`. */
    '/api/agent/who': async ({ cookies }) => ({ body: { agent: agents.find(cookies) } }),

    /** `{ spaceId }`, or `{}` for the desk → `{ spaceId, spaceToken, workerUrl, userId, name }` */
    '/api/agent/session': async ({ body: { spaceId = DESK }, cookies }) => {
      const { userId, name } = agents.who(cookies);
      if (spaceId !== DESK && !isConversation(spaceId)) {
        throw new Refusal(404, 'There is no such conversation.');
      }
      const spaceToken = await generateToken(spaceId, { gatewayKey, userId, name, role: 'agent' });
      return { body: { spaceId, spaceToken, workerUrl, userId, name } };
    },
  };
}

function isConversation(spaceId) {
  return typeof spaceId === 'string' && CONVERSATION_PATTERN.test(spaceId);
}
