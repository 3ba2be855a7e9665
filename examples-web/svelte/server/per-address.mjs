/**
 * What one address did lately, for limits: the last `ms` count, and `max` of them are enough.
 *
 * Owns the counting. Must not know what is counted. Behind a proxy all visitors have its address: take theirs from the header
 * that it sets then.
 */

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
    return this.#lately(address).length >= this.#max;
  }

  count(address) {
    const times = [...this.#lately(address), Date.now()];
    this.#times.delete(address);
    this.#times.set(address, times);
    if (this.#times.size > ADDRESSES_MAX) this.#times.delete(this.#times.keys().next().value);
  }

  #lately(address) {
    return (this.#times.get(address) ?? []).filter((at) => at > Date.now() - this.#ms);
  }
}
