/**
 * The support widget of `examples-web/svelte` and its desk, through the states of a connection and of a message.
 *
 * Leaves pictures of each in `.build/screenshots/`, for people to look at.
 */
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { useExample } from './lib/example.mjs';
import { assertListStaysAtEnd } from './lib/list-end.mjs';
import { LONG_TEXT, showAllByKeyboard } from './lib/long-text.mjs';
import { assertNoProblems, test, until } from './lib/stack.mjs';
import { DeskPage, ShopPage } from './lib/support-pages.mjs';

const PASSWORD = 'correct horse';
process.env.AGENT_PASSWORD = PASSWORD;

const { stack, app } = useExample('svelte');

const PHONE = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true };

async function visit(options) {
  const page = new ShopPage(await stack.newTab(options), app.url);
  await page.visit();
  return page;
}

async function answer(options) {
  const page = new DeskPage(await stack.newTab(options), app.url);
  await page.signIn('Rosa', PASSWORD);
  await page.tab.getByRole('heading', { name: 'Support desk' }).waitFor();
  return page;
}

async function end(...pages) {
  assertNoProblems(...pages.map(({ tab }) => tab));
  for (const { tab } of pages) await tab.context().close();
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

test('an address in a text is a link', async () => {
  const visitor = await visit();
  await visitor.open();
  await visitor.say('Look at https://example.com/a?b=1, not at javascript:alert(1)');
  const link = visitor.tab.getByRole('link', { name: 'https://example.com/a?b=1' });
  await link.waitFor();
  assert.deepEqual(await link.evaluate(({ href, rel, target }) => [href, rel, target]), [
    'https://example.com/a?b=1',
    'noopener noreferrer nofollow',
    '_blank',
  ]);
  assert.equal(await visitor.tab.locator('.text a').count(), 1);
  await end(visitor);
});

test('a long text is shown in full by a button, and the focus stays in it', async () => {
  const visitor = await visit();
  await visitor.open();
  await visitor.say(LONG_TEXT);
  await showAllByKeyboard(visitor.tab);
  await end(visitor);
});

test('a text that will not do stays in its place, with the reason', async () => {
  const visitor = await visit();
  await visitor.open();
  await visitor.say('y'.repeat(20_000));
  await visitor.tab.getByText('The message is too long').waitFor();
  assert.equal((await visitor.field.inputValue()).length, 20_000);
  await visitor.field.fill('A short one.');
  await visitor.field.press('Enter');
  await visitor.tab.locator('.text', { hasText: 'A short one.' }).waitFor();
  await end(visitor);
});

test('a visitor asks and an agent answers: each message once, in order, with typing', async () => {
  const visitor = await visit();
  await visitor.open();
  const { name, spaceId } = await visitor.name();
  const agent = await answer();
  await visitor.say('My fern turns yellow.');
  const entry = agent.entry(name);
  await entry.getByText('My fern turns yellow.').waitFor();
  await entry.getByText('on the page').waitFor();
  await entry.click();
  await agent.sees('My fern turns yellow.');
  await visitor.tab.getByText('Rosa is here to help.').waitFor();
  await agent.field.pressSequentially('Less wat');
  await visitor.tab.getByText('Rosa is typing…').waitFor();
  await agent.say('Less water');
  await visitor.sees('Less water');
  await visitor.say('Thank you');
  await agent.sees('Thank you');
  await visitor.sees('Thank you');
  const expected = ['My fern turns yellow.', 'Less water', 'Thank you'];
  for (const page of [visitor, agent]) await page.assertTexts(expected);
  const stored = await stack.newPeer(spaceId).messages();
  assert.deepEqual(
    stored.map(({ text, senderType }) => [text, senderType]),
    expected.map((text, index) => [text, index === 1 ? 'support' : 'user']),
  );
  await visitor.lookAt('talk');
  await agent.lookAt('desk-talk');
  await end(visitor, agent);
});

test('nothing is connected before the visitor wants to talk', async () => {
  const before = stack.proxy.upgradeCount;
  const visitor = await visit();
  await visitor.tab.waitForLoadState('networkidle');
  assert.equal(stack.proxy.upgradeCount, before);
  await visitor.lookAt('shop');
  await visitor.tab.setViewportSize({ width: 900, height: 700 });
  await visitor.open();
  await until(() => stack.proxy.upgradeCount === before + 1, 'there is one socket');
  await visitor.lookAt('greeting');
  await end(visitor);
});

test('minimised it stays so over a reload, and counts the answers', async () => {
  const visitor = await visit();
  await visitor.open();
  const { name } = await visitor.name();
  await visitor.say('Anybody there?');
  await visitor.sees('Anybody there?');
  await visitor.tab.reload();
  await visitor.sees('Anybody there?');
  await visitor.minimise();
  await visitor.tab.reload();
  await visitor.launcher.waitFor();
  assert.ok(await visitor.panel.isHidden(), 'it is still minimised');

  const agent = await answer();
  await agent.entry(name).click();
  await agent.say('Yes');
  await agent.say('How can I help?');
  await visitor.tab.getByRole('button', { name: 'Chat with us, 2 new' }).waitFor();
  await visitor.lookAt('unread');
  await visitor.tab.setViewportSize({ width: 900, height: 700 });
  await visitor.open();
  await visitor.sees('How can I help?');
  await visitor.minimise();
  await visitor.tab.getByRole('button', { name: 'Chat with us', exact: true }).waitFor();
  await visitor.tab.reload();
  await visitor.tab.getByRole('button', { name: 'Chat with us', exact: true }).waitFor();

  await agent.tab.reload();
  await agent.entry(name).getByText('How can I help?').waitFor();
  await visitor.open();
  await visitor.say('One more thing');
  await agent.entry(`${name} 1 new`).waitFor();
  await agent.lookAt('desk-list');
  await end(visitor, agent);
});

test('what is written offline waits, outlives a reload, and is sent once', async () => {
  const visitor = await visit();
  await visitor.open();
  const { spaceId } = await visitor.name();
  await visitor.say('before');
  await visitor.sees('before');
  await visitor.tab.context().setOffline(true);
  stack.proxy.cut();
  await visitor.tab.getByText('You are offline.').first().waitFor();
  await visitor.say('from the tunnel');
  await visitor.seesWaiting('from the tunnel', 'Waiting…');
  await visitor.lookAt('offline');
  await visitor.tab.setViewportSize({ width: 900, height: 700 });
  await visitor.tab.context().setOffline(false);
  await visitor.sees('from the tunnel');

  const startAgain = await stack.stopBackend();
  await visitor.tab
    .getByText(/^Reconnecting/)
    .first()
    .waitFor();
  await visitor.say('once more');
  await visitor.seesWaiting('once more', 'Sending…');
  await visitor.lookAt('reconnecting');
  await visitor.tab.setViewportSize({ width: 900, height: 700 });
  await visitor.tab.reload();
  await startAgain();
  await visitor.sees('once more');
  const expected = ['before', 'from the tunnel', 'once more'];
  await visitor.assertTexts(expected);
  assert.deepEqual(
    (await stack.newPeer(spaceId).messages()).map(({ text }) => text),
    expected,
  );
  await end(visitor);
});

test('what is refused can be tried again, or discarded', async () => {
  const visitor = await visit();
  await visitor.open();
  const { spaceId } = await visitor.name();
  await visitor.say('before');
  await visitor.sees('before');
  await visitor.tab.context().setOffline(true);
  stack.proxy.cut();
  for (const text of ['keep me', 'forget me']) {
    await visitor.say(text);
    await visitor.seesWaiting(text, 'Waiting…');
  }
  await renewEpoch(spaceId);
  await visitor.tab.context().setOffline(false);
  for (const text of ['keep me', 'forget me']) {
    await visitor.row(text).getByText('Not sent. The conversation began anew meanwhile.').waitFor();
  }
  await visitor.lookAt('failed');
  await visitor.tab.setViewportSize({ width: 900, height: 700 });
  await visitor.row('forget me').getByRole('button', { name: 'Discard' }).click();
  await visitor.row('forget me').waitFor({ state: 'detached' });
  await visitor.row('keep me').getByRole('button', { name: 'Try again' }).click();
  await visitor.sees('keep me');
  await end(visitor);
});

test('earlier messages are a button away, and the reader stays where they are', async () => {
  const visitor = await visit();
  await visitor.open();
  const { spaceId } = await visitor.name();
  await stack.newPeer(spaceId).postAll(Array.from({ length: 80 }, (_, index) => `line ${index + 1}`));
  await visitor.sees('line 80');
  // Only the newest page is there after a reload.
  await visitor.tab.reload();
  await visitor.sees('line 80');
  await until(async () => (await visitor.texts.count()) === 50, 'the newest page is there');
  await visitor.log.evaluate((log) => log.scrollTo(0, 0));
  const topOf = (text) => visitor.row(text).evaluate((row) => row.getBoundingClientRect().top);
  const before = await topOf('line 35');
  await visitor.tab.getByRole('button', { name: 'Show earlier messages' }).click();
  await visitor.sees('line 1');
  await until(async () => (await visitor.texts.count()) === 80, 'all are there');
  // The button is gone, the greeting stands there, and a day's name went to the first row.
  assert.ok(Math.abs((await topOf('line 35')) - before) < 60, 'the row is about where it was');
  await visitor.tab.getByText('What can we do for you?').waitFor();
  await end(visitor);
});

test('of a flood the newest are shown, and earlier ones a button away', async () => {
  const visitor = await visit();
  await visitor.open();
  const { spaceId } = await visitor.name();
  const peer = stack.newPeer(spaceId);
  await peer.postAll(Array.from({ length: 130 }, (_, index) => `line ${index + 1}`));
  await visitor.sees('line 130');
  await until(async () => (await visitor.texts.count()) === 100, 'the newest are there');
  await visitor.log.evaluate((log) => log.scrollTo(0, 0));
  const topOf = (text) => visitor.row(text).evaluate((row) => row.getBoundingClientRect().top);
  await visitor.row('line 31').waitFor();
  const before = await topOf('line 35');
  // What comes while one reads takes nothing away.
  await peer.postAll(['line 131', 'line 132']);
  await visitor.row('line 132').waitFor();
  assert.equal(await visitor.texts.count(), 102);
  assert.ok(Math.abs((await topOf('line 35')) - before) < 2, 'the row is where it was');
  await visitor.tab.getByRole('button', { name: 'Show earlier messages' }).click();
  await until(async () => (await visitor.texts.count()) === 132, 'all are there');
  assert.ok(Math.abs((await topOf('line 35')) - before) < 60, 'the row is about where it was');
  // Who is back at the end has the newest again.
  await visitor.log.evaluate((log) => log.scrollTo(0, log.scrollHeight));
  await visitor.say('done');
  await until(async () => (await visitor.texts.count()) === 100, 'the newest are there');
  await end(visitor);
});

test('a list that was read to its end stays there, however high the field is', async () => {
  const visitor = await visit();
  await visitor.open();
  const { spaceId } = await visitor.name();
  await stack.newPeer(spaceId).postAll(Array.from({ length: 30 }, (_, index) => `line ${index + 1}`));
  await visitor.sees('line 30');
  await assertListStaysAtEnd(visitor, visitor.field);
  await end(visitor);
});

test('on a phone the panel is the whole screen, and nothing behind it can be reached', async () => {
  const visitor = await visit(PHONE);
  await visitor.open();
  const box = await visitor.panel.boundingBox();
  assert.deepEqual([box.x, box.y, box.width, box.height], [0, 0, 390, 844]);
  assert.equal(await visitor.tab.getByRole('heading', { name: 'Plants that stay' }).count(), 1);
  const isModal = await visitor.panel.evaluate((panel) => panel.matches(':modal'));
  assert.ok(isModal);
  await visitor.minimise();
  await visitor.launcher.waitFor();
  await end(visitor);
});

test('a visitor sees who is not verified', async () => {
  const visitor = await visit();
  await visitor.open();
  await visitor.say('Hello');
  const { spaceId } = await visitor.name();
  await stack.newStranger(spaceId, 'Mallory').post('Trust me');
  await visitor.sees('Trust me');
  await visitor.tab.getByText('not verified').first().waitFor();
  assert.ok((await visitor.tab.locator('bdi', { hasText: 'Mallory' }).count()) > 0);
  await end(visitor);
});

test('only agents get in, and to conversations only', async () => {
  const agent = new DeskPage(await stack.newTab(), app.url);
  await agent.signIn('Rosa', 'wrong');
  await agent.tab.getByText('That is not the password.').waitFor();
  await agent.lookAt('sign-in');
  const ask = (spaceId, cookie = '') =>
    fetch(`${app.url}/api/agent/session`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', cookie },
      body: JSON.stringify({ spaceId }),
    }).then(({ status }) => status);
  assert.equal(await ask(), 401);
  assert.equal(await ask('support-desk', `agent=${btoa('{"name":"Rosa","until":9e15}')}.00`), 401);
  await agent.signIn('Rosa', PASSWORD);
  const cookies = () => agent.tab.context().cookies();
  // The heading stands over the sign-in as well.
  await until(async () => (await cookies()).some(({ name }) => name === 'agent'), 'the agent is signed in');
  const cookie = (await cookies()).map(({ name, value }) => `${name}=${value}`).join('; ');
  assert.equal(await ask(undefined, cookie), 200);
  assert.equal(await ask('somebody-elses-space', cookie), 404);
  await end(agent);
});

test('an agent who is not signed in causes no request that fails', async () => {
  const agent = new DeskPage(await stack.newTab(), app.url);
  const refused = [];
  agent.tab.on('response', (response) => {
    if (response.status() >= 400) refused.push(`${response.status()} ${response.url()}`);
  });
  await agent.tab.goto(agent.url);
  await agent.tab.getByLabel('Password').waitFor();
  await agent.signIn('Rosa', PASSWORD);
  await agent.tab.getByRole('heading', { name: 'Support desk' }).waitFor();
  await agent.tab.reload();
  await agent.tab.getByRole('heading', { name: 'Support desk' }).waitFor();
  assert.deepEqual(refused, []);
  await end(agent);
});

test('the keyboard alone is enough', async () => {
  const visitor = await visit();
  const { keyboard } = visitor.tab;
  // The first opening loads the conversation, which may take its time.
  let answer;
  const asked = new Promise((resolve) => {
    visitor.tab.route('**/api/visit', (route) => {
      answer = () => route.continue();
      resolve();
    });
  });
  await visitor.launcher.focus();
  await keyboard.press('Enter');
  await asked;
  await visitor.panel.waitFor();
  await keyboard.type('no key ');
  assert.ok(await visitor.panel.isVisible(), 'a space while it loads does not minimise it');
  answer();
  await visitor.tab.getByText('What can we do for you?').waitFor();
  await until(
    () => visitor.field.evaluate((field) => field === document.activeElement),
    'one can write once it is there',
  );
  await keyboard.type('one');
  await keyboard.press('Shift+Enter');
  await keyboard.type('more');
  await keyboard.press('Enter');
  await visitor.sees('one\nmore');
  assert.ok(
    await visitor.field.evaluate((field) => field === document.activeElement),
    'one can go on writing',
  );
  await keyboard.press('Escape');
  await visitor.panel.waitFor({ state: 'hidden' });
  assert.ok(
    await visitor.launcher.evaluate((button) => button === document.activeElement),
    'the focus is back',
  );
  await keyboard.press('Enter');
  await visitor.panel.waitFor();
  await until(
    () => visitor.field.evaluate((field) => field === document.activeElement),
    'one can write at once',
  );
  await end(visitor);
});

/** Asks the shop's server from another address of this machine. */
function askFrom(localAddress, path, body, cookie = '') {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', cookie };
    const asking = request(
      `${app.url}${path}`,
      { method: 'POST', localAddress, headers },
      async (response) => {
        const text = (await response.toArray()).join('');
        const [set = ''] = response.headers['set-cookie'] ?? [];
        resolve({ status: response.statusCode, body: JSON.parse(text), cookie: set.split(';')[0] });
      },
    );
    asking.on('error', reject);
    asking.end(JSON.stringify(body));
  });
}

/** Visitors from addresses of their own, as many from each as may come. */
async function crowd(count, network) {
  const sessions = [];
  for (let n = 0; n < count; n += 1) {
    const address = `127.0.${network}.${1 + Math.floor(n / 30)}`;
    const { status, body, cookie } = await askFrom(address, '/api/visit', {});
    assert.equal(status, 200);
    sessions.push({ ...body, address, cookie });
  }
  return sessions;
}

async function sayWritten({ address, cookie }, body = {}) {
  const { status } = await askFrom(address, '/api/written', body, cookie);
  return status;
}

async function write({ spaceId, spaceToken, workerUrl }, text) {
  const response = await fetch(`${workerUrl}/messages`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-space-id': spaceId, 'x-space-token': spaceToken },
    body: JSON.stringify({ text }),
  });
  assert.equal(response.status, 201);
}

async function writeAs(session, text) {
  await write(session, text);
  assert.equal(await sayWritten(session), 200);
}

test('a crowd of visits hides no customer: who wrote is listed, and who wrote last stands first', async () => {
  const visitor = await visit();
  await visitor.open();
  const { name } = await visitor.name();
  const agent = await answer();
  const shown = agent.tab.getByRole('navigation').getByRole('listitem');
  await visitor.say('An honest question');
  await agent.entry(name).getByText('An honest question').waitFor();
  const before = await shown.count();

  const silent = await crowd(45, 7);
  // Who says so is not believed.
  for (const session of silent.slice(0, 5)) assert.equal(await sayWritten(session), 200);
  const [last] = await crowd(1, 8);
  await writeAs(last, 'Somebody else asks');
  await shown.first().getByText('Somebody else asks').waitFor();
  assert.equal(await shown.count(), before + 1);
  await visitor.say('Still there');
  await shown.first().getByText('Still there').waitFor();

  for (const session of await crowd(41, 9)) await writeAs(session, 'One of many');
  await until(async () => (await agent.entry(name).count()) === 0, 'so many wrote later');
  assert.equal(await shown.count(), 40);
  await agent.tab.getByRole('button', { name: 'Older conversations' }).click();
  await agent.entry(name).getByText('Still there').waitFor();
  await agent.tab.getByRole('button', { name: 'Newest conversations' }).click();
  await visitor.say('Please answer');
  await shown.first().getByText('Please answer').waitFor();
  await agent.tab.reload();
  await shown.first().getByText('Please answer').waitFor();
  await end(visitor, agent);
});

test('who says that something was written pays nothing for it, and speaks of nobody else', async () => {
  const agent = await answer();
  const shown = agent.tab.getByRole('navigation').getByRole('listitem');
  const [customer, other, ...silent] = await crowd(30, 10);
  const withoutCookie = { address: customer.address };
  for (const spaceToken of [undefined, 'x', other.spaceToken]) {
    assert.equal(await sayWritten(withoutCookie, { spaceId: customer.spaceId, spaceToken }), 404);
  }
  assert.equal(await sayWritten(withoutCookie, other), 200, 'a browser without cookies has its token');
  // More often than conversations of one network are listed.
  for (let n = 0; n < 2; n += 1) {
    for (const session of silent) assert.equal(await sayWritten(session, { spaceId: other.spaceId }), 200);
  }
  await write(customer, 'A question among many');
  await until(async () => (await sayWritten(customer)) === 200, 'all of them were looked at');
  await shown.first().getByText('A question among many').waitFor();
  await end(agent);
});

// The last one: the address that all tests share has no more visits afterwards.
test('a crowd of visits is turned away in words', async () => {
  const visit = () =>
    fetch(`${app.url}/api/visit`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{}',
    });
  let answer = await visit();
  for (let n = 0; n < 40 && answer.ok; n += 1) answer = await visit();
  assert.equal(answer.status, 503);
  assert.match(await answer.text(), /Try again in 10 minutes/);
});
