/**
 * Who somebody with a name is, and the token that lets them into a space.
 *
 * Owns names and user ids. Must not know about HTTP, nor about files.
 */
import { createHmac } from 'node:crypto';
import { visitorOf } from './visitors.mjs';

const NAME_DEFAULT = 'Guest';
/** UTF-16 units: at most 96 bytes, so that the user id made of it stays within the Worker's 128. */
const NAME_LENGTH_MAX = 32;
const SPACE_DEFAULT = 'lobby';
/** The Worker's own bound. */
const SPACE_BYTES_MAX = 200;
/** 48 bits, keyed: nobody finds a cookie that makes them somebody else. */
const SUFFIX_LENGTH = 12;

const CONTROL_PATTERN = /\p{Cc}/u;
/** What nobody sees, but for what joins letters and emoji, and turns the direction of what stands behind it. */
const HIDDEN_PATTERN = /(?!\u200c|\u200d|\ufe0f)\p{Default_Ignorable_Code_Point}/gu;
const VISIBLE_PATTERN = /[^\s\u2800\p{Default_Ignorable_Code_Point}]/u;
const LONE_SURROGATE_PATTERN = /\p{Cs}/u;

/** A value that a visitor has to mend; `message` is for them. */
export class FieldProblem extends Error {
  /**
   * @param {'name' | 'space'} field
   * @param {string} message
   */
  constructor(field, message) {
    super(message);
    this.field = field;
  }
}

/** Opens sessions: one token for one person in one space. */
export class Sessions {
  #generateToken;
  #gatewayKey;
  #workerUrl;

  /**
   * @param {object} options
   * @param {(spaceId: string, options: object) => Promise<string>} options.generateToken
   * @param {string} options.gatewayKey
   * @param {string} options.workerUrl
   */
  constructor({ generateToken, gatewayKey, workerUrl }) {
    this.#generateToken = generateToken;
    this.#gatewayKey = gatewayKey;
    this.#workerUrl = workerUrl;
  }

  /**
   * @param {object} request
   * @param {string | null} request.name What the visitor calls themselves; `Guest` if absent.
   * @param {string | null} request.space Where they want to go; `lobby` if absent.
   * @param {string | undefined} request.cookies The request's cookie header.
   * @returns {Promise<{ session: object, cookie: string }>} What the page needs, and the cookie to set.
   * @throws {FieldProblem}
   */
  async open({ name: nameGiven, space: spaceGiven, cookies }) {
    const name = checkName(nameGiven ?? NAME_DEFAULT);
    const spaceId = checkSpace(spaceGiven ?? SPACE_DEFAULT);
    const { visitor, cookie } = visitorOf(cookies);
    const userId = `${name}-${this.#suffix(visitor, name)}`;
    const spaceToken = await this.#generateToken(spaceId, { gatewayKey: this.#gatewayKey, userId, name });
    return {
      session: { spaceId, spaceToken, workerUrl: this.#workerUrl, userId, name },
      cookie,
    };
  }

  /**
   * Under another name the same browser is another person: two windows are enough to try a chat. The cookie
   * itself stays secret, because whoever has it is this person.
   */
  #suffix(visitor, name) {
    const hash = createHmac('sha256', this.#gatewayKey).update(`visitor\n${visitor}\n${name}`);
    return hash.digest('hex').slice(0, SUFFIX_LENGTH);
  }
}

function checkName(text) {
  const name = text.normalize('NFC').replace(HIDDEN_PATTERN, '').trim().replace(/ {2,}/gu, ' ');
  if (!VISIBLE_PATTERN.test(name)) throw new FieldProblem('name', 'Please enter a name.');
  if (name.length > NAME_LENGTH_MAX) {
    throw new FieldProblem('name', `The name is too long: at most ${NAME_LENGTH_MAX} characters.`);
  }
  if (isUnprintable(name)) throw new FieldProblem('name', 'The name holds characters that can not be shown.');
  return name;
}

function checkSpace(text) {
  const space = text.trim();
  if (space === '') throw new FieldProblem('space', 'Please enter a space.');
  if (Buffer.byteLength(space) > SPACE_BYTES_MAX) {
    throw new FieldProblem('space', `The space's name is too long: at most ${SPACE_BYTES_MAX} bytes.`);
  }
  if (isUnprintable(space)) {
    throw new FieldProblem('space', "The space's name holds characters that can not be shown.");
  }
  return space;
}

function isUnprintable(text) {
  return CONTROL_PATTERN.test(text) || LONE_SURROGATE_PATTERN.test(text);
}
