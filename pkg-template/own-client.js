/**
 * A client that an adapter makes of a config, which may be a new object each time.
 *
 * Owns when a changed config means another client, and that the functions of the latest config are called. A client is that of
 * a place and a user, whom the app says or tokens name: another token of the same user is shown on the connection that is there, and
 * everything stays. So it does where there is no token for a moment, or a text that is none, or a function in the place of a text:
 * nobody else is named. Another function may be another user's, and is asked at once where it is another one for a reason. Must not
 * know what a component is.
 */

import { CALLBACK_OF } from './events.js';
import { keepRooms } from './keeper.js';
import { CONNECTS_SOON, POLLS_ONLY, placeOf, readWorkerUrl } from './options.js';

/** A function that tells of nothing, but is there while the adapter uses it, too. */
const TOKEN_FOR = 'tokenFor';

/** The user of a function's token before any came. */
const UNKNOWN = Symbol('unknown');

/** A function that was the latest for so long, in milliseconds, is not one that each render makes. */
const KEPT_MS = 30_000;

/** See the module's text. */
export class OwnClient {
  #place;
  /** Whom the client is of, as the app says. */
  #said;
  /** Whom the client is of, by its tokens: `undefined` for nobody, who can do nothing; `UNKNOWN` until a function's first token names somebody. */
  #user;
  #config;
  #createClient;
  /** The client's source while the config's is a function: another one where the client is to ask at once. */
  #ask = this.#askLatest.bind(this);
  /** What the client has as its source. */
  #shown;
  /** The function that was asked last. */
  #asked;
  /** Whether another function means something, as far as one knows: the first one has the benefit of the doubt. */
  #isTrusted = true;
  /** Since when the latest function is. */
  #since = Date.now();
  /** Undefined where there is no config. */
  space;

  /**
   * @param {object | undefined} config
   * @param {(config: object) => object} createClient
   */
  constructor(config, createClient) {
    this.#place = placeIn(config);
    this.#createClient = createClient;
    this.#config = config;
    this.#said = config?.userId;
    this.#learn(userIn(config));
    if (config === undefined) return;
    const own = { ...config };
    for (const name of [...Object.values(CALLBACK_OF), TOKEN_FOR]) {
      // The adapter uses it while it is there. What is no function is for the client to refuse.
      own[name] = isFunction(own[name]) ? undefined : own[name];
    }
    if (isFunction(own.spaceToken)) own.spaceToken = this.#ask;
    this.#shown = own.spaceToken;
    own[CONNECTS_SOON] = true;
    this.space = createClient(config && own);
  }

  /** The latest config. */
  get config() {
    return this.#config;
  }

  /**
   * Takes the config of what is shown from now on, which {@link isOf} this client.
   *
   * @param {object | undefined} config
   * @param {boolean} [isMeant] Whether another function is there for a reason. If absent, as far as one can tell: components make
   *   one in each render as well, which means nothing, and the newest is asked when the client needs a token.
   */
  take(config, isMeant) {
    const before = this.#config;
    this.#config = config;
    this.#learn(userIn(config));
    if (config?.spaceToken !== before?.spaceToken) {
      this.#isTrusted ||= Date.now() - this.#since >= KEPT_MS;
      this.#since = Date.now();
      this.#askAnother(isMeant);
    } else {
      // One config twice is a component that renders by itself, and says nothing of what made the function.
      this.#askAnother(isMeant || config !== before);
    }
  }

  /** Has the client ask the latest function, where that is another one for a reason. */
  #askAnother(isMeant) {
    const { spaceToken } = this.config ?? {};
    if (!isFunction(spaceToken)) return;
    this.#isTrusted ||= isMeant;
    // Before the first question there is nothing to ask again, and before the first token it is not known whether there is.
    const isTold = isMeant || (this.#isTrusted && this.#user !== UNKNOWN);
    if (!isTold || !this.#asked || this.#asked === spaceToken) return;
    this.#isTrusted = isMeant;
    this.#asked = spaceToken;
    this.#ask = this.#askLatest.bind(this);
  }

  /** Leaves its place to the client of another config, which says for the rooms of the Worker from now on how they are looked after. */
  yieldTo(config) {
    if (config && workerIn(config) === workerIn(this.config)) {
      this.#config = { ...this.#config, [TOKEN_FOR]: config[TOKEN_FOR] };
    }
  }

  /** Whether a config is of the same client. */
  isOf(config) {
    if (placeIn(config) !== this.#place) return false;
    // The app says who it is.
    if (config?.userId != null) return config.userId === this.#said;
    const user = userIn(config);
    // It says so no more: nobody else is there for a moment, or somebody of whom it does not know.
    if (this.#said != null) return user === undefined || user === this.#said;
    const isNobodyElse = user === undefined || user === this.#user;
    const mayBeTheSame = this.#user !== undefined && [user, this.#user].includes(UNKNOWN);
    return isNobodyElse || mayBeTheSame;
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

  /** Shows the latest config's token, unless that was done. */
  showToken() {
    const { spaceToken } = this.config ?? {};
    const source = isFunction(spaceToken) ? this.#ask : spaceToken;
    if (source === this.#shown || (source !== this.#ask && userOf(source) === undefined)) return;
    this.#shown = source;
    try {
      this.space.setToken(source);
    } catch {
      // It is over, and its snapshot says why.
    }
  }

  #askLatest(request) {
    const { spaceToken } = this.config ?? {};
    if (!isFunction(spaceToken)) return spaceToken;
    this.#asked = spaceToken;
    const token = spaceToken(request);
    const learn = (given) => {
      if (!isFunction(this.config?.spaceToken) || spaceToken !== this.#asked) return;
      this.#learn(userOf(given));
      // Another one may have come meanwhile. The client has this one's token first.
      this.#askAnother(false);
      setTimeout(() => this.showToken(), 0);
    };
    Promise.resolve(token).then(learn, () => {});
    return token;
  }

  #learn(user) {
    const isNews = user !== undefined && user !== UNKNOWN;
    // Whatever made its function does not make it in each render.
    if (isNews && this.#user !== UNKNOWN && this.#user !== user) this.#isTrusted = true;
    this.#user = isNews ? user : (this.#user ?? user);
  }

  /** Has other rooms looked after: by what the latest config gives, which may come and go. */
  #keepRooms() {
    const { workerUrl, webSocket, wasm } = this.config;
    const config = { userId: this.#said, workerUrl, webSocket, wasm, [POLLS_ONLY]: true };
    const latest = () => this.config?.[TOKEN_FOR];
    return keepRooms(workerIn(this.config), {
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
  return config && JSON.stringify([spaceId, workerIn(config), order ?? 'asc']);
}

/** The Worker's address; of two spellings one is given. */
function workerIn(config) {
  const { spaceId, workerUrl } = config ?? {};
  try {
    return placeOf({ workerUrl: readWorkerUrl(workerUrl), spaceId }).workerUrl;
  } catch {
    // The client says what is wrong with it.
    return workerUrl;
  }
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
