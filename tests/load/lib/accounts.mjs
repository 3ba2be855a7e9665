/**
 * Compares what readers received with what was sent and stored.
 */
import { senderOf } from './keys.mjs';

/**
 * Counts the differences between one reader's list and the messages that were sent.
 *
 * `lost` is the number of stored messages that the reader never received. `doubled` counts repetitions, `strange`
 * messages that nobody sent. `inverted` counts neighbours in the list that stand in the other order in `order`.
 *
 * @param {number[]} received Keys in the order of arrival.
 * @param {object} expected
 * @param {Set<number>} expected.sent Every key that was sent.
 * @param {number} expected.stored How many messages the server stored.
 * @param {number[]} expected.order Keys in the order of the log. Keys that are not in it are not compared.
 */
export function account(received, { sent, stored, order }) {
  const places = new Map(order.map((key, index) => [key, index]));
  const distinct = new Set(received);
  const known = [...distinct].filter((key) => sent.has(key));
  return {
    received: known.length,
    lost: stored - known.length,
    doubled: received.length - distinct.size,
    strange: distinct.size - known.length,
    inverted: descents(known.map((key) => places.get(key))),
  };
}

/**
 * The accounts of all readers of a room. The order of the longest list is the order that all of them must have.
 *
 * @param {number[][]} lists Keys in the order of arrival, one list for each reader.
 * @param {{ sent: number[], stored: number }} expected
 * @returns {{ accounts: object[], order: number[] }}
 */
export function accountsOf(lists, { sent, stored }) {
  const longest = lists.reduce((best, list) => (list.length > best.length ? list : best), []);
  const order = [...new Set(longest)];
  const keys = new Set(sent);
  return { accounts: lists.map((list) => account(list, { sent: keys, stored, order })), order };
}

/** Adds up the accounts of several readers. `received` becomes the smallest of them. */
export function total(accounts) {
  const sum = (name) => accounts.reduce((result, each) => result + each[name], 0);
  return {
    received: Math.min(...accounts.map(({ received }) => received)),
    lost: sum('lost'),
    doubled: sum('doubled'),
    strange: sum('strange'),
    inverted: sum('inverted'),
  };
}

/** Whether a reader received everything once and in order. */
export function isComplete({ lost, doubled, strange, inverted }) {
  return lost === 0 && doubled === 0 && strange === 0 && inverted === 0;
}

/** How many messages in a list come right before one that their sender sent earlier. */
export function sendOrderInversions(keys) {
  const lists = new Map();
  for (const key of keys) {
    const sender = senderOf(key);
    if (!lists.has(sender)) lists.set(sender, []);
    lists.get(sender).push(key);
  }
  return [...lists.values()].reduce((sum, list) => sum + descents(list), 0);
}

/** Places that are followed by a smaller one. Undefined places are left out. */
function descents(places) {
  const known = places.filter((place) => place !== undefined);
  return known.reduce((count, place, index) => count + (place > known[index + 1] ? 1 : 0), 0);
}
