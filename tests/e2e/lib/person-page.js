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
  /** Texts in the order of sending; those that were confirmed; those that were refused, with their code. */
  sent = [];
  acked = [];
  failed = [];
  /** `{state, reason, at}`, times as `Date.now()` has them. */
  states = [];
  discontinuities = [];
  errors = [];
  /** Edits and deletions that were stored, by anybody. */
  changes = 0;
  /** How often a notification of the store showed one text twice. */
  storeDoubles = 0;
  tokensAsked = 0;
  #user;
  #talk = Promise.resolve();

  constructor({ user, spaceId, workerUrl, spaceToken, tokenUrl, historyMessages = HISTORY_MESSAGES }) {
    this.#user = user;
    this.historyMessages = historyMessages;
    const token = async () => {
      this.tokensAsked += 1;
      return (await fetch(tokenUrl)).text();
    };
    this.client = spaces.client({
      spaceId,
      workerUrl,
      spaceToken: tokenUrl ? token : spaceToken,
      onMessage: (message) => {
        this.messages = [...this.messages, message];
      },
      onMessageUpdate: (update) => this.#update(update),
      onStateChange: ({ state, reason }) => {
        this.states.push({ state, reason: reason?.code, at: Date.now() });
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

  /** All that can be told of this page. */
  report() {
    const { sent, acked, failed, states, discontinuities, errors, changes, storeDoubles, tokensAsked } = this;
    const { messages, state, persistence } = this.client.getSnapshot();
    const texts = (list) => list.map(({ text }) => text);
    const brief = (list) =>
      list.map(({ id, text, deletedAt }) => ({ id, text, isDeleted: deletedAt !== undefined }));
    return {
      ...{ sent, acked, failed, states, discontinuities, errors, changes, storeDoubles, tokensAsked },
      ...{ shown: texts(this.messages), stored: texts(messages), state, persistence },
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
    try {
      const message = await this.client.sendMessage({ senderId: this.#user, senderType: 'user', text });
      if (message) this.#ack(text);
    } catch (error) {
      this.failed.push({ text, code: error.code });
    }
  }

  #update(update) {
    const { id, text, status, error, clientMessageId, editedAt, deletedAt } = update;
    const isChange = editedAt !== undefined || deletedAt !== undefined;
    if (status === 'failed') this.failed.push({ text, code: error?.code });
    else if (status === 'sent' && isChange) {
      this.changes += 1;
      this.messages = this.messages.map((message) => (message.id === id ? update : message));
    } else if (status === 'sent' && clientMessageId) this.#ack(text);
  }

  #ack(text) {
    if (!this.acked.includes(text)) this.acked.push(text);
  }
}

globalThis.newPerson = (options) => {
  globalThis.person = new Person(options);
};
globalThis.isReady = true;
