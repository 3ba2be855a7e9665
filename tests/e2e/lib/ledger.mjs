/**
 * What was sent, what was shown, and what is wrong between the two.
 *
 * Owns the counting and the verdict. Must not know how anything was sent or shown: it gets texts, each of
 * which stands for one message, and the observers' views as they were at the end.
 */
import assert from 'node:assert/strict';
import { appendFileSync } from 'node:fs';

export class Ledger {
  #name;
  /** Sender → texts, in the order of sending. */
  #sent = new Map();
  #accepted = new Set();
  #interrupted = new Set();
  #faults = new Map();
  /** Observer → texts, in the order shown. */
  #shown = new Map();

  /** @param {string} name What happens to the messages. */
  constructor(name) {
    this.#name = name;
  }

  /** Somebody sent texts, after those that they sent before. */
  send(sender, ...texts) {
    this.#sent.set(sender, [...(this.#sent.get(sender) ?? []), ...texts]);
  }

  /** The client took texts from their sender: its promises resolved, with a message or with nothing. */
  accept(...texts) {
    for (const text of texts) this.#accepted.add(text);
  }

  /** The page went while texts were sent: each may be shown or not, unless it was accepted. */
  interrupt(...texts) {
    for (const text of texts) this.#interrupted.add(text);
  }

  /** Something went wrong on purpose, `times` times. */
  fault(kind, times = 1) {
    this.#faults.set(kind, (this.#faults.get(kind) ?? 0) + times);
  }

  /** Adds what a network counted. */
  faults(counts) {
    for (const [kind, times] of Object.entries(counts)) if (times > 0) this.fault(kind, times);
  }

  /** What an observer shows in the end, in that order. */
  show(observer, texts) {
    this.#shown.set(observer, texts);
  }

  /** Every text that was sent. */
  get texts() {
    return [...this.#sent.values()].flat();
  }

  /** Every text that has to be shown: those that were sent, without those that an end of their page excuses. */
  get due() {
    return this.texts.filter((text) => this.#accepted.has(text) || !this.#interrupted.has(text));
  }

  /**
   * The figures. `strange` counts texts that are shown or accepted and were never sent. `outOfOrder` counts texts that stand before one that their sender sent earlier, and those that
   * two observers show in different order.
   */
  balance() {
    const { texts: sent, due } = this;
    const views = [...this.#shown.values()];
    const sum = (count) => views.reduce((total, view) => total + count(view), 0);
    return {
      test: this.#name,
      sent: sent.length,
      accepted: this.#accepted.size,
      faults: Object.fromEntries(this.#faults),
      shown: views.map((view) => view.length),
      lost: sum((view) => due.filter((text) => !view.includes(text)).length),
      doubled: sum((view) => view.length - new Set(view).size),
      strange: [...views, [...this.#accepted]].flat().filter((text) => !sent.includes(text)).length,
      outOfOrder:
        sum((view) => [...this.#sent.values()].reduce((n, texts) => n + descents(texts, view).length, 0)) +
        views.slice(1).reduce((n, view) => n + descents([...new Set(views[0])], view).length, 0),
    };
  }

  /** Prints the figures, hands them to the runner if there is one, and verifies them. */
  close() {
    const balance = this.balance();
    console.log(line(balance));
    const { KURATCHI_LEDGERS_FILE: file } = process.env;
    if (file) appendFileSync(file, `${JSON.stringify(balance)}\n`);
    this.verify();
  }

  /** Fails unless all see what is due, and nothing twice, in one order, though something went wrong. */
  verify() {
    const balance = this.balance();
    const { sent, accepted, faults, shown, lost, doubled, strange, outOfOrder } = balance;
    assert.deepEqual(
      { lost, doubled, strange, outOfOrder },
      { lost: 0, doubled: 0, strange: 0, outOfOrder: 0 },
      `${line(balance)}\n${this.#evidence()}`,
    );
    assert.ok(sent > 0, 'nothing was sent');
    assert.ok(accepted > 0, 'nothing was accepted');
    assert.ok(total(faults) > 0, 'nothing went wrong, so nothing was shown');
    assert.ok(shown.length >= 2, 'there must be two observers at least');
  }

  /** Who misses what, has what twice, and shows what where it does not belong: the first few of each. */
  #evidence() {
    const { due } = this;
    const [first = []] = this.#shown.values();
    const orders = [...this.#sent.values(), [...new Set(first)]];
    return [...this.#shown]
      .map(([observer, view]) => {
        const some = (texts) => texts.slice(0, 5).join(', ') || 'none';
        const lost = due.filter((text) => !view.includes(text));
        const doubled = view.filter((text, index) => view.indexOf(text) !== index);
        const early = orders.flatMap((texts) => descents(texts, view));
        return (
          `${observer} lacks ${some(lost)}; has twice ${some(doubled)}; too early ${some(early)}; ` +
          `ends with ${some(view.slice(-5))}`
        );
      })
      .join('\n');
  }
}

/** One line for people. */
function line({ test, sent, accepted, faults, shown, lost, doubled, outOfOrder }) {
  const kinds = Object.entries(faults).map(([kind, times]) => `${kind} ${times}`);
  return (
    `ledger: ${test}: sent ${sent}, acked ${accepted}, faults ${total(faults)} (${kinds.join(', ')}), ` +
    `shown ${perView(shown)}, lost ${lost}, doubled ${doubled}, out of order ${outOfOrder}`
  );
}

/** How much each view shows: one figure where all agree. */
export function perView(shown) {
  const [first] = shown;
  return shown.every((count) => count === first) ? `${first} × ${shown.length}` : shown.join('+');
}

/** How often anything went wrong. */
export function total(faults) {
  return Object.values(faults).reduce((sum, times) => sum + times, 0);
}

/** Those of `texts` that stand in `view` right before one that comes earlier in `texts`, others left out. */
function descents(texts, view) {
  const places = new Map(texts.map((text, index) => [text, index]));
  const seen = [...new Set(view)].map((text) => places.get(text)).filter((place) => place !== undefined);
  const early = seen.filter((place, index) => place > seen[index + 1]);
  return early.map((place) => texts[place]);
}
