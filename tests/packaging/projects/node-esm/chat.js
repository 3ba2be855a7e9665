/** Enters a space, says something and hears it: what came live, what was stored, and what the space has. */
export async function chat(client, config) {
  let space;
  try {
    const live = new Promise((resolve) => {
      space = client({ ...config, onMessage: (message) => resolve(message.text) });
    });
    await space.connect({ timeoutMs: 15_000 });
    const said = { senderId: 'ada', senderType: 'user', text: `Hello, ${config.spaceId}` };
    const stored = await space.sendMessage(said, { until: 'stored' });
    const history = await space.getMessages();
    return { live: await live, stored: stored.text, history: history.map((message) => message.text) };
  } finally {
    space?.close();
  }
}
