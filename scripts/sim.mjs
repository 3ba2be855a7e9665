/** `npm run sim -- ARGS`: runs the simulator with ARGS, optimised, with its assertions on. */
import { spawnSync } from 'node:child_process';
import { CRATES, ROOT } from './lib/paths.mjs';
import { runMain } from './lib/process.mjs';
import { requireBasics } from './lib/system.mjs';
import { nativeCargo } from './lib/toolchain.mjs';

runMain(async () => {
  requireBasics();
  const { cargo, env } = nativeCargo();
  const args = ['run', '--quiet', '-p', CRATES.sim, '--profile', 'sim', '--', ...process.argv.slice(2)];
  const { status } = spawnSync(cargo, args, { cwd: ROOT, env, stdio: 'inherit' });
  process.exit(status ?? 1);
});
