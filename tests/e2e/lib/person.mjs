/**
 * Somebody who chats, from outside: a tab, a network of their own, and what they said and saw.
 *
 * Owns what has to outlive a page: texts that were sent before a reload stay sent. person-page.js is its half in
 * the browser. A tab is anything with `goto`, `reload` and `evaluate` as Playwright has them.
 */
import assert from 'node:assert/strict';
import { sleep, until } from './waiting.mjs';

/** Long enough for whatever comes twice or late to show itself, once everything is there. */
const QUIET_MS = 500;
/** A slow link of few bytes a slice takes half a minute on a busy machine. What is missing for good costs this once. */
const SETTLED_MS_MAX = 90_000;

export class Person {
  name;
  tab;
  /** The network between this person and the Worker. */
  network;
  #options;
  #pageUrl;
  /** Of pages that are gone. */
  #sent = [];
  #accepted = [];

  /**
   * @param {string} name
   * @param {object} tab
   * @param {{ pageUrl: string, network: object, options: object }} where `options` as the page's own `Person`.
   */
  constructor(name, tab, { pageUrl, network, options }) {
    this.name = name;
    this.tab = tab;
    this.network = network;
    this.#pageUrl = pageUrl;
    this.#options = { workerUrl: network.url, ...options };
  }

  /** Opens the page and makes a client; resolves when it has joined. */
  async arrive() {
    await this.open();
    await this.join();
  }

  /** Connects and loads the history, on a page that is open. */
  join() {
    return this.tab.evaluate(() => globalThis.person.arrive());
  }

  /** Opens the page and makes a client, which starts to connect: the network may be down. */
  async come() {
    await this.open();
    await this.tab.evaluate(() => {
      globalThis.person.arrive();
    });
  }

  /** Opens the page and makes a client, and no more. */
  async open() {
    await this.tab.goto(this.#pageUrl);
    await until(() => this.tab.evaluate(() => globalThis.isReady === true), 'the page is there');
    await this.tab.evaluate((options) => globalThis.newPerson(options), this.#options);
  }

  /** `count` texts that nobody else says, the first being number `from`. */
  texts(count, from = 0) {
    return Array.from({ length: count }, (_, index) => `${this.name} ${from + index}`);
  }

  /** Says texts at once; resolves when each is stored, kept or refused. */
  say(...texts) {
    return this.tab.evaluate((texts) => globalThis.person.say(texts), texts);
  }

  /** Starts to say a text each `everyMs`. */
  talk(texts, everyMs) {
    return this.tab.evaluate(([texts, everyMs]) => globalThis.person.talk(texts, everyMs), [texts, everyMs]);
  }

  /** Resolves when all of `talk` is said, whatever became of it. */
  talked() {
    return this.tab.evaluate(() => globalThis.person.talked());
  }

  /** What the page says of itself, with what was said in pages before it. */
  async report() {
    const now = await this.tab.evaluate(() => globalThis.person.report());
    return {
      ...now,
      sent: [...this.#sent, ...now.sent],
      accepted: [...new Set([...this.#accepted, ...now.accepted])],
    };
  }

  /**
   * What this tab's pages said, those that are gone included, of somebody who is `recorded`: texts that were sent, and
   * those whose promise resolved with a message (`stored`) or with nothing (`kept`).
   */
  record() {
    return this.tab.evaluate(() => {
      const { readRecord } = globalThis;
      return { sent: readRecord('sent'), stored: readRecord('stored'), kept: readRecord('kept') };
    });
  }

  /** Remembers what was said, before the page goes. */
  async remember() {
    const { sent, accepted } = await this.report();
    return this.inherit({ sent, accepted });
  }

  /** What was said in pages that are gone. */
  get past() {
    return { sent: this.#sent, accepted: this.#accepted };
  }

  /** Goes on for somebody whose page is gone, after `remember()`. */
  inherit({ sent, accepted }) {
    this.#sent = sent;
    this.#accepted = accepted;
    return this;
  }

  async sees(text) {
    await until(async () => (await this.report()).shown.includes(text), `${this.name} sees ${text}`);
  }

  /** Waits until the client is in a state. */
  async is(state, patienceMs) {
    await until(async () => (await this.report()).state === state, `${this.name} is ${state}`, patienceMs);
  }
}

/**
 * Waits until everybody shows what was sent, by them or as the ledger knows already; enters all that they sent and
 * show into the ledger, adds what their networks did, and closes it.
 *
 * @param {import('./ledger.mjs').Ledger} ledger
 * @param {Person[]} people
 * @param {{ patienceMs?: number }} [options]
 * @returns {Promise<object[]>} What each reported in the end.
 */
export async function settle(ledger, people, { patienceMs = SETTLED_MS_MAX } = {}) {
  const reports = () => Promise.all(people.map((person) => person.report()));
  const isThrough = (all) => {
    const due = new Set([...ledger.due, ...all.flatMap((report) => report.sent)]);
    return all.every(
      ({ shown, unsettled }) => unsettled === 0 && [...due].every((text) => shown.includes(text)),
    );
  };
  // What is missing for good is the ledger's to tell, in figures.
  await until(async () => isThrough(await reports()), 'everybody shows everything', patienceMs).catch(
    (error) => console.log(error.message),
  );
  await sleep(QUIET_MS);
  const networks = new Set(people.map(({ network }) => network));
  for (const network of networks) ledger.faults(network.faults);
  const all = await reports();
  for (const [index, person] of people.entries()) {
    const { sent, accepted, shown, stored, failed, storeDoubles } = all[index];
    assert.deepEqual(failed, [], `${person.name} was refused nothing`);
    assert.equal(storeDoubles, 0, `${person.name}'s store never told of a text that it shows twice`);
    ledger.send(person.name, ...sent);
    ledger.accept(...accepted);
    ledger.show(person.name, shown);
    ledger.show(`${person.name}'s store`, stored);
  }
  ledger.close();
  return all;
}
