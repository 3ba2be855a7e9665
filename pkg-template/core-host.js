/**
 * The host: what the core asks of the world around it, and what it tells.
 *
 * Owns the way of each piece of news: into the store first, then to whoever listens. The core tells one thing at a
 * time, with nothing of it borrowed, so that every function here may call it again. Must not know how the core is
 * loaded, called or ended.
 */

import { readText } from './answer.js';
import { ChatError } from './errors.js';
import { updateOf } from './message-update.js';

/** States in which there is no link, and none is being made. */
const WITHOUT_LINK = ['idle', 'failed'];

/**
 * Makes the host of one client.
 *
 * @param {object} client
 * @param {() => string | Function | undefined} client.spaceToken What the app gave last.
 * @param {import('./store.js').Store} client.store
 * @param {import('./events.js').Events} client.events
 * @param {import('./outbox.js').Outbox} client.outbox
 * @param {() => boolean} client.isOver Whether the client was closed or died: its core may still have news to tell.
 * @param {(connected: boolean) => void} client.setConnected
 * @param {(state: object) => void} client.setState
 * @param {(message: object) => void} client.tellUpdate
 * @param {(reason: string) => void} client.tellDiscontinuity
 * @param {(error: Error) => void} client.tellError
 */
export function createHost({ spaceToken, store, events, outbox, isOver, ...client }) {
  const hears =
    (tell) =>
    (...values) => {
      if (!isOver()) {
        tell(...values);
      }
    };
  return {
    // A function's token comes by a promise, always: a text that comes at once is known to be the only one.
    token: (fresh) => {
      const source = spaceToken();
      return typeof source === 'function' ? (async () => source({ fresh }))() : source;
    },
    readText,
    error: (code, message, retryable, field, status) => {
      const error = new ChatError(message, { code, retryable, field });
      return status === undefined ? error : Object.assign(error, { status });
    },
    onMessage: hears((message) => {
      store.addMessages([message]);
      events.emit('message', message);
    }),
    onUpdate: hears((message) => client.tellUpdate(message)),
    onOutbox: hears((news) => {
      store.followOutbox(news);
      const update = updateOf(news, store.find(news.row.body.messageId));
      if (update) {
        events.emit('messageUpdate', update);
      }
    }),
    onConnectionChange: hears((connected) => client.setConnected(connected)),
    onState: hears((state) => {
      outbox.setWanted(!WITHOUT_LINK.includes(state.state));
      const { retryInMs } = state;
      client.setState(retryInMs === undefined ? state : { ...state, retryAt: Date.now() + retryInMs });
    }),
    onTyping: hears((userId, isTyping) => {
      store.setTyping(userId, isTyping);
      events.emit('typing', userId, isTyping);
    }),
    onPresence: hears((users) => {
      store.setPresence(users);
      events.emit('presence', users);
    }),
    onParticipant: hears((participant) => events.emit('participant', participant)),
    onMetadata: hears((changes) => events.emit('metadata', changes)),
    onDiscontinuity: hears((reason) => client.tellDiscontinuity(reason)),
    onError: hears((error) => client.tellError(error)),
    loadOutbox: () => outbox.load(),
    reclaimOutbox: () => outbox.reclaim(),
    onIdentified: (isKnown) => outbox.identified(isKnown),
    putRow: (row) => outbox.put(row),
    removeRow: (id) => outbox.remove(id),
    clearRows: () => outbox.clear(),
  };
}
