/** What the guides to deploying and troubleshooting take for granted and should come to. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parse as parseToml } from 'smol-toml';
import { bin } from '../../../scripts/lib/modules.mjs';
import { ROOT } from '../../../scripts/lib/paths.mjs';
import { Cloudflare } from '../../command-line/lib/cloudflare.mjs';

const HOSTS = pathToFileURL(join(ROOT, 'tests', 'command-line', 'lib', 'hosts.mjs'));

/** Cloudflare's API on this machine, and an account there. What is deployed answers as the Worker that runs here. */
async function openCloudflare({ backend }) {
  const cloudflare = await Cloudflare.start();
  const { id, token } = cloudflare.addAccount();
  const hosts = {};
  for (const name of ['kuratchi-spaces', 'team-chat']) hosts[`${name}.acme.workers.dev`] = backend.url;
  return {
    uploaded: (name) => cloudflare.script(id, name)?.modules.length,
    problems: cloudflare.problems,
    close: () => cloudflare.stop(),
    env: {
      CLOUDFLARE_ACCOUNT_ID: id,
      CLOUDFLARE_API_TOKEN: token,
      CLOUDFLARE_API_BASE_URL: cloudflare.baseUrl,
      TEST_HOSTS: JSON.stringify(hosts),
      NODE_OPTIONS: `--import=${HOSTS}`,
    },
  };
}

function deployed(name) {
  return ({ stdout, props }) => {
    assert.match(stdout, new RegExp(`https://${name}\\.acme\\.workers\\.dev`));
    assert.deepEqual(props.problems, []);
    assert.equal(props.uploaded(name), 2);
  };
}

const isWell = ({ stdout }) => assert.match(stdout, /WebSocket[\s\S]*\n\n(?:All is well|Works;)/);

/** @type {Record<string, import('../lib/kinds.mjs').Stage>} */
export const DEPLOYING = {
  deploy: { kind: 'shell', open: openCloudflare, check: deployed('kuratchi-spaces') },
  'deploy-env': {
    kind: 'parse',
    check: (settings) =>
      assert.deepEqual(Object.keys(settings), [
        'CLOUDFLARE_ACCOUNT_ID',
        'CLOUDFLARE_API_TOKEN',
        'KURATCHI_GATEWAY_KEY',
      ]),
  },
  'deploy-script': { kind: 'node', open: openCloudflare, check: deployed('team-chat') },
  wrangler: {
    kind: 'walk',
    // Without an account: all but the upload.
    inPlaceOf: (line) =>
      line.replace('npx wrangler deploy', `${bin('wrangler')} deploy --dry-run --outdir uploaded`),
    open: async () => ({ env: { CI: '1', WRANGLER_SEND_METRICS: 'false' }, close: async () => {} }),
    check({ folder }) {
      for (const name of ['index.js', 'index_bg.wasm']) {
        assert.deepEqual(read(folder, 'uploaded', name), read(folder, 'worker', name), name);
      }
      const ours = parseToml(read(ROOT, 'crates', 'worker', 'wrangler.toml').toString());
      const shown = parseToml(read(folder, 'wrangler.toml').toString());
      const same = ({ main: _, vars: __, ...settings }) => settings;
      assert.deepEqual(same(shown), same(ours), 'the guide says what the Worker is built with');
    },
  },
  doctor: { kind: 'shell', check: isWell },
  'doctor-space': {
    kind: 'shell',
    check({ stdout }) {
      isWell({ stdout });
      assert.match(stdout, /The space support-7 stores [\d.]+ MB of 1\.0 MB/);
    },
  },
  'doctor-url': {
    kind: 'shell',
    inPlaceOf: (line, { backend }) => line.replace(/https:\S+/, backend.url),
    check: isWell,
  },
};

function read(...path) {
  return readFileSync(join(...path));
}
