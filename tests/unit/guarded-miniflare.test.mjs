/**
 * What a start of Miniflare gets of Node instead of what it asks for.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { guarded } from '../../pkg-template/cli/guarded-miniflare.js';

const miniflare = dirname(createRequire(import.meta.url).resolve('miniflare'));
const ENTRY = join(miniflare, 'workers/core/entry.worker.js');
const { createServer } = http;
const { readFileSync } = fs;

test('the expression that reads Accept-Encoding has its dot escaped, for Miniflare alone', async () => {
  const mended = /q=\(\?<weight>\\d\+\(\?:\\\.\\d\+\)\?\)/;
  assert.doesNotMatch(
    fs.readFileSync(ENTRY, 'utf8'),
    mended,
    'and this check can be deleted once Miniflare has it so',
  );
  const read = await guarded(async () => {
    // As late as Miniflare does.
    await new Promise((resolve) => setTimeout(resolve, 5));
    return fs.readFileSync(ENTRY, 'utf8');
  });
  assert.match(read, mended);
  assert.equal(fs.readFileSync, readFileSync);
});

test('only servers that a start makes do nothing', async () => {
  let made;
  const starting = guarded(async () => {
    await new Promise((resolve) => setTimeout(resolve, 20));
    made = http.createServer(() => assert.fail('it is never asked'));
  });
  const ours = http.createServer((_, response) => response.end('ours'));
  await starting;
  assert.equal(http.createServer, createServer);
  const answers = [];
  for (const server of [made, ours]) {
    server.on('upgrade', () => assert.equal(server, ours));
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${server.address().port}`;
    for (const path of ['/core/store-temp-file?extension=x', '/core/error']) {
      const answer = await fetch(url + path, { method: 'POST', body: 'x' });
      answers.push([answer.status, await answer.text()]);
    }
    server.closeAllConnections();
    server.close();
  }
  assert.deepEqual(
    answers.map(([status]) => status),
    [404, 500, 200, 200],
  );
  assert.equal(answers[3][1], 'ours');
});
