/**
 * The messages that a view shows: stored ones in the order of the log, then one's own that are on their way.
 *
 * Owns the merging of live messages, pages of history, updates and the outbox, so that a message stands there once,
 * whichever of them tells of it first. What is on its way is laid over what is stored, and falls away again. Must
 * not know who looks at the list. An entry stays the same object until it changes.
 */

/** Most stored messages that are kept; beyond it the oldest go, because memory has to end somewhere. */
export const STORE_MESSAGES_MAX = 10_000;

/** Messages in the order of the log. Other servers' messages have no `seq`: their time has to do. */
function compare(a, b) {
  return a.seq - b.seq || a.createdAt - b.createdAt || 0;
}

/** See the module's text. */
export class MessageList {
  /** Stored messages in order. */
  #stored = [];
  /** The same by id. */
  #byId = new Map();
  /** One's own messages in the order of the outbox, by the sender's id; undefined for a place that is kept free. */
  #own = new Map();
  /** By message id: edits and deletions in the order of the outbox, by the sender's id. */
  #changes = new Map();
  /** By message id: what is shown in place of a stored message with changes. */
  #shown = new Map();

  /** Whether anything stored is in it. */
  get isEmpty() {
    return this.#stored.length === 0;
  }

  /** What a view shows. */
  view() {
    const stored =
      this.#shown.size === 0
        ? this.#stored
        : this.#stored.map((message) => this.#shown.get(message.id) ?? message);
    return [...stored, ...this.#own.values()].filter(Boolean);
  }

  /** What is shown of the stored message with this id. */
  find(id) {
    return this.#shown.get(id) ?? this.#byId.get(id);
  }

  /** Merges stored messages in, live ones and pages alike. Gives whether that changed something. */
  add(messages) {
    let isChanged = false;
    let isUnsorted = false;
    for (const message of messages) {
      const known = this.#byId.get(message.id);
      if (known) {
        isChanged = this.#replace(known, message) || isChanged;
        continue;
      }
      const last = this.#stored.at(-1);
      isUnsorted ||= last !== undefined && compare(last, message) > 0;
      this.#byId.set(message.id, message);
      this.#stored.push(message);
      this.#overlay(message.id);
      isChanged = true;
    }
    if (isUnsorted) {
      this.#stored.sort(compare);
    }
    for (const { id } of this.#stored.splice(0, this.#stored.length - STORE_MESSAGES_MAX)) {
      this.#byId.delete(id);
      this.#shown.delete(id);
    }
    return isChanged;
  }

  /** Takes the present state of a stored message that was edited or deleted. Gives whether that changed something. */
  update(message) {
    const known = this.#byId.get(message.id);
    return known !== undefined && this.#replace(known, { ...message, status: 'sent' });
  }

  /** Keeps places free before all of the outbox, for rows that were there earlier. */
  reserve(ids) {
    const free = ids.filter((id) => !this.#own.has(id)).map((id) => [id, undefined]);
    this.#own = new Map([...free, ...this.#own]);
  }

  /** Takes news of an entry of the outbox. */
  follow({ row, status, message, error }) {
    if (row.operation === 'message') {
      this.#followMessage(row, status, message, error);
    } else {
      this.#followChange(row, status, message, error);
    }
  }

  /** Forgets what is stored; what is on its way stays. */
  clear() {
    this.#stored = [];
    this.#byId.clear();
    this.#shown.clear();
  }

  #followMessage(row, status, message, error) {
    const { id } = row;
    if (status === 'sent' || status === 'dropped') {
      this.#own.delete(id);
      if (message) {
        this.add([{ ...message, status: 'sent', clientMessageId: id }]);
      }
      return;
    }
    if (status === 'pending' && this.#own.get(id)?.status === 'failed') {
      // What is tried again goes behind all others.
      this.#own.delete(id);
    }
    this.#own.set(id, optimistic(row, status, error));
  }

  #followChange(row, status, message, error) {
    const { messageId } = row.body;
    const changes = this.#changes.get(messageId) ?? new Map();
    const isTriedAgain = status === 'pending' && changes.get(row.id)?.status === 'failed';
    if (status === 'sent' || status === 'dropped' || isTriedAgain) {
      changes.delete(row.id);
    }
    if (status === 'pending' || status === 'failed') {
      changes.set(row.id, { row, status, error });
    }
    if (changes.size > 0) {
      this.#changes.set(messageId, changes);
    } else {
      this.#changes.delete(messageId);
    }
    if (message) {
      this.update({ ...message, clientMessageId: row.id });
    }
    this.#overlay(messageId);
  }

  /** Takes a newer state of a message that is there. */
  #replace(known, message) {
    if ((message.updatedAt ?? 0) <= (known.updatedAt ?? 0)) {
      return false;
    }
    const { clientMessageId } = known;
    const next = clientMessageId === undefined ? message : { clientMessageId, status: 'sent', ...message };
    this.#stored[this.#stored.indexOf(known)] = next;
    this.#byId.set(next.id, next);
    this.#overlay(next.id);
    return true;
  }

  /** Lays the changes that are on their way over a stored message. The latest says how it stands. */
  #overlay(id) {
    const stored = this.#byId.get(id);
    const changes = [...(this.#changes.get(id)?.values() ?? [])];
    const latest = changes.at(-1);
    if (!stored || !latest) {
      this.#shown.delete(id);
      return;
    }
    const pending = changes.filter(({ status }) => status === 'pending');
    const shown = pending.reduce((message, { row }) => changed(message, row), stored);
    this.#shown.set(id, withStatus(shown, latest.row.id, latest.status, latest.error));
  }
}

/** One's own message as it will be once it is stored. */
export function optimistic({ id, body, owner, addedAt }, status, error) {
  const sub = owner.startsWith('user:') ? owner.slice('user:'.length) : '';
  const { senderId = sub, senderType = 'user', text, attachments } = body;
  const message = { id, senderId, senderType, text, createdAt: addedAt, updatedAt: addedAt };
  return withStatus(attachments ? { ...message, attachments } : message, id, status, error);
}

/** A stored message as it will be once the change is. */
function changed({ attachments, ...message }, { operation, body, addedAt }) {
  if (operation === 'delete') {
    return { ...message, text: '', deletedAt: addedAt };
  }
  if (message.deletedAt !== undefined) {
    // It was deleted meanwhile: nothing brings a text back.
    return message;
  }
  const edited = { ...message, text: body.text, editedAt: addedAt };
  return attachments ? { ...edited, attachments } : edited;
}

function withStatus({ error: _, ...message }, clientMessageId, status, error) {
  const known = { ...message, status, clientMessageId };
  return error ? { ...known, error } : known;
}
