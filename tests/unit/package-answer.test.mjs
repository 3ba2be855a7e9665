/**
 * Answers of servers that never end, over the network.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { readText } from '../../pkg-template/answer.js';

const BYTES_MAX = 32 * 1024 * 1024;
let server;
let url;

before(async () => {
  server = createServer((request, response) => {
    const size = Number(new URL(request.url, 'http://x').searchParams.get('bytes'));
    const part = Buffer.alloc(65_536, 'ä');
    let sent = 0;
    const write = () => {
      while (sent < size) {
        const next = part.subarray(0, Math.min(part.length, size - sent));
        sent += next.length;
        if (!response.write(next)) return response.once('drain', write);
      }
      return response.end();
    };
    write();
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${server.address().port}`;
});
after(() => {
  server.close();
  server.closeAllConnections();
});

for (const place of ['a process', 'a page']) {
  describe(`in ${place}`, () => {
    before(() => {
      if (place === 'a page') globalThis.document = {};
    });
    after(() => delete globalThis.document);

    test('an answer is read to its end, characters across parts included', async () => {
      const text = await readText(await fetch(`${url}?bytes=300002`));
      assert.equal(text.length, 150_001);
      assert.match(text, /^ä+$/);
      assert.equal(await readText(await fetch(`${url}?bytes=0`)), '');
    });

    test('an answer without an end is left', async () => {
      const left = once(server, 'request').then(([, response]) => once(response, 'close'));
      await assert.rejects(async () => readText(await fetch(`${url}?bytes=1e12`)), /longer than any/);
      await left;
      assert.equal((await readText(await fetch(`${url}?bytes=${BYTES_MAX}`))).length, BYTES_MAX / 2);
    });

    test('answers that are read at once are bounded together, and a short one passes', async () => {
      const read = async (bytes) => (await readText(await fetch(`${url}?bytes=${bytes}`))).length;
      const endless = Array.from({ length: 20 }, () =>
        read(1e12).then(assert.fail, ({ message }) => message),
      );
      const short = Array.from({ length: 5 }, () => read(300_002));
      assert.deepEqual(await Promise.all(short), Array(5).fill(150_001));
      for (const message of await Promise.all(endless)) assert.match(message, /longer than any/);
      assert.equal(await read(BYTES_MAX), BYTES_MAX / 2, 'and what they held is free again');
    });

    test('an answer that nobody waits for any more is left at its next part', async () => {
      const left = once(server, 'request').then(([, response]) => once(response, 'close'));
      const controller = new AbortController();
      // Not given to `fetch`: the way from a signal to a body can be lost.
      const reading = readText(await fetch(`${url}?bytes=1e12`), controller.signal);
      controller.abort();
      await assert.rejects(reading);
      await left;
    });
  });
}

test('a response of somebody’s own needs no stream', async () => {
  assert.equal(await readText({ text: async () => 'theirs' }), 'theirs');
});
