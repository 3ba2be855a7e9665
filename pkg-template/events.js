/**
 * Events: the callbacks of the config and the listeners added later.
 *
 * Owns who is called and in which order. Must not know what the events are about. A listener that throws is
 * reported as an uncaught exception would be; the others still run, and so does the caller.
 */

/** For each event, the callback of the config that hears it. */
export const CALLBACK_OF = {
  message: 'onMessage',
  messageUpdate: 'onMessageUpdate',
  typing: 'onTyping',
  connectionChange: 'onConnectionChange',
  error: 'onError',
  stateChange: 'onStateChange',
  presence: 'onPresence',
  participant: 'onParticipant',
  metadata: 'onMetadata',
  discontinuity: 'onDiscontinuity',
};

/** Keeps listeners per event and calls them. */
export class Events {
  #listeners = new Map();

  /**
   * Adds a listener.
   *
   * @returns {() => void} Removes it again; calling it twice does no harm.
   */
  on(event, listener) {
    // Two additions of one function are two listeners, so that one's removal does not silence the other.
    const entry = { listener };
    const entries = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, entries.add(entry));
    return () => {
      entries.delete(entry);
    };
  }

  /** Calls those who listen now; one that is removed meanwhile is not called, one that is added waits. */
  emit(event, ...values) {
    const entries = this.#listeners.get(event);
    for (const entry of [...(entries ?? [])]) {
      if (entries.has(entry)) {
        callSafely(entry.listener, ...values);
      }
    }
  }

  /** Whether anybody listens. */
  hears(event) {
    return (this.#listeners.get(event)?.size ?? 0) > 0;
  }

  /** Forgets all listeners. */
  clear() {
    for (const entries of this.#listeners.values()) {
      entries.clear();
    }
  }
}

/** Calls a function of the app, and reports what it throws. */
export function callSafely(listener, ...values) {
  try {
    listener(...values);
  } catch (error) {
    if (typeof reportError === 'function') {
      reportError(error);
    } else {
      setTimeout(() => {
        throw error;
      });
    }
  }
}
