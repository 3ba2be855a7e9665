/**
 * One visit to a space: the client and the parts of the view it feeds.
 *
 * Owns the client's life, the order of its calls, and what is done about their failures. Knows nothing of how
 * things look. What is on its way is the client's to keep: the page shows what the client tells of it.
 */
import * as spaces from '/kuratchi-spaces/index.js';
import { Banner } from './banner.js';
import { Composer } from './composer.js';
import { ConnectionLine } from './connection-line.js';
import { rememberDraft, rememberedDraft } from './memory.js';
import { MessageList } from './message-list.js';
import { isWaiting } from './message-row.js';
import { People } from './people.js';
import { tokenSource } from './session.js';
import { errorWords, isBy, notSentWords, persistenceWords } from './words.js';

const PAGE_MESSAGES = 50;
/** The client's own bound. */
const PAGE_MESSAGES_MAX = 1_000;

/** Errors that are shown by what they are about: the connection by its line, the outbox by its hint. */
const SHOWN_ELSEWHERE = ['connectionLost', 'network', 'persistenceLost'];

export class Conversation {
  #session;
  #client;
  #list;
  #people;
  #composer;
  #connection;
  #banner;
  #hint;
  /** Ends every listener of this visit: the elements outlive it. */
  #visit = new AbortController();
  #isConnected = false;
  /** Whether the newest messages are still to be loaded. */
  #lacksPage = true;
  #isLoadingPage = false;
  #isLoadingOlder = false;
  /** What was last told of a message that failed: the client tells it as an error, too. */
  #toldFailure;
  #unseen = 0;

  /**
   * @param {HTMLElement} view
   * @param {object} session As `openSession` gives it.
   * @param {{ onLeave: () => void }} handlers
   */
  constructor(view, session, { onLeave }) {
    const { signal } = this.#visit;
    this.#session = session;
    this.#hint = view.querySelector('#waiting-hint');
    this.#hint.textContent = '';
    view.querySelector('#space-name').textContent = session.spaceId;
    view.querySelector('#leave-button').addEventListener('click', onLeave, { signal });
    document.addEventListener('visibilitychange', () => this.#showUnseen(), { signal });
    this.#banner = new Banner(view, { signal, onDone: () => this.#goOn() });
    this.#connection = new ConnectionLine(view, {
      signal,
      // How it ends is told by the state, as with every other attempt.
      onNow: () => this.#client.connect().catch(() => {}),
      onDone: () => this.#goOn(),
    });
    this.#people = new People(view, session.userId, { signal });
    this.#list = new MessageList(view, {
      signal,
      ownId: session.userId,
      nameOf: (userId) => this.#people.nameOf(userId),
      onNearStart: () => this.#loadOlder(),
      handlers: {
        onEdit: (message, text) =>
          this.#change(message, () => this.#client.editMessage(message.id, { text })),
        onDelete: (message) => this.#delete(message),
        onRetry: (message) => this.#retry(message),
        onDiscard: (message) => this.#discard(message),
        onEditEnd: (unsaved) => this.#endEditing(unsaved),
      },
    });
    this.#composer = new Composer(view, {
      signal,
      draft: rememberedDraft(session),
      onSend: (text) => this.#send(text),
      onTyping: (isTyping) => this.#tellTyping(isTyping),
      onEditLast: () => this.#list.editLast(),
      onDraft: (text) => rememberDraft(session, text),
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
      onMessageUpdate: (update) => this.#followMessage(update),
      onTyping: (userId, isTyping) => this.#people.setTyping(userId, isTyping),
      onPresence: (users) => this.#people.setPresent(users),
      onStateChange: (change) => this.#showState(change),
      onDiscontinuity: () => this.#reload(),
      onError: (error) => this.#showError(error),
    });
    this.#composer.focus();
    this.#enter();
  }

  /** Leaves the space and lets go of everything. What waits to be sent waits for its sender. */
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
    this.#lacksPage = true;
    this.#list.beginLoading();
    try {
      await this.#client.connect();
      await this.#loadPage();
    } catch (error) {
      // Left meanwhile: nobody waits for this any more.
      if (error.code !== 'closed') this.#banner.show(errorWords(error), () => this.#enter());
    }
  }

  /** Messages may be missing: the newest are loaded again, as many as are shown, so that the reader stays there. */
  #reload() {
    this.#lacksPage = true;
    if (this.#isConnected) this.#loadPage();
  }

  /** Loads the newest messages, if that is to be done. A connection that is lost meanwhile does it again. */
  async #loadPage() {
    if (this.#isLoadingPage) return;
    this.#isLoadingPage = true;
    try {
      while (this.#lacksPage) {
        this.#lacksPage = false;
        const limit = Math.min(Math.max(this.#list.count, PAGE_MESSAGES), PAGE_MESSAGES_MAX);
        const page = await this.#client.getMessages({ limit });
        if (this.#visit.signal.aborted) return;
        this.#list.replace(this.#asShown(page), { isStart: page.length < limit });
      }
    } catch (error) {
      this.#lacksPage = true;
      if (error.code !== 'closed') this.#banner.show(errorWords(error), () => this.#loadPage());
    } finally {
      this.#isLoadingPage = false;
    }
  }

  async #loadOlder() {
    const before = this.#list.oldestCreatedAt;
    if (this.#isLoadingOlder || before === undefined) return;
    this.#isLoadingOlder = true;
    const { generation } = this.#list;
    this.#list.beginLoading();
    try {
      const page = await this.#client.getMessages({ limit: PAGE_MESSAGES, before });
      // The list may have been replaced meanwhile; then this page is not the one before it.
      if (generation === this.#list.generation) {
        this.#list.prepend(this.#asShown(page), { isStart: page.length < PAGE_MESSAGES });
      }
    } catch {
      if (generation === this.#list.generation) this.#list.endLoading('failed');
    } finally {
      this.#isLoadingOlder = false;
    }
  }

  /** Messages with the edits and deletions that still wait: those were told before the messages were here. */
  #asShown(page) {
    const shown = new Map(this.#client.getSnapshot().messages.map((message) => [message.id, message]));
    return page.map((message) => shown.get(message.id) ?? message);
  }

  async #send(text) {
    const { userId } = this.#session;
    const draft = { senderId: userId, senderType: 'user', text };
    try {
      const isIt = (update) => isWaiting(update) && update.text === text;
      const stored = await this.#untilTaken(isIt, () => this.#client.sendMessage(draft));
      if (stored) this.#list.add(stored);
    } catch (error) {
      if (!this.#visit.signal.aborted) this.#composer.giveBack(text, notSentWords(error));
    }
  }

  /** Edits or deletes a message; rejects when that can not even wait to be sent. */
  async #change({ id }, ask) {
    const stored = await this.#untilTaken((update) => update.id === id, ask);
    if (stored) this.#list.follow({ ...stored, status: 'sent' });
  }

  async #delete(message) {
    this.#goOn();
    try {
      await this.#change(message, () => this.#client.deleteMessage(message.id));
    } catch (error) {
      this.#showError(error);
    }
  }

  async #retry({ clientMessageId }) {
    this.#goOn();
    try {
      const isIt = (update) => update.clientMessageId === clientMessageId;
      await this.#untilTaken(isIt, () => this.#client.retry(clientMessageId));
    } catch (error) {
      this.#showError(error);
    }
  }

  async #discard({ clientMessageId }) {
    this.#goOn();
    try {
      await this.#client.discard(clientMessageId);
    } catch (error) {
      this.#showError(error);
    }
  }

  /**
   * Waits until the client has taken something over: it is in the outbox, which tells from then on what becomes of
   * it, or it is stored. Resolves with the stored message when it knows it; rejects when neither is so.
   */
  #untilTaken(isIt, ask) {
    return new Promise((resolve, reject) => {
      const stop = this.#client.on('messageUpdate', (update) => {
        if (update.status === 'pending' && isIt(update)) resolve();
      });
      ask().then(resolve, reject).finally(stop);
    });
  }

  #endEditing(unsaved) {
    if (unsaved === undefined) this.#goOn();
    else this.#composer.giveBack(unsaved, 'The message you were editing was deleted.');
  }

  /** What had the focus goes away. Where focusing the field would bring up a keyboard of glass, the list has it. */
  #goOn() {
    const place = matchMedia('(any-hover: hover)').matches ? this.#composer : this.#list;
    place.focus();
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
    if (document.hidden && !isBy(message, this.#session.userId)) this.#unseen += 1;
    this.#showUnseen();
  }

  #followMessage(update) {
    this.#toldFailure = update.error?.message;
    this.#list.follow(update);
    this.#showHint();
  }

  #showState(change) {
    const { state, reason } = change;
    this.#isConnected = state === 'connected';
    this.#connection.show(change);
    this.#list.setOffline(state === 'offline');
    if (state === 'failed') {
      this.#list.endLoading();
      this.#banner.show(errorWords(reason), () => this.#enter());
    }
    if (this.#isConnected) {
      this.#banner.hide();
      if (this.#lacksPage) this.#loadPage();
    } else {
      this.#people.clearTyping();
    }
    this.#showHint();
  }

  #showError(error) {
    if (SHOWN_ELSEWHERE.includes(error.code)) {
      this.#showHint();
    } else if (error.message !== this.#toldFailure) {
      this.#banner.show(errorWords(error));
    }
  }

  /** How far what waits reaches, where that is less than one would think. */
  #showHint() {
    const { pending, failed } = this.#list.unsent;
    // On a connection nothing waits for long.
    const isWaitingForLong = failed > 0 || (pending > 0 && !this.#isConnected);
    const words = isWaitingForLong ? persistenceWords(this.#client.persistence) : '';
    if (this.#hint.textContent !== words) this.#hint.textContent = words;
  }

  /** How much came while the page was out of sight stands in its title. */
  #showUnseen() {
    if (!document.hidden) this.#unseen = 0;
    const count = this.#unseen > 0 ? `(${this.#unseen}) ` : '';
    document.title = `${count}${this.#session.spaceId} · Kuratchi Spaces`;
  }
}
