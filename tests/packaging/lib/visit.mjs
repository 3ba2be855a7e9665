/**
 * What every project does with the package: enter a space, send a message and see it arrive.
 *
 * Owns that one visit, as source text that goes into the projects: they import nothing but the package.
 */

/** Longer than a connection and a message take on a slow machine. */
const VISIT_MS_MAX = 15_000;

/**
 * Source of `visit(client, config)`, a function that resolves with `{ live, stored, history }`: the text that
 * `onMessage` told, the one that the Worker says it stored, and those that the Worker has.
 */
export const VISIT = `
export async function visit(client, config) {
  const text = 'Hello, ' + config.spaceId;
  let space;
  try {
    const live = new Promise((resolve, reject) => {
      setTimeout(() => reject(new Error('no message within ${VISIT_MS_MAX} ms')), ${VISIT_MS_MAX}).unref?.();
      space = client({ ...config, onMessage: (message) => resolve(message.text) });
    });
    await space.connect({ timeoutMs: ${VISIT_MS_MAX} });
    const stored = await space.sendMessage({ senderId: 'ada', senderType: 'user', text }, { until: 'stored' });
    const history = await space.getMessages();
    return { live: await live, stored: stored.text, history: history.map((message) => message.text) };
  } finally {
    space?.close();
  }
}
`;

/** What a visit of the space gives. */
export function expectedVisit({ spaceId }) {
  const text = `Hello, ${spaceId}`;
  return { live: text, stored: text, history: [text] };
}
