/** A component that keeps the room it was given although its page is another's: development says so, once. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';
import { watchAddress } from '../../pkg-template/svelte/given-once.js';

let told;
beforeEach(() => {
  told = mock.method(console, 'error', () => {});
  mock.timers.enable({ apis: ['setTimeout'] });
});
afterEach(() => {
  told.mock.restore();
  mock.timers.reset();
});

/** What is told of a component with a room that goes from one address to another. */
function seen(spaceId, from, to) {
  const page = new URL(from, 'https://app.example');
  globalThis.location = page;
  const end = watchAddress({ spaceId });
  page.href = new URL(to, page).href;
  mock.timers.tick(2_000);
  end();
  const texts = told.mock.calls.map(({ arguments: [text] }) => text);
  delete globalThis.location;
  return texts;
}

test('the page of another room is told', () => {
  const [text, ...more] = seen('support-7', '/rooms/7', '/rooms/8');
  assert.match(
    text,
    /still shows the room 'support-7'.*from \/rooms\/7 to \/rooms\/8.*setSpace\(\(\) => data\.config\)/,
  );
  assert.deepEqual(more, []);
});

for (const [what, ...place] of [
  ['the query', 'red', '/q?room=red', '/q?room=blue'],
  ['the part that routers in the hash use', 'red', '/#/rooms/red', '/#/rooms/blue'],
]) {
  test(`a room that is named by ${what} is told`, () => {
    assert.equal(seen(...place).length, 1);
  });
}

for (const [what, ...place] of [
  ['a page whose address never named the room', 'support-7', '/shop', '/about'],
  ['another page of the same room', 'lobby', '/lobby', '/lobby/settings'],
  ['a path that is no text', 'lobby', '/rooms/100%', '/rooms/%ff'],
  ['a number that is a part of another', 'support-17', '/items/7', '/items/8'],
]) {
  test(`nothing is told of ${what}`, () => {
    assert.deepEqual(seen(...place), []);
  });
}

test('nothing is told where there is no page, nor of what is no config', () => {
  assert.equal(typeof watchAddress({ spaceId: 'lobby' }), 'function');
  assert.equal(typeof watchAddress(undefined), 'function');
});
