/** `npm run build`: makes the npm package in `pkg/`, and the tarball of it that other projects install. */
import { buildPackage, packPackage } from './lib/build.mjs';
import { TARBALL } from './lib/paths.mjs';
import { runMain } from './lib/process.mjs';
import { setUp } from './lib/setup.mjs';
import { step } from './lib/steps.mjs';

runMain(async () => {
  await setUp({ modules: true, wasm: true, bindgen: true, pack: true });
  await step({
    what: 'Package',
    why: 'wasm-pack, wasm-opt and pkg-template',
    about: '1 min',
    act: buildPackage,
  });
  await step({
    what: 'Tarball',
    why: 'bundlers follow a link to a folder into this clone, and find its React',
    about: '2 s',
    act: packPackage,
  });
  const quoted = /[^\w./\\:-]/.test(TARBALL) ? JSON.stringify(TARBALL) : TARBALL;
  console.log(`\nIn your app: npm install ${quoted}\n"npm run size" shows what the package weighs.`);
});
