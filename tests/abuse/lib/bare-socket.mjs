/**
 * A plain Worker whose sockets read everything and do nothing: what a runtime takes for frames that nobody wants.
 */
import { startLocalWorker } from '../../../pkg-template/cli/local-worker.js';
import { miniflare } from '../../../scripts/lib/backend.mjs';

const SOURCE = `
import { DurableObject } from 'cloudflare:workers';

export class Space extends DurableObject {}

export default {
  fetch() {
    const { 0: client, 1: server } = new WebSocketPair();
    server.accept();
    server.addEventListener('message', () => {});
    return new Response(null, { status: 101, webSocket: client });
  },
};
`;

/**
 * Starts it.
 *
 * @returns {Promise<{ url: string, stop: () => Promise<void> }>}
 */
export function startBareSocket() {
  const modules = [{ name: 'index.js', content: SOURCE }];
  return startLocalWorker({ miniflare, modules, gatewayKey: 'unused' });
}
