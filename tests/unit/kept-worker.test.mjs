/** What is told of a runtime that keeps dying. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { keepLocalWorker, LastLines } from '../../pkg-template/cli/kept-worker.js';
import { RuntimeProcess } from '../../pkg-template/cli/runtime-process.js';

const folder = mkdtempSync(join(tmpdir(), 'kuratchi-runtime-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const WORKERD = join(folder, 'workerd');
symlinkSync(process.execPath, WORKERD);

/** A Miniflare whose runtime is a server that says `words[n]` in its life n, and nothing when it is killed. */
function miniflareSaying(words, children) {
  return {
    Log: class {},
    LogLevel: {},
    Miniflare: class {
      #child;
      constructor({ port, handleRuntimeStdio }) {
        const said = JSON.stringify(words[children.length] ?? '');
        const code = `
          const server = require('node:net').createServer((socket) => socket.destroy());
          server.listen(${port}, '127.0.0.1', () => { console.error(${said}); console.log(server.address().port); });
        `;
        this.#child = spawn(WORKERD, ['-e', code]);
        children.push(this.#child);
        handleRuntimeStdio(this.#child.stdout, this.#child.stderr);
        this.ready = once(this.#child.stdout, 'data').then(([line]) => {
          this.#child.isUp = true;
          return new URL(`http://127.0.0.1:${line.trim()}`);
        });
      }
      async dispose() {
        this.#child.kill('SIGKILL');
      }
    },
  };
}

test('the newest lines are told, oldest first', () => {
  const last = new LastLines();
  for (let n = 1; n <= 6; n += 1) last.add(`line ${n}`);
  assert.deepEqual(last.lines, ['line 4', 'line 5', 'line 6']);
});

test('a line of long before is not what it died of', () => {
  let now = 0;
  const last = new LastLines(() => now);
  last.add('uncaught in a request');
  assert.match(last.told(), /It said last:\nuncaught/);
  now = 60_000;
  assert.equal(last.told(), 'It said nothing of it.');
});

test('how a process ended is told as far as it is known', async () => {
  const told = async (code, signal) => {
    const runtime = new RuntimeProcess();
    const child = await runtime.of(async () => {
      spawn(process.execPath, ['-e', '']);
      return spawn(WORKERD, ['-e', code]);
    });
    assert.deepEqual(runtime.pids, [child.pid], 'of what a start makes, the runtime alone');
    if (signal) child.kill(signal);
    await once(child, 'exit');
    assert.ok(runtime.hasEnded);
    return runtime.told();
  };
  assert.match(
    await told('setInterval(() => {}, 1e6)', 'SIGKILL'),
    /ended by SIGKILL: .*memory.* is not known\.$/,
  );
  assert.equal(await told('setInterval(() => {}, 1e6)', 'SIGABRT'), 'It was ended by SIGABRT.');
  assert.equal(await told('process.exit(3)'), 'It ended with exit code 3.');
  assert.equal(new RuntimeProcess().told(), 'How it ended is not known.');
});

test('a killed runtime is told as such, without the words of an earlier life', async () => {
  const children = [];
  const said = [];
  const miniflare = miniflareSaying(['*** uncaught of the first life'], children);
  const worker = await keepLocalWorker({ miniflare, modules: [], gatewayKey: 'k' }, (text) =>
    said.push(text),
  );
  const failed = worker.failed.then(assert.fail, (error) => error.message);
  // One that is not up yet would never say that it is, however slow the machine.
  const kill = setInterval(() => children.at(-1).isUp && children.at(-1).kill('SIGKILL'), 500);
  const message = await failed;
  clearInterval(kill);
  await worker.stop();
  assert.equal(children.length, 3);
  assert.match(said[0], /died; it is started again .* It was ended by SIGKILL/);
  assert.match(
    message,
    /died 3 times within a minute, .* It was ended by SIGKILL: .* It said nothing of it\.\n/,
  );
  assert.doesNotMatch(message, /first life/);
});
