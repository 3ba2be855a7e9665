/**
 * What one address did lately, for limits: the last `ms` count, and `max` of them are enough.
 *
 * Owns the counting. Must not know what is counted. Behind a proxy all visitors have its address: take theirs from the header
 * that it sets then.
 */

import { isIPv6 } from 'node:net';

/**
 * The network that an address stands for: one subscriber has all addresses of an IPv6 network of 64 bits.
 *
 * @param {string | undefined} address
 */
export function networkOf(address = '') {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, '');
  if (!isIPv6(plain)) return plain;
  const [head, tail = []] = plain.split('::').map((half) => half.split(':').filter(Boolean));
  const zeros = Array(8 - head.length - tail.length).fill('0');
  const groups = plain.includes('::') ? [...head, ...zeros, ...tail] : head;
  return groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':');
}

/** So many addresses are remembered, those that came last. */
const ADDRESSES_MAX = 10_000;

export class PerAddress {
  #max;
  #ms;
  /** Times by address; who counted last stands last. */
  #times = new Map();

  constructor({ max, ms }) {
    this.#max = max;
    this.#ms = ms;
  }

  /** Whether that address has had its share. */
  isOver(address) {
    return this.#lately(networkOf(address)).length >= this.#max;
  }

  count(address) {
    const network = networkOf(address);
    const times = [...this.#lately(network), Date.now()];
    this.#times.delete(network);
    this.#times.set(network, times);
    if (this.#times.size > ADDRESSES_MAX) this.#times.delete(this.#times.keys().next().value);
  }

  /** What was counted last does not count. */
  takeBack(address) {
    this.#times.get(networkOf(address))?.pop();
  }

  #lately(network) {
    return (this.#times.get(network) ?? []).filter((at) => at > Date.now() - this.#ms);
  }
}
