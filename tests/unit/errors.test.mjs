/**
 * Errors say what they are, whatever the page and the browser's storage do.
 *
 * Owns nothing but expectations.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mock, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { pendingSpaces } from '../../pkg-template/pending-spaces.js';

const PACKAGE = new URL('../../pkg-template/', import.meta.url);

test('a refusal has its name and code where a page froze what errors inherit', () => {
  const source = `
    const { client } = await import('${new URL('index.node.js', PACKAGE)}');
    for (const { prototype } of [Object, Function, Array, Error, Promise, Map, Set]) Object.freeze(prototype);
    try {
      client({ spaceId: '' });
    } catch ({ name, code, field }) {
      console.log(name, code, field);
    }`;
  const said = execFileSync(process.execPath, ['--input-type=module', '--eval', source], {
    cwd: fileURLToPath(PACKAGE),
    encoding: 'utf8',
  });
  assert.equal(said, 'ChatError invalidArgument spaceId\n');
});

for (const [what, open] of [
  ['fails', () => Promise.reject(new Error('no space left'))],
  ['throws', () => assert.fail('no space left')],
  ['never answers', () => new Promise(() => {})],
]) {
  test(`what waits is not known where the database ${what}, and the error says so`, async (t) => {
    t.after(() => {
      delete globalThis.indexedDB;
      delete globalThis.IDBRequest;
    });
    // What the library that opens it asks for: a request tells how it went by an event.
    globalThis.IDBRequest = class extends EventTarget {
      error = new Error('no space left');
    };
    globalThis.indexedDB = {
      open() {
        const request = new globalThis.IDBRequest();
        const fail = () => request.dispatchEvent(new Event('error'));
        Promise.resolve(open()).catch(fail);
        return request;
      },
    };
    mock.timers.enable({ apis: ['setTimeout'] });
    t.after(() => mock.timers.reset());
    const asked = assert.rejects(pendingSpaces('http://x.example'), (error) => {
      assert.deepEqual(
        [error.name, error.code, error.retryable],
        ['ChatError', 'persistenceLost', true],
        String(error.stack),
      );
      assert.ok(error.cause instanceof Error);
      return true;
    });
    for (let step = 0; step < 4; step += 1) mock.timers.tick(1_000);
    await asked;
  });
}
