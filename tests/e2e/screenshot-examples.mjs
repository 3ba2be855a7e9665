/**
 * Takes the pictures of the examples: the team room and the support widget, each with a conversation in it.
 *
 * Run by hand, `node tests/e2e/screenshot-examples.mjs react` or `svelte`, after `npm test` has built everything.
 */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { serveExample } from '../../scripts/lib/example.mjs';
import { ROOT } from '../../scripts/lib/paths.mjs';
import { runMain, UserError } from '../../scripts/lib/process.mjs';
import { Stack } from './lib/stack.mjs';
import { DeskPage, ShopPage } from './lib/support-pages.mjs';
import { TeamPage } from './lib/team-page.mjs';

const DESKTOP = { viewport: { width: 1120, height: 700 }, deviceScaleFactor: 1, colorScheme: 'light' };
const PASSWORD = 'for the picture';

const PICTURES = {
  async react(stack, url) {
    const ada = new TeamPage(await stack.newTab(DESKTOP), url);
    const grace = new TeamPage(await stack.newTab(DESKTOP), url);
    await ada.enter('Ada Lovelace', 'Lighthouse');
    await grace.enter('Grace Hopper', 'Lighthouse');
    await stack.newPeer('Lighthouse/product', 'Alan-0123456789ab').post('The new lamp is in');
    const lines = [
      [ada, 'Good morning! Who has seen the new lens?'],
      [grace, 'I have. It throws the light three miles further.'],
      [grace, 'And it is quiet.'],
      [ada, 'Then we ship it on Thursday'],
      [grace, 'Thursday it is. I will write the notes tonight.'],
    ];
    await talk(lines, [ada, grace]);
    await grace.message.pressSequentially('One more');
    await ada.typing.getByText('Grace Hopper is typing…').waitFor();
    await ada.room('Product 1 new').waitFor();
    return { tab: ada.tab, file: 'team-room.png' };
  },

  async svelte(stack, url) {
    const visitor = new ShopPage(await stack.newTab(DESKTOP), url);
    const agent = new DeskPage(await stack.newTab(DESKTOP), url);
    await visitor.visit();
    await visitor.open();
    const { name } = await visitor.name();
    await agent.signIn('Rosa', PASSWORD);
    await agent.entry(name).click();
    const lines = [
      [visitor, 'My fern turns yellow. What does it want?'],
      [agent, 'Most likely less water and more air.'],
      [visitor, 'I water it every day'],
      [agent, 'Once a week will do. The new leaves come green.'],
    ];
    await talk(lines, [visitor, agent]);
    await agent.field.pressSequentially('And');
    await visitor.tab.getByText('Rosa is typing…').waitFor();
    return { tab: visitor.tab, file: 'support-widget.png' };
  },
};

runMain(async () => {
  const [name] = process.argv.slice(2);
  if (!Object.hasOwn(PICTURES, name ?? '')) throw new UserError('Which picture: react or svelte?');
  process.env.AGENT_PASSWORD = PASSWORD;
  const stack = new Stack();
  await stack.start();
  let app;
  try {
    const { gatewayKey } = stack.backend;
    app = await serveExample(name, { workerUrl: stack.proxy.url, gatewayKey, cache: `picture-${name}` });
    const { tab, file } = await PICTURES[name](stack, app.url);
    const path = join(ROOT, 'docs', file);
    await tab.screenshot({ path });
    console.log(`docs/${file}: ${statSync(path).size} bytes`);
  } finally {
    await app?.close();
    await stack.stop();
  }
});

/** Has everybody say their lines, each after the one before was seen by all. */
async function talk(lines, everybody) {
  for (const [who, text] of lines) {
    await who.say(text);
    for (const page of everybody) await page.sees(text);
  }
}
