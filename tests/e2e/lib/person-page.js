/**
 * Somebody who chats, inside a page: the documents' own pattern, and a record of what it showed.
 *
 * Owns the client and what its callbacks said. Runs in the browser; person.mjs is its half in the test.
 */
import * as spaces from '/kuratchi-spaces/index.js';

/** As the most that one call gives. */
const HISTORY_MESSAGES = 1_000;

class Person {
  /** What a chat view would show: pages assigned, live messages appended. */
  messages = [];
  /**
   * Texts in the order of sending; those whose promise resolved, with a message or with nothing; those that were
   * refused, with their code.
   */
  sent = [];
  accepted = [];
  failed = [];
  /** `{state, reason, transport, at}`, times as `Date.now()` has them. */
  states = [];
  discontinuities = [];
  errors = [];
  /** Edits and deletions in words: as asked for here, those whose promise resolved, and stored ones of anybody. */
  changes = { sent: [], accepted: [], shown: [], timesTold: 0 };
  /** The states of messages that `changes.shown` stands for. */
  #states = new Set();
  /** How often a notification of the store showed one text twice. */
  storeDoubles = 0;
  tokensAsked = 0;
  #user;
  #recorded;
  #talk = Promise.resolve();

  constructor({
    user,
    spaceId,
    workerUrl,
    spaceToken,
    gatewayKey,
    legacyWorker,
    tokenUrl,
    tokensUnanswered,
    historyMessages,
    recorded,
  }) {
    this.#user = user;
    this.#recorded = recorded;
    this.historyMessages = historyMessages ?? HISTORY_MESSAGES;
    const token = async () => {
      this.tokensAsked += 1;
      if (this.tokensAsked <= tokensUnanswered) return new Promise(() => {});
      return (await fetch(tokenUrl)).text();
    };
    this.client = spaces.client({
      spaceId,
      workerUrl,
      spaceToken: tokenUrl ? token : spaceToken,
      ...(gatewayKey === undefined ? {} : { gatewayKey, legacyWorker }),
      onMessage: (message) => {
        this.messages = [...this.messages, message];
      },
      onMessageUpdate: (update) => this.#update(update),
      onStateChange: ({ state, reason, transport }) => {
        this.states.push({ state, reason: reason?.code, transport, at: Date.now() });
      },
      onDiscontinuity: (reason) => {
        this.discontinuities.push(reason);
        this.#reload();
      },
      onError: (error) => this.errors.push(error.code),
    });
    this.client.subscribe(() => {
      const texts = this.client.getSnapshot().messages.map(({ text }) => text);
      if (new Set(texts).size < texts.length) this.storeDoubles += 1;
    });
  }

  async arrive() {
    await this.client.connect();
    await this.#reload();
  }

  /** Sends texts as fast as they can be said; resolves when each is stored, kept or refused. */
  async say(texts) {
    await Promise.all(texts.map((text) => this.#send(text)));
  }

  /** Sends a text each `everyMs`; `talked()` resolves when all are said, whatever became of them. */
  talk(texts, everyMs) {
    this.#talk = (async () => {
      const started = performance.now();
      for (const [index, text] of texts.entries()) {
        const early = started + index * everyMs - performance.now();
        if (early > 0) await new Promise((resolve) => setTimeout(resolve, early));
        this.#send(text);
      }
    })();
  }

  async talked() {
    await this.#talk;
  }

  /** Edits a message; resolves when that is stored or kept. */
  async edit(id, text) {
    const words = change({ id, text });
    this.changes.sent.push(words);
    await this.client.editMessage(id, { text });
    this.changes.accepted.push(words);
  }

  /** Deletes a message; resolves when that is stored or kept. */
  async erase(id) {
    const words = change({ id });
    this.changes.sent.push(words);
    await this.client.deleteMessage(id);
    this.changes.accepted.push(words);
  }

  /** All that can be told of this page. */
  report() {
    const { sent, accepted, failed, states, discontinuities, errors, changes, storeDoubles, tokensAsked } =
      this;
    const { messages, state, transport, persistence } = this.client.getSnapshot();
    const texts = (list) => list.map(({ text }) => text);
    const brief = (list) =>
      list.map(({ id, text, deletedAt }) => ({ id, text, isDeleted: deletedAt !== undefined }));
    return {
      ...{ sent, accepted, failed, states, discontinuities, errors, changes, storeDoubles, tokensAsked },
      ...{ shown: texts(this.messages), stored: texts(messages), state, persistence },
      transports: { client: this.client.transport, snapshot: transport },
      shownMessages: brief(this.messages),
      storedMessages: brief(messages),
      unsettled: messages.filter(({ status }) => status && status !== 'sent').length,
    };
  }

  async #reload() {
    this.messages = await this.client.getMessages({ limit: this.historyMessages });
  }

  async #send(text) {
    this.sent.push(text);
    this.#keepRecord('sent', text);
    try {
      const message = await this.client.sendMessage({ senderId: this.#user, senderType: 'user', text });
      this.accepted.push(text);
      this.#keepRecord(message ? 'stored' : 'kept', text);
    } catch (error) {
      this.failed.push({ text, code: error.code });
    }
  }

  /** Written at once and outside the page, which may go at any moment: messages to the test would be lost with it. */
  #keepRecord(kind, text) {
    if (!this.#recorded) return;
    sessionStorage.setItem(`record of ${kind}`, JSON.stringify([...readRecord(kind), text]));
  }

  #update(update) {
    const { id, text, status, error, updatedAt, editedAt, deletedAt } = update;
    const isChange = editedAt !== undefined || deletedAt !== undefined;
    if (status === 'failed') this.failed.push({ text, code: error?.code });
    else if (status === 'sent' && isChange) {
      this.changes.timesTold += 1;
      // One state may be told again; a change that is made twice is two states.
      const state = `${id} ${updatedAt}`;
      if (!this.#states.has(state)) {
        this.changes.shown.push(change({ id, text: deletedAt === undefined ? text : undefined }));
      }
      this.#states.add(state);
      this.messages = this.messages.map((message) => (message.id === id ? update : message));
    }
  }
}

/** What became of texts in this tab, as its pages knew when it happened: `kind` is `sent`, `stored` or `kept`. */
function readRecord(kind) {
  return JSON.parse(sessionStorage.getItem(`record of ${kind}`) ?? '[]');
}

/** An edit in words, or a deletion when there is no text. */
function change({ id, text }) {
  return text === undefined ? `${id} is deleted` : `${id} says ${text}`;
}

globalThis.newPerson = (options) => {
  globalThis.person = new Person(options);
};
// Errors lose their code on the way to the test.
globalThis.attempt = async (work) => {
  try {
    return await work(globalThis.person.client);
  } catch ({ code, message }) {
    return { code, message };
  }
};
globalThis.readRecord = readRecord;
globalThis.isReady = true;
