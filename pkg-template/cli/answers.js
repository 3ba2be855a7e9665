/**
 * Questions to a Worker and what can be said of their answers, for the checks of `doctor`.
 *
 * Owns addresses below the Worker's own, the time limit, and the shape of a finding. Must not know what is checked.
 */

import { fetchText } from '../server/fetch-text.js';

/** Longer than this no check waits. */
export const ANSWER_MS_MAX = 10_000;

const LOOPBACK = /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/;
const EXCERPT_CHARS = 80;

/** What is as it should be. */
export const ok = (what) => ({ level: 'ok', what });
/** What was not looked at, and how to have it looked at. */
export const untold = (what, cure) => ({ level: 'note', what, cure });
/** What works, and may not do what was meant. */
export const warn = (what, cure) => ({ level: 'warn', what, cure });
/** What does not work. */
export const fail = (what, cure) => ({ level: 'fail', what, cure });

/**
 * Asks, and stays where it asked: a WebSocket and a preflight do not follow redirects either.
 *
 * @returns {Promise<{response: Response, text: string}>}
 */
export function ask(url, init = {}) {
  return fetchText(url, { ...init, redirect: 'manual' }, ANSWER_MS_MAX);
}

/** The address of one of the Worker's routes. */
export function endpoint(workerUrl, name) {
  const url = new URL(httpUrl(workerUrl));
  url.pathname = `${url.pathname.replace(/\/$/, '')}/${name}`;
  url.search = '';
  return url.href;
}

/** The same address for requests where one for sockets was given. */
export function httpUrl(workerUrl) {
  return workerUrl.replace(/^ws/, 'http');
}

/** Whether an address leads to this machine. */
export function isLocal(workerUrl) {
  return URL.canParse(workerUrl) && LOOPBACK.test(new URL(workerUrl).hostname);
}

/** What would keep a value from being put into a sentence. */
const CONVERSIONS = ['toString', 'valueOf'];

/** The JSON of a text, any part of which can be shown; nothing where it is none. */
export function parse(text) {
  try {
    return JSON.parse(text, (name, value) => (CONVERSIONS.includes(name) ? undefined : value));
  } catch {
    return undefined;
  }
}

/** The beginning of a text, on one line. */
export function excerpt(text) {
  const line = text.replaceAll(/\s+/g, ' ').trim();
  return line === '' ? 'nothing' : `"${line.slice(0, EXCERPT_CHARS)}"`;
}
