/** Every stage by its name, which the documents' comments give. */
import { DEPLOYING } from './deploying.mjs';
import { GUIDES } from './guides.mjs';
import { QUICK_START } from './quick-start.mjs';
import { README } from './readme.mjs';
import { SERVER } from './server.mjs';

export const STAGES = { ...README, ...GUIDES, ...SERVER, ...DEPLOYING, ...QUICK_START };
