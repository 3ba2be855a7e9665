/**
 * The messages that a view shows: stored ones in the order of the log, then one's own that are on their way.
 *
 * Owns the merging of live messages, pages of history, updates and the outbox, so that a message stands there once,
 * whichever of them tells of it first. What is on its way is laid over what is stored, and falls away again. Must
 * not know who looks at the list. An entry stays the same object until it changes.
 */

/**
 * How much of what is stored a list keeps; beyond it the oldest go, because memory has to end somewhere.
 *
 * @typedef {object} Limits
 * @property {number} messages
 * @property {number} bytes As {@link weightOf} counts them.
 */

/** What a message weighs beside what is in it, in bytes. */
const ENTRY_BYTES = 128;
/** The same for an object or a list in it: an attachment, and whatever else a server puts there. */
const PART_BYTES = 512;
/** What a value weighs that has a name, with the name; and one in a list. */
const FIELD_BYTES = 32;
const ITEM_BYTES = 16;
/** Names of up to so many characters are in {@link FIELD_BYTES}. */
const NAME_CHARACTERS = 16;
/** An engine keeps a character in one or two. */
const CHARACTER_BYTES = 2;

/**
 * About how much memory a message takes, in bytes. Whatever is in it counts, however deep it lies: the parts stand in a
 * list, because what a server sends may be nested deeper than calls may be.
 */
export function weightOf(message) {
  let bytes = ENTRY_BYTES;
  const parts = [message];
  const weigh = (value) => {
    if (typeof value === 'string') {
      bytes += CHARACTER_BYTES * value.length;
    } else if (typeof value === 'object' && value !== null) {
      bytes += PART_BYTES;
      parts.push(value);
    }
  };
  for (let part = parts.pop(); part !== undefined; part = parts.pop()) {
    if (Array.isArray(part)) {
      bytes += ITEM_BYTES * part.length;
      for (const item of part) weigh(item);
    } else {
      for (const [name, value] of Object.entries(part)) {
        bytes += FIELD_BYTES + (name.length > NAME_CHARACTERS ? CHARACTER_BYTES * name.length : 0);
        weigh(value);
      }
    }
  }
  return bytes;
}

/** Messages in the order of the log. Other servers' messages have no `seq`: their time has to do. */
function compare(a, b) {
  return a.seq - b.seq || a.createdAt - b.createdAt || 0;
}

/** Whether this is a later state of the same message, or the first that is known. */
function isNewer(message, known) {
  return known === undefined || (message.updatedAt ?? 0) > (known.updatedAt ?? 0);
}

/** See the module's text. */
export class MessageList {
  /** Stored messages in order. */
  #stored = [];
  /** The same by id. */
  #byId = new Map();
  /**
   * Ids of one's own messages that were confirmed by a server that gives no `seq`, and not told yet: only then it shows
   * whether others of the same time stand before them.
   */
  #untold = new Set();
  /** One's own messages in the order of the outbox, by the sender's id; undefined for a place that is kept free. */
  #own = new Map();
  /** Keys of stored messages of one's own that are shown by the sender's id. No other message is shown by one of them. */
  #keys = new Set();
  /** Those that came from the store, in their order: when each was added. */
  #restored = [];
  /**
   * By message id, and by the sender's for one's own on its way: edits and deletions in the order of the outbox, by the
   * sender's id.
   */
  #changes = new Map();
  /** By the same ids: what is shown in place of a message with changes. */
  #shown = new Map();
  /** What the stored messages weigh together. */
  #bytes = 0;
  /** What the message weighs that was dropped last: the next older one, for which there was no room. */
  #droppedBytes = 0;
  #limits;
  #onDropped;

  /**
   * @param {Limits} limits
   * @param {() => void} [onDropped] Called when some of the oldest had to go.
   */
  constructor(limits, onDropped = () => {}) {
    this.#limits = limits;
    this.#onDropped = onDropped;
  }

  /** Other limits, from now on. What is too much goes with the next message. */
  setLimits(limits) {
    this.#limits = limits;
  }

  /** Whether anything stored is in it. */
  get isEmpty() {
    return this.#stored.length === 0;
  }

  /** Whether something of one's own is on its way. */
  get hasWaiting() {
    const isPending = (entry) => entry?.status === 'pending';
    const changes = [...this.#changes.values()].flatMap((ofOne) => [...ofOne.values()]);
    return [...this.#own.values(), ...changes].some(isPending);
  }

  /** How many stored messages are in it. */
  get size() {
    return this.#stored.length;
  }

  /** The oldest stored message. */
  get oldest() {
    return this.#stored[0];
  }

  /** Whether the oldest go when more are added. */
  get isFull() {
    const { messages, bytes } = this.#limits;
    return this.#stored.length >= messages || this.#bytes + this.#droppedBytes > bytes;
  }

  /** What a view shows: one copy, however many changes there were since the last. */
  view() {
    const view = this.#stored.slice();
    for (const [id, shown] of this.#shown) {
      const stored = this.#byId.get(id);
      if (stored) {
        view[this.#indexOf(stored)] = shown;
      }
    }
    for (const [id, own] of this.#own) {
      if (own) {
        view.push(this.#shown.get(id) ?? own);
      }
    }
    return view;
  }

  /** What is shown of the message with this id, or of one's own on its way with this id of the sender's. */
  find(id) {
    return this.#shown.get(id) ?? this.#byId.get(id) ?? this.#own.get(id);
  }

  /**
   * Merges stored messages in, live ones and pages alike.
   *
   * @returns {{ isChanged: boolean, added: number }} How many were not there.
   */
  add(messages) {
    let isChanged = false;
    let moved = 0;
    const fresh = new Map();
    for (const message of messages) {
      const known = this.#byId.get(message.id);
      if (known && this.#untold.delete(message.id)) {
        fresh.set(message.id, this.#takeOut(known, message));
        moved += 1;
      } else if (known) {
        isChanged = this.#replace(known, message) || isChanged;
      } else if (!this.#isTaken(message.id) && isNewer(message, fresh.get(message.id))) {
        fresh.set(message.id, message);
      }
    }
    const news = [...fresh.values()];
    this.#join(news);
    for (const message of news) {
      this.#byId.set(message.id, message);
      this.#bytes += weightOf(message);
      this.#overlay(message.id);
    }
    this.#dropOldest();
    return { isChanged: isChanged || news.length > 0, added: news.length - moved };
  }

  /**
   * Whether a row of one's own is shown by this id. No honest server gives it to another message, and two rows with one key are
   * an error in Svelte.
   */
  #isTaken(id) {
    return this.#own.has(id) || this.#keys.has(id);
  }

  /** Keeps the limits. The newest message stays, however long it is. */
  #dropOldest() {
    let count = Math.max(0, this.#stored.length - this.#limits.messages);
    let freed = 0;
    for (const message of this.#stored.slice(0, count)) {
      freed += weightOf(message);
    }
    while (this.#bytes - freed > this.#limits.bytes && count < this.#stored.length - 1) {
      freed += weightOf(this.#stored[count]);
      count += 1;
    }
    this.#bytes -= freed;
    const dropped = this.#stored.splice(0, count);
    for (const { id, key } of dropped) {
      this.#keys.delete(key);
      this.#byId.delete(id);
      this.#shown.delete(id);
      this.#untold.delete(id);
    }
    if (count > 0) {
      this.#droppedBytes = weightOf(dropped.at(-1));
      this.#onDropped();
    }
  }

  /** Takes the present state of a stored message that was edited or deleted. Gives whether that changed something. */
  update(message) {
    const known = this.#byId.get(message.id);
    const isChanged = known !== undefined && this.#replace(known, message);
    // An edit may be longer than what it replaces.
    this.#dropOldest();
    return isChanged;
  }

  /**
   * Keeps places free for rows of the store, each where the core has it in its queue: before all that was added here, after
   * older ones that came from the store before.
   */
  reserve(rows) {
    const lastOf = new Map();
    const indexOf = (id) => this.#restored.findIndex((one) => one.id === id);
    for (const { id, operation, addedAt, scope } of rows) {
      if (operation !== 'message' || this.#own.has(id)) continue;
      // Rows of one tab keep their order, whatever the clock did.
      const from = indexOf(lastOf.get(scope)) + 1;
      const later = this.#restored.findIndex((one, index) => index >= from && one.addedAt > addedAt);
      this.#restored.splice(later < 0 ? this.#restored.length : later, 0, { id, addedAt });
      lastOf.set(scope, id);
    }
    this.#own = new Map([...this.#restored.map(({ id }) => [id, this.#own.get(id)]), ...this.#own]);
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
    this.#bytes = 0;
    this.#droppedBytes = 0;
    this.#byId.clear();
    this.#keys.clear();
    this.#shown.clear();
    this.#untold.clear();
    for (const id of this.#own.keys()) this.#overlay(id);
  }

  #followMessage(row, status, message, error) {
    const { id } = row;
    if (status === 'sent' || status === 'dropped') {
      this.#remove(id);
      this.#moveChanges(id, message?.id);
      if (message) {
        if (message.id !== id) {
          this.#free(id);
          this.#keys.add(id);
        }
        const isKnown = this.#byId.has(message.id);
        // Until now its id was the outbox's; a view keeps its row by that.
        this.add([{ ...message, status: 'sent', clientMessageId: id, key: id }]);
        if (!isKnown && message.seq === undefined) {
          this.#untold.add(message.id);
        }
      }
      return;
    }
    if (status === 'pending' && this.#own.get(id)?.status === 'failed') {
      // What is tried again goes behind all others.
      this.#remove(id);
    }
    this.#free(id);
    this.#own.set(id, optimistic(row, status, error));
    this.#overlay(id);
  }

  /** Takes a stored message out whose id is one that was made here. */
  #free(id) {
    const known = this.#byId.get(id);
    if (!known) return;
    this.#stored.splice(this.#indexOf(known), 1);
    this.#bytes -= weightOf(known);
    this.#byId.delete(id);
    this.#shown.delete(id);
    this.#untold.delete(id);
  }

  #remove(id) {
    this.#own.delete(id);
    this.#restored = this.#restored.filter((one) => one.id !== id);
  }

  /** What changes one's own message, which is stored as `messageId`, changes that; without it nothing is known of it yet. */
  #moveChanges(id, messageId) {
    const changes = this.#changes.get(id);
    this.#changes.delete(id);
    this.#shown.delete(id);
    if (changes && messageId !== undefined) {
      this.#changes.set(messageId, new Map([...(this.#changes.get(messageId) ?? []), ...changes]));
      this.#overlay(messageId);
    }
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
      this.update(message);
    }
    this.#overlay(messageId);
  }

  /**
   * Puts messages in their places. Only what comes after the first of them is touched: live messages belong to the end, or
   * right before one's own, which is told by its ack while a long window is still being worked off.
   */
  #join(news) {
    news.sort(compare);
    const [first] = news;
    if (first === undefined) {
      return;
    }
    const index = this.#countWhere((stored) => compare(stored, first) <= 0);
    if (news.length === 1) {
      // However a server numbers its messages, each takes a place and sorts nothing anew.
      this.#stored.splice(index, 0, first);
      return;
    }
    const after = this.#stored.splice(index);
    for (const message of after.concat(news).sort(compare)) {
      this.#stored.push(message);
    }
  }

  /** Where a stored message stands. */
  #indexOf(message) {
    const from = this.#countWhere((stored) => compare(stored, message) < 0);
    // Several may share a time, where the time is all there is.
    const index = this.#stored.indexOf(message, from);
    return index === -1 ? this.#stored.indexOf(message) : index;
  }

  /** How many stored messages stand before a place: `isBefore` holds for them, and for none behind them. */
  #countWhere(isBefore) {
    let low = 0;
    let high = this.#stored.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (isBefore(this.#stored[middle])) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }

  /** Takes a message out of its place, to be put where it stands among those it is told with. */
  #takeOut(known, message) {
    this.#replace(known, message);
    const latest = this.#byId.get(known.id);
    this.#free(known.id);
    return latest;
  }

  /** Takes a newer state of a message that is there. */
  #replace(known, message) {
    if (!isNewer(message, known)) {
      return false;
    }
    const { clientMessageId, key } = known;
    const next =
      clientMessageId === undefined ? message : { clientMessageId, key, status: 'sent', ...message };
    this.#stored[this.#indexOf(known)] = next;
    this.#bytes += weightOf(next) - weightOf(known);
    this.#byId.set(next.id, next);
    this.#overlay(next.id);
    return true;
  }

  /** Lays the changes that are on their way over a message. Of a stored one the latest says how it stands. */
  #overlay(id) {
    const own = this.#own.get(id);
    const known = this.#byId.get(id) ?? own;
    const changes = [...(this.#changes.get(id)?.values() ?? [])];
    const latest = changes.at(-1);
    if (!known || !latest) {
      this.#shown.delete(id);
      return;
    }
    const pending = changes.filter(({ status }) => status === 'pending');
    const shown = pending.reduce((message, { row }) => changed(message, row), known);
    const isOwn = known === own;
    this.#shown.set(id, isOwn ? shown : withStatus(shown, latest.row.id, latest.status, latest.error));
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
