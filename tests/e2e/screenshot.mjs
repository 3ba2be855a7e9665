/**
 * Takes the picture of the README: the page on two phones, one light and one dark, in one conversation.
 *
 * Run by hand, `node tests/e2e/screenshot.mjs`, after `npm test` or `npm start` has built everything.
 */
import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../../scripts/lib/paths.mjs';
import { ChatPage } from './lib/chat-page.mjs';
import { Stack } from './lib/stack.mjs';

const PHONE = {
  viewport: { width: 390, height: 760 },
  deviceScaleFactor: 1,
  isMobile: true,
  hasTouch: true,
};
const SPACE = 'garden-party';
const LINES = [
  ['ada', 'Who brings the long table?'],
  ['grace', 'I do. It seats twelve if nobody minds elbows.'],
  ['ada', 'Perfect. I have lanterns and a tent.'],
  ['grace', 'Sunny until nine, they say'],
  ['grace', 'The tent stays in the bar'],
  ['ada', 'Saturday at five, then. Tell the others?'],
];

const stack = new Stack();
await stack.start();
try {
  const pages = {
    ada: new ChatPage(await stack.newTab({ ...PHONE, colorScheme: 'light' }), stack.url),
    grace: new ChatPage(await stack.newTab({ ...PHONE, colorScheme: 'dark' }), stack.url),
  };
  await pages.ada.join('Ada', SPACE);
  await pages.grace.join('Grace', SPACE);
  for (const [who, text] of LINES) {
    await pages[who].say(text);
    for (const page of Object.values(pages)) await page.sees(text);
  }
  await pages.grace.message.press('ArrowUp');
  await pages.grace.editor.fill('The tent stays in the car');
  await pages.grace.editor.press('Enter');
  for (const page of Object.values(pages)) await page.sees('The tent stays in the car');
  await pages.grace.message.pressSequentially('On my way');
  await pages.ada.seesTyping('Grace is typing…');
  const file = join(ROOT, 'docs', 'chat.png');
  mkdirSync(join(ROOT, 'docs'), { recursive: true });
  writeFileSync(file, await sideBySide(Object.values(pages)));
  console.log(`docs/chat.png: ${statSync(file).size} bytes`);
} finally {
  await stack.stop();
}

/** Puts the pages' pictures on one sheet, in a browser: no image library needed. */
async function sideBySide(pages) {
  const pictures = await Promise.all(pages.map(({ tab }) => tab.screenshot()));
  const images = pictures.map((picture) => `<img src="data:image/png;base64,${picture.toString('base64')}">`);
  const sheet = await stack.newTab({ viewport: { width: 870, height: 808 }, deviceScaleFactor: 1 });
  await sheet.setContent(`<!doctype html><title>sheet</title><style>
    body { margin: 0; display: flex; justify-content: center; align-items: center; gap: 32px; height: 100vh;
           background: #e6e9f0; }
    img { width: 390px; border-radius: 28px; border: 1px solid #c3c9d6; box-sizing: border-box; }
  </style>${images.join('')}`);
  await sheet.waitForFunction(() => [...document.images].every(({ complete }) => complete));
  return sheet.screenshot();
}
