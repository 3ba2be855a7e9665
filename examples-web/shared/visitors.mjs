/**
 * The cookie that makes a reload the same person.
 *
 * Owns its name and its form. What it holds is a secret: whoever has it is this person.
 */
import { randomBytes } from 'node:crypto';

const COOKIE = 'visitor';
const COOKIE_SECONDS = 365 * 24 * 3600;
const VISITOR_PATTERN = /^[0-9a-f]{32}$/;

/**
 * Who asks, by the cookies of the request; somebody new without.
 *
 * @param {string | undefined} cookies The request's cookie header.
 * @returns {{ visitor: string, isNew: boolean, cookie: string }} The secret, and the cookie to set.
 */
export function visitorOf(cookies) {
  const known = cookieValue(cookies, COOKIE);
  const isNew = !VISITOR_PATTERN.test(known ?? '');
  const visitor = isNew ? randomBytes(16).toString('hex') : known;
  return {
    visitor,
    isNew,
    cookie: `${COOKIE}=${visitor}; Path=/; Max-Age=${COOKIE_SECONDS}; HttpOnly; SameSite=Lax`,
  };
}

/** The value of one cookie in a cookie header. */
export function cookieValue(cookies = '', wanted) {
  for (const pair of cookies.split(';')) {
    const [name, value] = pair.trim().split('=');
    if (name === wanted) return value;
  }
  return undefined;
}
