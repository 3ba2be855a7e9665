/**
 * A client that an adapter makes of a config, which may be a new object each time.
 *
 * Owns when a changed config means another client, and that the functions of the latest config are called. A client is that of
 * a place and a user: another token of the same user is shown on the connection that is there, and everything stays. So it does
 * where there is no token for a moment, or a text that is none, or a function in the place of a text: nobody else is named. Must
 * not know what a component is.
 */

import { CALLBACK_OF } from './events.js';
import { keepRooms } from './keeper.js';
import { POLLS_ONLY, placeOf, readWorkerUrl } from './options.js';

/** A function that tells of nothing, but is there while the adapter uses it, too. */
const TOKEN_FOR = 'tokenFor';

/** The user of a function's token before any came. */
const UNKNOWN = Symbol('unknown');

/** See the module's text. */
export class OwnClient {
  #place;
  /** Whom the client is of: `undefined` for nobody, who can do nothing; `UNKNOWN` until a function's first token names somebody. */
  #user;
  #config;
  #createClient;
  #ask;
  /** Undefined where there is no config. */
  space;

  /**
   * @param {object | undefined} config
   * @param {(config: object) => object} createClient
   */
  constructor(config, createClient) {
    this.#place = placeIn(config);
    this.#createClient = createClient;
    this.config = config;
    if (config === undefined) return;
    const own = { ...config };
    for (const name of [...Object.values(CALLBACK_OF), TOKEN_FOR]) {
      // The adapter uses it while it is there. What is no function is for the client to refuse.
      own[name] = isFunction(own[name]) ? undefined : own[name];
    }
    this.#ask = (request) => this.#askLatest(request);
    if (isFunction(own.spaceToken)) own.spaceToken = this.#ask;
    this.space = createClient(config && own);
  }

  /** The latest config. */
  get config() {
    return this.#config;
  }

  set config(config) {
    this.#config = config;
    this.#learn(userIn(config));
  }

  /** Whether a config is of the same client. */
  isOf(config) {
    const user = userIn(config);
    const isNobodyElse = user === undefined || user === this.#user;
    const mayBeTheSame = this.#user !== undefined && [user, this.#user].includes(UNKNOWN);
    return placeIn(config) === this.#place && (isNobodyElse || mayBeTheSame);
  }

  /** What of the latest config is to be listened with. */
  get heard() {
    return heardBy(this.config);
  }

  /** Uses functions of the latest config, as {@link heardBy} names them. Returns the function that ends it. */
  listen(heard) {
    const stops = heard.map((name) =>
      name === TOKEN_FOR
        ? this.#keepRooms()
        : this.space.on(name, (...values) => this.config?.[CALLBACK_OF[name]]?.(...values)),
    );
    return () => {
      for (const stop of stops) stop();
    };
  }

  /** Shows the latest config's token; a function is asked, and that it is another one in each render means nothing. */
  showToken() {
    const { spaceToken } = this.config ?? {};
    const source = isFunction(spaceToken) ? this.#ask : spaceToken;
    if (source !== this.#ask && userOf(source) === undefined) return;
    try {
      this.space.setToken(source);
    } catch {
      // It is over, and its snapshot says why.
    }
  }

  #askLatest(request) {
    const { spaceToken } = this.config ?? {};
    if (!isFunction(spaceToken)) return spaceToken;
    const token = spaceToken(request);
    const learn = (given) => {
      if (isFunction(this.config?.spaceToken)) this.#learn(userOf(given));
    };
    Promise.resolve(token).then(learn, () => {});
    return token;
  }

  #learn(user) {
    const isNews = user !== undefined && user !== UNKNOWN;
    this.#user = isNews ? user : (this.#user ?? user);
  }

  /** Has other rooms looked after: by what the latest config gives, which may come and go. */
  #keepRooms() {
    const { spaceId, workerUrl, webSocket, wasm } = this.config;
    const config = { workerUrl, webSocket, wasm, [POLLS_ONLY]: true };
    const latest = () => this.config?.[TOKEN_FOR];
    return keepRooms(placeOf({ workerUrl: readWorkerUrl(workerUrl), spaceId }).workerUrl, {
      get tokenFor() {
        return latest();
      },
      makeClient: (room, spaceToken) => this.#createClient({ ...config, spaceId: room, spaceToken }),
    });
  }
}

/** What a config wants to be used while a component is there: names of events, and its way to tokens of other rooms. */
export function heardBy(config) {
  const events = Object.keys(CALLBACK_OF).filter((event) => isFunction(config?.[CALLBACK_OF[event]]));
  return isFunction(config?.[TOKEN_FOR]) ? [...events, TOKEN_FOR] : events;
}

/** The place of a client and the order of its history, by what the options come to; of two spellings one is given. */
function placeIn(config) {
  const { spaceId, order } = config ?? {};
  let { workerUrl } = config ?? {};
  try {
    workerUrl = placeOf({ workerUrl: readWorkerUrl(workerUrl), spaceId }).workerUrl;
  } catch {
    // The client says what is wrong with it.
  }
  return config && JSON.stringify([spaceId, workerUrl, order ?? 'asc']);
}

/** Whom a config's token names; `UNKNOWN` for a function, which is asked in time. */
function userIn(config) {
  return isFunction(config?.spaceToken) ? UNKNOWN : userOf(config?.spaceToken);
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
