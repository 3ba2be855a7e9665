/** An app of `examples-web` for the tests of one file, talking to the stack's Worker through its proxy. */
import { after, afterEach, before } from 'node:test';
import { serveExample } from '../../../scripts/lib/example.mjs';
import { Stack } from './stack.mjs';

/**
 * Starts the stack and the app before the file's first test and ends them after its last one.
 *
 * @param {'react' | 'svelte'} name
 * @returns {{ stack: Stack, app: { url: string } }} The address is filled in when the tests begin.
 */
export function useExample(name) {
  const stack = new Stack();
  const app = { url: '' };
  let served;
  // One hook for both: each runs as soon as it is named, and nobody waits for the one before.
  before(async () => {
    await stack.start();
    served = await serveExample(name, {
      workerUrl: stack.proxy.url,
      gatewayKey: stack.backend.gatewayKey,
      cache: `test-${name}`,
    });
    app.url = served.url;
  });
  afterEach(() => stack.tidyUp());
  after(async () => {
    await served?.close();
    await stack.stop();
  });
  return { stack, app };
}
