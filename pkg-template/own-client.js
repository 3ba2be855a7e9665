/**
 * A client that an adapter makes of a config, which may be a new object each time.
 *
 * Owns when a changed config means another client, and that the functions of the latest config are called. A client is that of
 * a place and a user: another token of the same user is shown on the connection that is there, and everything stays. So it does
 * where there is no token for a moment, or a text that is none: nobody else is named. Must not know what a component is.
 */

import { CALLBACK_OF } from './events.js';

/** See the module's text. */
export class OwnClient {
  #key;
  #user;
  /** The latest config. */
  config;
  /** Undefined where there is no config. */
  space;

  /**
   * @param {object | undefined} config
   * @param {(config: object) => object} createClient
   */
  constructor(config, createClient) {
    this.#user = userIn(config) ?? '';
    this.#key = keyOf(config);
    this.config = config;
    if (config === undefined) return;
    const own = { ...config };
    for (const name of Object.values(CALLBACK_OF)) {
      // The adapter listens while it is there. What is no function is for the client to refuse.
      own[name] = isFunction(own[name]) ? undefined : own[name];
    }
    if (isFunction(own.spaceToken)) {
      own.spaceToken = (request) => this.config.spaceToken(request);
    }
    if (isFunction(own.tokenFor)) {
      own.tokenFor = (spaceId) => this.config.tokenFor?.(spaceId);
    }
    this.space = createClient(config && own);
  }

  /** Whether a config is of the same client. */
  isOf(config) {
    return keyOf(config, this.#user) === this.#key;
  }

  /** The events that the latest config wants to hear, as texts. */
  get heard() {
    return heardBy(this.config);
  }

  /** Listens to events for the latest config. Returns the function that ends it. */
  listen(events) {
    const stops = events.map((event) =>
      this.space.on(event, (...values) => this.config?.[CALLBACK_OF[event]]?.(...values)),
    );
    return () => {
      for (const stop of stops) stop();
    };
  }

  /** Shows the latest config's token, if it is a text: a function is asked in time. */
  showToken() {
    const { spaceToken } = this.config ?? {};
    if (userOf(spaceToken) !== undefined) this.space.setToken(spaceToken);
  }
}

/** The events that a config wants to hear. */
export function heardBy(config) {
  return Object.keys(CALLBACK_OF).filter((event) => isFunction(config?.[CALLBACK_OF[event]]));
}

/**
 * What makes a client another one: its place, the order of its history, and its user.
 *
 * @param {object | undefined} config
 * @param {string | true} [known] The user where the config has no token that could tell.
 */
export function keyOf(config, known = '') {
  const { spaceId, workerUrl, order } = config ?? {};
  return config && JSON.stringify([spaceId, workerUrl, order, userIn(config) ?? known]);
}

/** Whom a config's token names; `true` for a function, which is asked in time. */
function userIn(config) {
  return isFunction(config?.spaceToken) || userOf(config?.spaceToken);
}

/**
 * Whom a token names: `''` for nobody, `undefined` for what is no token. Nothing is checked; the server does.
 *
 * @param {unknown} token `spaceId.rnd.exp.sig`, with claims in `rnd` behind a `~`, as JSON in base64url.
 */
export function userOf(token) {
  try {
    const [, rnd] = /\.([^.]+)\.\d+\.[^.]+$/.exec(token);
    const [, claims] = rnd.split('~');
    if (claims === undefined) return '';
    const binary = atob(claims.replaceAll('-', '+').replaceAll('_', '/'));
    const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0));
    return JSON.parse(new TextDecoder().decode(bytes)).sub ?? '';
  } catch {
    return undefined;
  }
}

function isFunction(value) {
  return typeof value === 'function';
}
