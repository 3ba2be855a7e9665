/**
 * A tab of Firefox, driven by WebDriver: Playwright drives only a Firefox of its own making.
 *
 * Owns geckodriver's process and one session. Knows as much of WebDriver as a `Person` needs of a tab.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { firefox } from '../../../scripts/lib/browsers.mjs';
import { geckodriver } from '../../../scripts/lib/tools.mjs';
import { PATIENCE_MS } from './waiting.mjs';

/** Ends the driver, and with it Firefox, when its input ends: that also happens when this process is killed. */
const GUARD = '"$@" & child=$!; read -r line; kill "$child"; wait "$child"';
const CALL_MS_MAX = 60_000;

/** Starts a Firefox with one tab. */
export async function startFirefox() {
  // Port 0 is a free one; the driver says which.
  const args = [geckodriver().program, '--port', '0', '--binary', firefox()];
  // What Firefox says of itself on its error output is of no use here.
  const driver = spawn('sh', ['-c', GUARD, 'driver-guard', ...args], { stdio: ['pipe', 'pipe', 'ignore'] });
  const exited = once(driver, 'exit');
  const end = async () => {
    driver.stdin.end();
    await exited;
  };
  try {
    const url = await address(driver, exited);
    const alwaysMatch = { 'moz:firefoxOptions': { args: ['-headless'] } };
    const { sessionId } = await call('POST', `${url}/session`, { capabilities: { alwaysMatch } });
    return new FirefoxTab(`${url}/session/${sessionId}`, end);
  } catch (error) {
    await end();
    throw error;
  }
}

export class FirefoxTab {
  #session;
  #end;

  constructor(session, end) {
    this.#session = session;
    this.#end = end;
  }

  async goto(url) {
    await call('POST', `${this.#session}/url`, { url });
  }

  /** As Playwright's: a function that gets one value, runs in the page and may be asynchronous. */
  async evaluate(fn, value) {
    const script = `return (${fn})(...arguments)`;
    return call('POST', `${this.#session}/execute/sync`, {
      script,
      args: value === undefined ? [] : [value],
    });
  }

  async close() {
    await call('DELETE', this.#session);
    await this.#end();
  }
}

async function call(method, url, body) {
  const response = await fetch(url, {
    method,
    headers: { 'Content-Type': 'application/json' },
    body: body && JSON.stringify(body),
    signal: AbortSignal.timeout(CALL_MS_MAX),
  });
  const { value } = await response.json();
  if (!response.ok) throw new Error(`${method} ${new URL(url).pathname}: ${value.error}: ${value.message}`);
  return value;
}

function address(driver, exited) {
  const said = new Promise((resolve) => {
    let text = '';
    driver.stdout.setEncoding('utf8');
    driver.stdout.on('data', (chunk) => {
      text += chunk;
      const match = /Listening on (127\.0\.0\.1:\d+)/.exec(text);
      if (match) resolve(`http://${match[1]}`);
    });
  });
  const failed = exited.then(([code]) => {
    throw new Error(`geckodriver ended with exit code ${code}`);
  });
  const late = new Promise((_, reject) => {
    setTimeout(() => reject(new Error('geckodriver did not say where it listens')), PATIENCE_MS).unref();
  });
  return Promise.race([said, failed, late]);
}
