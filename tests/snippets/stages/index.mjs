/** Every stage by its name, which the documents' comments give. */
import { DEPLOYING } from './deploying.mjs';
import { GUIDES } from './guides.mjs';
import { QUICK_START } from './quick-start.mjs';
import { README } from './readme.mjs';
import { SERVER } from './server.mjs';
import { SVELTEKIT } from './sveltekit.mjs';

export const STAGES = { ...README, ...GUIDES, ...SERVER, ...DEPLOYING, ...SVELTEKIT, ...QUICK_START };
