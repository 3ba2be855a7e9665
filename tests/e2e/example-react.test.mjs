/**
 * The team room of `examples-web/react`, by several people, through the states of a connection and of a message.
 *
 * Leaves pictures of each in `.build/screenshots/`, for people to look at.
 */
import assert from 'node:assert/strict';
import { attachToHistory, UNREADABLE } from './lib/attachments.mjs';
import { useExample } from './lib/example.mjs';
import { assertListStaysAtEnd } from './lib/list-end.mjs';
import { LONG_TEXT, showAllByKeyboard } from './lib/long-text.mjs';
import { assertNoProblems, test, until } from './lib/stack.mjs';
import { TeamPage } from './lib/team-page.mjs';

const { stack, app } = useExample('react');

const PHONE = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true };

/** A user id as the app's server makes them. */
const GRACE = 'Grace-0123456789ab';

async function enter(name, team, { room, ...options } = {}) {
  const page = new TeamPage(await stack.newTab(options), app.url);
  await page.enter(name, team, room);
  return page;
}

async function end(...pages) {
  assertNoProblems(...pages.map(({ tab }) => tab));
  for (const { tab } of pages) await tab.context().close();
}

function spaceOf(team, room = 'general') {
  return `${team}/${room}`;
}

async function storedTexts(team) {
  return (await stack.newPeer(spaceOf(team)).messages()).map(({ text }) => text);
}

/** Lets everybody into the space in a new epoch, as after a restore. */
async function renewEpoch(spaceId) {
  const { url, gatewayKey } = stack.backend;
  const response = await fetch(`${url}/admin/epoch`, {
    method: 'POST',
    headers: { authorization: `Bearer ${gatewayKey}`, 'x-space-id': spaceId },
  });
  assert.ok(response.ok, `a new epoch: ${response.status}`);
}

/** The page is told that there is no network, and its sockets end. */
async function goOffline({ tab }) {
  await tab.context().setOffline(true);
  stack.proxy.cut();
}

test('two people talk: each message once, in order, with presence and typing', async () => {
  const team = stack.newSpace();
  const ada = await enter('Ada', team);
  const grace = await enter('Grace', team);
  await until(async () => (await ada.people.allTextContents()).join() === 'Ada,Grace', 'Ada sees both');
  await ada.say('Hello, is anybody there?');
  await grace.sees('Hello, is anybody there?');
  await grace.message.pressSequentially('I am');
  await ada.typing.getByText('Grace is typing…').waitFor();
  await grace.message.press('Enter');
  await ada.sees('I am');
  await until(async () => (await ada.typing.textContent()) === '', 'nobody types');
  await ada.say('Two\nlines');
  await grace.sees('Two\nlines');
  await ada.sees('Two\nlines');
  const expected = ['Hello, is anybody there?', 'I am', 'Two\nlines'];
  for (const page of [ada, grace]) await page.assertTexts(expected);
  assert.deepEqual(await storedTexts(team), expected);
  await end(ada, grace);
});

test('all rooms share four sockets, also under StrictMode', async () => {
  const before = stack.proxy.upgradeCount;
  const ada = await enter('Ada', stack.newSpace());
  await until(() => stack.proxy.socketCount === 4, 'each room is connected');
  await ada.say('one');
  await ada.sees('one');
  assert.equal(stack.proxy.upgradeCount - before, 4);
  await end(ada);
});

test('a message shows at once, as being sent, until the room has stored it', async () => {
  const team = stack.newSpace();
  const ada = await enter('Ada', team);
  stack.proxy.holdFrames();
  await ada.say('on its way');
  await ada.seesWaiting('on its way');
  stack.proxy.releaseFrames();
  await ada.sees('on its way');
  await ada.assertTexts(['on its way']);
  await end(ada);
});

test('what is written offline waits, outlives a reload, and is sent once', async () => {
  const team = stack.newSpace();
  const ada = await enter('Ada', team);
  await ada.say('before');
  await ada.sees('before');
  await goOffline(ada);
  await ada.banner.getByText('You are offline.').waitFor();
  await ada.say('from the tunnel');
  await ada.seesWaiting('from the tunnel', 'Waiting…');
  await ada.lookAt('offline');
  const startAgain = await stack.stopBackend();
  await ada.tab.context().setOffline(false);
  await ada.tab.reload();
  await ada.seesWaiting('from the tunnel');
  await startAgain();
  await ada.connected();
  await ada.sees('from the tunnel');
  await ada.assertTexts(['before', 'from the tunnel']);
  assert.deepEqual(await storedTexts(team), ['before', 'from the tunnel']);
  await end(ada);
});

test('what is refused can be tried again, or discarded', async () => {
  const team = stack.newSpace();
  const ada = await enter('Ada', team);
  await ada.say('before');
  await ada.sees('before');
  await goOffline(ada);
  for (const text of ['keep me', 'forget me']) {
    await ada.say(text);
    await ada.seesWaiting(text, 'Waiting…');
  }
  await renewEpoch(spaceOf(team));
  await ada.tab.context().setOffline(false);
  for (const text of ['keep me', 'forget me']) {
    await ada.seesFailed(text, 'Not sent. The conversation began anew meanwhile.');
  }
  await ada.tab.getByText('This room began anew').waitFor();
  await ada.lookAt('failed');
  await ada.press('forget me', 'Discard');
  await ada.row('forget me').waitFor({ state: 'detached' });
  await ada.press('keep me', 'Try again');
  await ada.sees('keep me');
  assert.deepEqual((await storedTexts(team)).slice(-1), ['keep me']);
  await ada.tab.getByRole('button', { name: 'OK', exact: true }).click();
  await ada.tab.getByText('This room began anew').waitFor({ state: 'detached' });
  await end(ada);
});

test('a text that will not do comes back with the reason', async () => {
  const ada = await enter('Ada', stack.newSpace());
  await ada.say('y'.repeat(17_000));
  await ada.tab.getByText('Not sent. The message is too long').waitFor();
  assert.equal((await ada.message.inputValue()).length, 17_000);
  await end(ada);
});

test('a list that was read to its end stays there, however high the field is', async () => {
  const team = stack.newSpace();
  await stack.newPeer(spaceOf(team)).postAll(Array.from({ length: 30 }, (_, index) => `line ${index + 1}`));
  const ada = await enter('Ada', team);
  await ada.sees('line 30');
  await assertListStaysAtEnd(ada, ada.message);
  await end(ada);
});

test('one edits and deletes in place, and everybody sees it', async () => {
  const team = stack.newSpace();
  const ada = await enter('Ada', team);
  const grace = await enter('Grace', team);
  for (const text of ['frist', 'second']) {
    await ada.say(text);
    await grace.sees(text);
  }
  await ada.press('frist', 'Edit message');
  await ada.lookAt('editing');
  await ada.editor.fill('first');
  await ada.editor.press('Enter');
  await grace.sees('first');
  await ada.sees('first');
  await ada.row('first').getByText('edited').waitFor();
  await ada.press('second', 'Delete message');
  await ada.lookAt('asked');
  await ada.tab.getByRole('button', { name: 'Delete', exact: true }).click();
  for (const page of [ada, grace]) {
    await page.sees('Message deleted');
    await page.assertTexts(['first', 'Message deleted']);
  }
  assert.equal(await grace.tab.getByRole('button', { name: 'Edit message' }).count(), 0);
  await end(ada, grace);
});

test('older pages come as one scrolls up, and the reader stays where they are', async () => {
  const team = stack.newSpace();
  const texts = Array.from({ length: 260 }, (_, index) => `line ${index + 1}`);
  await stack.newPeer(spaceOf(team), GRACE).postAll(texts);
  const ada = await enter('Ada', team);
  await ada.sees('line 260');
  assert.ok((await ada.texts.count()) < 60, 'only rows near the sight exist');
  const topOf = (text) => ada.row(text).evaluate((row) => row.getBoundingClientRect().top);

  stack.proxy.requests.shut();
  await ada.log.evaluate((log) => log.scrollTo(0, 0));
  await ada.sees('line 211');
  await ada.tab.getByText('Loading messages…').waitFor();
  await until(async () => (await ada.log.evaluate((log) => log.scrollTop)) === 0, 'the scrolling is over');
  const before = await topOf('line 212');
  stack.proxy.requests.open();
  await ada.sees('line 209');
  await until(async () => Math.abs((await topOf('line 212')) - before) < 2, 'the row is where it was');

  // To the very beginning, page by page.
  await until(async () => {
    await ada.log.evaluate((log) => log.scrollTo(0, 0));
    return ada.tab.getByText('This is the beginning of the conversation.').isVisible();
  }, 'the beginning is reached');
  await ada.sees('line 1');
  await ada.pill.click();
  await ada.sees('line 260');
  await end(ada);
});

test('what comes while one reads further up is counted, and marked where one was away', async () => {
  const team = stack.newSpace();
  const general = stack.newPeer(spaceOf(team), GRACE);
  await general.postAll(Array.from({ length: 40 }, (_, index) => `line ${index + 1}`));
  const ada = await enter('Ada', team);
  await ada.sees('line 40');
  await ada.log.evaluate((log) => log.scrollBy(0, -600));
  await ada.tab.getByRole('button', { name: 'Go to the newest message' }).waitFor();
  await general.postAll(['news', 'more news']);
  await ada.pill.getByText('2 new messages').waitFor();
  await ada.lookAt('pill');
  await ada.pill.click();
  await ada.sees('more news');
  await ada.pill.waitFor({ state: 'detached' });

  await ada.tab.setViewportSize({ width: 1000, height: 720 });
  await ada.room('Kitchen').click();
  await ada.tab.getByRole('heading', { name: 'Kitchen' }).waitFor();
  await general.postAll(['while away', 'still away']);
  await ada.room('General 2 new').waitFor();
  await ada.lookAt('badge');
  await ada.tab.setViewportSize({ width: 1000, height: 720 });
  await ada.room('General').click();
  await ada.row('while away').getByText('New messages').waitFor();
  await ada.room('General 2 new').waitFor({ state: 'detached' });
  assert.equal(await ada.tab.getByText('New messages').count(), 1);
  await ada.lookAt('new');
  await ada.tab.reload();
  await ada.connected();
  await ada.sees('still away');
  assert.equal(await ada.tab.getByText('New messages').count(), 0, 'what was read is read');
  await end(ada);
});

test('a loss is counted down, and "Now" does not wait', async () => {
  const team = stack.newSpace();
  const ada = await enter('Ada', team);
  await ada.say('before');
  await ada.sees('before');
  const startAgain = await stack.stopBackend();
  await ada.banner.getByText(/^Reconnecting in \d+ s…$/).waitFor();
  await ada.lookAt('reconnecting');
  await startAgain();
  const now = ada.tab.getByRole('button', { name: 'Now', exact: true });
  // Each attempt takes the button away until the next pause.
  await until(async () => {
    if (await now.isVisible()) await now.click({ timeout: 1_000 }).catch(() => {});
    return (await ada.status.getAttribute('data-state')) === 'connected';
  }, 'the page is connected');
  await ada.banner.waitFor({ state: 'detached' });
  await end(ada);
});

test('attachments are links', async () => {
  const team = stack.newSpace();
  const attachments = [
    { id: 'f1', url: '/files/plan.pdf', filename: 'plan.pdf', contentType: 'application/pdf', size: 48_213 },
  ];
  await stack.newPeer(spaceOf(team), GRACE).post('The plan', { attachments });
  const ada = await enter('Ada', team);
  const link = ada.tab.getByRole('link', { name: 'plan.pdf 48.2 kB' });
  assert.equal(await link.getAttribute('href'), '/files/plan.pdf');
  await ada.lookAt('attachment');
  await end(ada);
});

test('who is not verified is marked, and a name stands by itself', async () => {
  const team = stack.newSpace();
  await stack.newStranger(spaceOf(team), 'Mallory').post('Trust me');
  const ada = await enter('Ada', team);
  await ada.tab.locator('.text', { hasText: 'Trust me' }).waitFor();
  assert.ok((await ada.tab.getByText('not verified').count()) > 0);
  assert.ok((await ada.tab.locator('bdi', { hasText: 'Mallory' }).count()) > 0);
  await end(ada);
});

test('attachments that can not be shown cost nothing else', async () => {
  for (const [attachments, shown] of [
    [[UNREADABLE], 1],
    [[null], 0],
    ['none', 0],
  ]) {
    const team = stack.newSpace();
    await stack.newPeer(spaceOf(team), GRACE).post('The plan');
    const tab = await stack.newTab();
    await attachToHistory(tab, attachments);
    const ada = new TeamPage(tab, app.url);
    await ada.enter('Ada', team);
    await tab.locator('.text', { hasText: 'The plan' }).waitFor();
    assert.equal(await tab.getByText('plan.pdf').count(), shown);
    assert.equal(await tab.locator('.attachments a[href]').count(), 0);
    await end(ada);
  }
});

test('what fails while a message is shown takes no more along than its part of the page', async () => {
  for (const [breakPage, fallback] of [
    [() => Object.assign(URL, { canParse: fail }), 'The attachments can not be shown.'],
    [() => Object.assign(Date.prototype, { toISOString: fail }), 'This room can not be shown.'],
  ]) {
    const team = stack.newSpace();
    await stack.newPeer(spaceOf(team), GRACE).post('The plan');
    const tab = await stack.newTab();
    await attachToHistory(tab, [UNREADABLE]);
    await tab.addInitScript(`function fail() { throw new Error('broken'); }; (${breakPage})()`);
    await tab.goto(app.url);
    await new TeamPage(tab, app.url).fillIn('Ada', team);
    await tab.getByText(fallback).waitFor();
    await tab.getByRole('button', { name: 'Sign out' }).waitFor();
    // React writes what a boundary has caught.
    await tab.context().close();
  }
});

test('the form says what to mend, and a text is a text', async () => {
  const ada = new TeamPage(await stack.newTab(), app.url);
  await ada.tab.goto(app.url);
  await ada.fillIn(' ', '');
  await ada.tab.getByText('Please enter a team').waitFor();
  await ada.lookAt('form');
  const team = stack.newSpace();
  await ada.fillIn('<b>Ada</b>', team);
  await ada.connected();
  const text = '<img src=x onerror="throw 1"> & <script>throw 2</script>';
  await ada.say(text);
  await ada.sees(text);
  assert.equal(await ada.log.locator('img, script, b').count(), 0);
  await end(ada);
});

test('on a phone the rooms and the people are a touch away', async () => {
  const team = stack.newSpace();
  await stack.newPeer(spaceOf(team), GRACE).post('Morning!');
  const ada = await enter('Ada', team, PHONE);
  await ada.sees('Morning!');
  await ada.lookAt('room');
  await ada.tab.setViewportSize(PHONE.viewport);
  await ada.tab.getByRole('button', { name: 'here now' }).click();
  await ada.tab.getByRole('heading', { name: 'Here now' }).waitFor();
  await ada.lookAt('people');
  await ada.tab.setViewportSize(PHONE.viewport);
  await ada.tab.keyboard.press('Escape');
  await ada.tab.getByRole('heading', { name: 'Here now' }).waitFor({ state: 'hidden' });
  await ada.tab.getByRole('button', { name: 'Rooms' }).click();
  await ada.lookAt('rooms');
  await ada.tab.setViewportSize(PHONE.viewport);
  await ada.room('Product').click();
  await ada.tab.getByRole('heading', { name: 'Product' }).waitFor();
  await ada.tab.getByText('Nothing here yet. Say hello!').waitFor();
  await ada.lookAt('empty');
  await end(ada);
});

test('the keyboard alone is enough', async () => {
  const team = stack.newSpace();
  const ada = new TeamPage(await stack.newTab(), app.url);
  const { keyboard } = ada.tab;
  const focused = () => ada.tab.evaluate(() => document.activeElement.ariaLabel ?? document.activeElement.id);
  await ada.tab.goto(app.url);
  await until(async () => (await focused()) === 'name', 'the form begins at the name');
  await keyboard.type('Ada');
  await keyboard.press('Tab');
  await keyboard.press('Control+A');
  await keyboard.type(team);
  await keyboard.press('Enter');
  await ada.connected();
  await until(async () => (await focused()) === 'composer-text', 'one can write');
  for (const text of ['one', 'two']) {
    await keyboard.type(text);
    await keyboard.press('Shift+Enter');
    await keyboard.type('more');
    await keyboard.press('Enter');
    await ada.sees(`${text}\nmore`);
  }
  assert.equal(await focused(), 'composer-text', 'one can go on writing');

  await keyboard.press('ArrowUp');
  await until(async () => (await focused()) === 'New text', 'the last message is edited');
  await keyboard.press('Escape');
  await until(async () => (await focused()) === 'composer-text', 'editing is given up');
  await keyboard.press('ArrowUp');
  await until(async () => (await focused()) === 'New text', 'the last message is edited');
  await keyboard.press('Control+A');
  await keyboard.type('deux');
  await keyboard.press('Enter');
  await ada.sees('deux');
  await until(async () => (await focused()) === 'composer-text', 'the focus comes back');

  await keyboard.press('Shift+Tab');
  assert.equal(await focused(), 'Delete message');
  await keyboard.press('ArrowUp');
  const isIn = (text) => ada.row(text).evaluate((row) => row.contains(document.activeElement));
  await until(() => isIn('one\nmore'), 'the arrow leads to the message before');
  assert.equal(await focused(), 'Delete message');
  await keyboard.press('Enter');
  await until(
    async () => (await ada.tab.evaluate(() => document.activeElement.textContent)) === 'Keep',
    'it asks',
  );
  await keyboard.press('Escape');
  await until(async () => (await focused()) === 'Delete message', 'nothing is deleted');
  await keyboard.press('Shift+Tab');
  assert.equal(await focused(), 'Edit message');
  await keyboard.press('Shift+Tab');
  assert.equal(await focused(), 'Messages', 'the list scrolls by keyboard');
  await ada.assertTexts(['one\nmore', 'deux']);
  await end(ada);
});

test('an address in a text is a link', async () => {
  const ada = await enter('Ada', stack.newSpace());
  await ada.say('Look at https://example.com/a?b=1, not at javascript:alert(1)');
  const link = ada.tab.getByRole('link', { name: 'https://example.com/a?b=1' });
  await link.waitFor();
  assert.deepEqual(await link.evaluate(({ href, rel, target }) => [href, rel, target]), [
    'https://example.com/a?b=1',
    'noopener noreferrer nofollow',
    '_blank',
  ]);
  assert.equal(await ada.tab.locator('.text a').count(), 1);
  await end(ada);
});

test('a long text is shown in full by a button, and the focus stays in it', async () => {
  const ada = await enter('Ada', stack.newSpace());
  await ada.say(LONG_TEXT);
  await showAllByKeyboard(ada.tab);
  await end(ada);
});

test('a screen reader is told what is new, and not what was there', async () => {
  const team = stack.newSpace();
  const general = stack.newPeer(spaceOf(team), GRACE);
  await general.post('an old one');
  const ada = await enter('Ada', team);
  await ada.sees('an old one');
  const news = ada.tab.locator('[aria-live="polite"]');
  await general.post('a new one');
  await news.getByText('Grace: a new one').waitFor();
  assert.equal(await news.getByText('an old one').count(), 0);
  await ada.say('my own');
  await ada.sees('my own');
  assert.equal(await news.getByText('my own').count(), 0);
  assert.equal(await ada.log.getAttribute('aria-live'), 'off');
  await end(ada);
});
