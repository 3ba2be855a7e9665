/**
 * One visit to a space: the client and the four parts of the view it feeds.
 *
 * Owns the client's life and the order of its calls. Knows nothing of how things look.
 */
import * as spaces from '/kuratchi-spaces/index.js';
import { Composer } from './composer.js';
import { MessageList } from './message-list.js';
import { People } from './people.js';
import { tokenSource } from './session.js';
import { Status } from './status.js';
import { errorWords } from './words.js';

const PAGE_MESSAGES = 50;

export class Conversation {
  #session;
  #client;
  #list;
  #people;
  #composer;
  #status;
  /** Ends every listener of this visit: the elements outlive it. */
  #visit = new AbortController();
  #loadingOlder = false;
  #unseen = 0;

  /**
   * @param {HTMLElement} view
   * @param {object} session As `openSession` gives it.
   * @param {{ onLeave: () => void }} handlers
   */
  constructor(view, session, { onLeave }) {
    const { signal } = this.#visit;
    this.#session = session;
    view.querySelector('#space-name').textContent = session.spaceId;
    view.querySelector('#leave-button').addEventListener('click', onLeave, { signal });
    document.addEventListener('visibilitychange', () => this.#showUnseen(), { signal });
    this.#status = new Status(view, { signal });
    this.#people = new People(view, session.userId, { signal });
    this.#list = new MessageList(view, {
      signal,
      ownId: session.userId,
      nameOf: (userId) => this.#people.nameOf(userId),
      onNearStart: () => this.#loadOlder(),
    });
    this.#composer = new Composer(view, {
      signal,
      onSend: (text) => this.#deliver(this.#list.addPending(text)),
      onTyping: (isTyping) => this.#tellTyping(isTyping),
    });
  }

  /** Makes the client and enters the space. */
  start() {
    const { spaceId, workerUrl } = this.#session;
    this.#client = spaces.client({
      spaceId,
      spaceToken: tokenSource(this.#session),
      workerUrl,
      onMessage: (message) => this.#showMessage(message),
      onTyping: (userId, isTyping) => this.#people.setTyping(userId, isTyping),
      onPresence: (users) => this.#people.setPresent(users),
      onStateChange: (change) => this.#showState(change),
      onDiscontinuity: () => this.#enter(),
      onError: (error) => this.#showError(error),
    });
    this.#composer.focus();
    this.#enter();
  }

  /** Leaves the space and lets go of everything. */
  end() {
    this.#visit.abort();
    this.#composer.end();
    this.#client.close();
    this.#list.clear();
  }

  /** Leaves the space for as long as the page sleeps in the back-forward cache. */
  pause() {
    this.#client.disconnect();
  }

  /** Comes back after {@link pause}. */
  resume() {
    this.#enter();
  }

  async #enter() {
    try {
      await this.#client.connect();
      const page = await this.#client.getMessages({ limit: PAGE_MESSAGES });
      if (this.#visit.signal.aborted) return;
      this.#list.replace(page, { isStart: page.length < PAGE_MESSAGES });
    } catch (error) {
      // Left meanwhile: nobody waits for this any more.
      if (error.code === 'closed') return;
      this.#status.showError(errorWords(error), () => this.#enter());
    }
  }

  async #loadOlder() {
    const before = this.#list.oldestCreatedAt;
    if (this.#loadingOlder || before === undefined) return;
    this.#loadingOlder = true;
    const { generation } = this.#list;
    this.#list.showHistoryState('loading');
    try {
      const page = await this.#client.getMessages({ limit: PAGE_MESSAGES, before });
      // The list may have been replaced meanwhile; then this page is not the one before it.
      if (generation === this.#list.generation) {
        this.#list.prepend(page, { isStart: page.length < PAGE_MESSAGES });
      }
    } catch {
      if (generation === this.#list.generation) this.#list.showHistoryState('failed');
    } finally {
      this.#loadingOlder = false;
    }
  }

  async #deliver(pending) {
    const { userId } = this.#session;
    try {
      const draft = { senderId: userId, senderType: 'user', text: pending.text };
      this.#list.confirm(pending, await this.#client.sendMessage(draft, { until: 'stored' }));
    } catch (error) {
      if (this.#visit.signal.aborted) return;
      this.#list.fail(pending, errorWords(error), () => this.#deliver(pending));
    }
  }

  async #tellTyping(isTyping) {
    try {
      await this.#client.setTyping(this.#session.userId, isTyping);
    } catch {
      // A courtesy: nobody misses it, and the connection's state is shown anyway.
    }
  }

  #showMessage(message) {
    this.#people.setTyping(message.senderId, false);
    this.#list.add(message);
    if (document.hidden && message.senderId !== this.#session.userId) this.#unseen += 1;
    this.#showUnseen();
  }

  #showState(change) {
    this.#status.showState(change, () => this.#enter());
    if (change.state !== 'connected') this.#people.clearTyping();
  }

  #showError(error) {
    // The status line tells of the connection already.
    if (error.code === 'connectionLost' || error.code === 'network') return;
    this.#status.showError(errorWords(error));
  }

  /** How much came while the page was out of sight stands in its title. */
  #showUnseen() {
    if (!document.hidden) this.#unseen = 0;
    const count = this.#unseen > 0 ? `(${this.#unseen}) ` : '';
    document.title = `${count}${this.#session.spaceId} · Kuratchi Spaces`;
  }
}
