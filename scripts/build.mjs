/** `npm run build`: makes the npm package in `pkg/`. */
import { buildPackage } from './lib/build.mjs';
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
  console.log(
    '\nInstall it elsewhere with "npm install <this folder>/pkg"; "npm run size" shows what it weighs.',
  );
});
