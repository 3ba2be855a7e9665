/**
 * People of an app that was written for the TypeScript SDK: it passes the gateway key, whoever is at the other end.
 *
 * Owns what their tabs asked and warned of, and which transport their clients say they are on. Must not know what a
 * worker answers.
 */
import assert from 'node:assert/strict';
import { startLegacyWorker } from './legacy-worker.mjs';
import { startMiddlebox } from './middlebox.mjs';
import { until } from './waiting.mjs';

/** Two openings of a socket that nobody answers take 15 s each; a question and a first answer follow. */
const NOTICED_MS = 45_000;

/** A worker of the SDK for the present test; a token of the stack's is good there, too. */
export async function newLegacyWorker(stack) {
  return stack.keep(await startLegacyWorker({ gatewayKey: stack.backend.gatewayKey }));
}

/** A way to our Worker that may be barred, for the present test. */
export async function newMiddlebox(stack) {
  return stack.keep(await startMiddlebox(() => stack.backend.url));
}

/**
 * Somebody whose app passes the gateway key. `warnings` and `requests` fill from the page's start on.
 *
 * @param {import('./stack.mjs').Stack} stack
 * @param {string} name
 * @param {string} space
 * @param {object} [options] As `Stack.newPerson`.
 */
export async function newSdkUser(stack, name, space, options) {
  const { gatewayKey } = stack.backend;
  const person = await stack.newPerson(name, space, { gatewayKey, ...options });
  person.gatewayKey = gatewayKey;
  person.warnings = [];
  person.requests = [];
  person.tab.on('console', (message) => {
    if (message.type() === 'warning') person.warnings.push(message.text());
  });
  person.tab.on('request', (request) => person.requests.push(request));
  return person;
}

/** The same, whose app says that the worker is one of the TypeScript SDK. */
export const newLegacyUser = (stack, name, space, options) =>
  newSdkUser(stack, name, space, { legacyWorker: true, ...options });

/** Waits until somebody's client is connected by `transport`, and says so wherever it is asked. */
export async function isOn(person, transport, patienceMs = NOTICED_MS) {
  const is = async () => {
    const { state, transports } = await person.report();
    return state === 'connected' && transports.client === transport && transports.snapshot === transport;
  };
  await until(is, `${person.name} is connected by ${transport}`, patienceMs).catch(async (error) => {
    const { state, transports, states, errors } = await person.report();
    throw new Error(`${error.message}: ${JSON.stringify({ state, transports, states, errors })}`);
  });
}

/** The warnings that tell of a transport; fails if one tells the key. */
export function transportWarnings({ warnings, gatewayKey }) {
  for (const text of warnings) assert.equal(text.includes(gatewayKey), false, 'the key is not told');
  // The browser has warnings of its own; our other one is about a key in a page, whoever is at the other end.
  return warnings.filter((text) => /^kuratchi-spaces: (?!gatewayKey: )/.test(text));
}

/** The URLs of the page's requests that said the key in any way. */
export async function urlsToldTheKey({ requests, gatewayKey }) {
  const urls = [];
  for (const request of requests) {
    const said = JSON.stringify([request.url(), await request.allHeaders(), request.postData()]);
    if (said.includes(gatewayKey)) urls.push(new URL(request.url()));
  }
  return urls;
}
