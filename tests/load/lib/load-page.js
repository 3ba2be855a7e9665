/**
 * Our client in a page, with a count of what its callbacks received. Runs in the browser; page.mjs drives it.
 */
import * as spaces from '/kuratchi-spaces/index.js';
import { keyOf } from '/load/keys.mjs';

/** Keys of the messages that `onMessage` received, in the order of arrival. */
const received = [];
/** Changes of the link's state: `{state, reason, at}`, with `Date.now()`. */
const states = [];
const discontinuities = [];
const errors = [];
/** When the last message came, as `Date.now()` has it. */
let lastAt;

globalThis.load = {
  /** Connects; resolves when the client is connected. */
  async connect({ spaceId, spaceToken, workerUrl }) {
    const client = spaces.client({
      spaceId,
      spaceToken,
      workerUrl,
      onMessage({ text }) {
        lastAt = Date.now();
        const key = keyOf(text);
        if (key !== undefined) received.push(key);
      },
      onStateChange: ({ state, reason }) => states.push({ state, reason: reason?.code, at: Date.now() }),
      onDiscontinuity: (reason) => discontinuities.push(reason),
      onError: ({ code }) => errors.push(code),
    });
    await client.connect();
    states.length = 0;
  },
  /** Small enough to be asked for many times a second. */
  progress: () => ({ count: received.length, lastKey: received.at(-1), state: states.at(-1)?.state }),
  report: () => ({ received, states, discontinuities, errors, lastAt }),
};

globalThis.isReady = true;
