/**
 * Who answers for the shop.
 *
 * Owns the password and the cookie that an agent gets for it. An app with accounts asks its own session instead.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { Refusal } from '../../shared/json-api.mjs';
import { cookieValue } from '../../shared/visitors.mjs';
import { PerAddress } from './per-address.mjs';

const COOKIE = 'agent';
const COOKIE_SECONDS = 12 * 3600;
/** Wrong guesses of one address. Not of all together: anybody could lock the agents out then. */
const GUESSES = { max: 10, ms: 10 * 60_000 };
const NAME_PATTERN = /^[\p{L}\p{N}][\p{L}\p{N} .'-]{0,31}$/u;

export class Agents {
  #gatewayKey;
  #password;
  #guesses = new PerAddress(GUESSES);

  constructor({ gatewayKey, password }) {
    this.#gatewayKey = gatewayKey;
    this.#password = password;
  }

  /**
   * @param {unknown} nameGiven
   * @param {unknown} password
   * @param {string | undefined} address Who asks.
   * @throws {Refusal} For a name or a password that will not do, and for too many of them.
   */
  signIn(nameGiven, password, address) {
    const name = typeof nameGiven === 'string' ? nameGiven.trim() : '';
    if (!NAME_PATTERN.test(name)) throw new Refusal(400, 'Please enter your name.', 'name');
    if (!this.#password) throw new Refusal(403, 'No agent can sign in: AGENT_PASSWORD is not set.');
    if (typeof password !== 'string') throw new Refusal(400, 'Please enter the password.', 'password');
    if (this.#guesses.isOver(address)) {
      throw new Refusal(429, 'Too many wrong passwords. Try again in ten minutes.', 'password');
    }
    if (!this.#isEqual(password, this.#password)) {
      this.#guesses.count(address);
      throw new Refusal(403, 'That is not the password.', 'password');
    }
    const claims = Buffer.from(JSON.stringify({ name, until: Date.now() + COOKIE_SECONDS * 1_000 }));
    const text = claims.toString('base64url');
    return {
      body: this.#agent(name),
      cookie: `${COOKIE}=${text}.${this.#sign(text)}; Path=/; Max-Age=${COOKIE_SECONDS}; HttpOnly; SameSite=Strict`,
    };
  }

  /** The agent whose cookies these are; nothing when they are nobody's, or no longer good. */
  find(cookies) {
    const [text = '', signature = ''] = (cookieValue(cookies, COOKIE) ?? '').split('.');
    // First the signature: nothing is read that we did not write.
    if (!this.#isEqual(signature, this.#sign(text))) return undefined;
    const { name, until } = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
    return until < Date.now() ? undefined : this.#agent(name);
  }

  /** @throws {Refusal} When the cookies are not an agent's. */
  who(cookies) {
    const agent = this.find(cookies);
    if (!agent) throw new Refusal(401, 'Please sign in.');
    return agent;
  }

  /** Ids look as those of people with a name do, so that the pages find the name in them. */
  #agent(name) {
    return { userId: `${name}-${this.#sign(`agent\n${name}`).slice(0, 12)}`, name };
  }

  #sign(text) {
    return createHmac('sha256', this.#gatewayKey).update(`agent\n${text}`).digest('hex');
  }

  /** Takes as long for any two texts. */
  #isEqual(one, other) {
    const digest = (text) => createHmac('sha256', this.#gatewayKey).update(text).digest();
    return timingSafeEqual(digest(one), digest(other));
  }
}
