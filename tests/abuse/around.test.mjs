/**
 * What stands around the Worker: the example pages' servers.
 */
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { test } from 'node:test';
import { Agents } from '../../examples-web/svelte/server/agents.mjs';
import { serve } from '../../examples-web/vanilla/server.mjs';
import { PKG_DEV } from '../../scripts/lib/paths.mjs';
import { report } from './lib/report.mjs';

const add = report('Around the Worker');
const GUESSES = 1_000;

function statusUnder(host, url) {
  return new Promise((resolve, reject) => {
    const asked = request(url, { headers: { host } }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    asked.once('error', reject);
    asked.end();
  });
}

test('a page that has its own name lead to this machine gets no token', async () => {
  const page = await serve({ workerUrl: 'http://127.0.0.1:1', gatewayKey: 'key', packageDir: PKG_DEV });
  try {
    const url = `${page.url}/api/chat/init?name=Admin`;
    assert.equal(await statusUnder('evil.example', url), 403);
    assert.equal(await statusUnder(`localhost:${new URL(page.url).port}`, url), 200);
    add('`Host: evil.example` on /api/chat/init?name=Admin', 'a token', '403');
  } finally {
    await page.close();
  }
});

test('passwords of the support desk cannot be guessed at will', () => {
  const agents = new Agents({ gatewayKey: 'key', password: 'right' });
  const statusOf = (password, address) => {
    try {
      agents.signIn('Rosa', password, address);
      return 200;
    } catch (error) {
      return error.status;
    }
  };
  for (const password of [undefined, null, 5, {}, ['right'], { toString: 'right' }]) {
    assert.equal(statusOf(password, '10.0.0.1'), 400);
  }
  const statuses = Array.from({ length: GUESSES }, (_, i) => statusOf(`guess ${i}`, '10.0.0.2'));
  const looked = statuses.filter((status) => status === 403).length;
  assert.equal(looked, 10);
  assert.equal(statusOf('right', '10.0.0.2'), 429, 'nor does a right one pass then');
  for (let i = 0; i < GUESSES; i += 1) statusOf('wrong', `10.1.${i >> 8}.${i & 255}`);
  const ofNetwork = Array.from({ length: 20 }, (_, i) =>
    statusOf('wrong', `2001:db8:1:2::${i.toString(16)}`),
  );
  assert.equal(ofNetwork.filter((status) => status === 403).length, 10, 'an IPv6 network is one subscriber');
  assert.equal(statusOf('right', '10.0.0.3'), 200, 'another address is not kept out');
  add(
    `${GUESSES} guesses of the agents' password from one address`,
    'all looked at',
    `${looked} in ten minutes`,
  );
});
