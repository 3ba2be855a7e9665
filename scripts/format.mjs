/** `npm run format`: formats Rust with rustfmt, JS, TypeScript and JSON with Biome, and writes the tables of SECURITY.md. */
import { bin, modulesStep } from './lib/modules.mjs';
import { ROOT } from './lib/paths.mjs';
import { run, runMain } from './lib/process.mjs';
import { writeSecurityTables } from './lib/security-tables.mjs';
import { step } from './lib/steps.mjs';
import { requireBasics } from './lib/system.mjs';

runMain(async () => {
  requireBasics();
  await step(modulesStep);
  await run('cargo', ['fmt', '--all'], { cwd: ROOT, show: 'stream' });
  writeSecurityTables();
  await run(bin('biome'), ['check', '--write', '.'], { cwd: ROOT, show: 'stream' });
});
