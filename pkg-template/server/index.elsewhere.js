/**
 * Entry for servers that are Workers themselves, and for hosts that nothing else fits: tokens, and no deployment.
 *
 * Owns which names they get: the same as in Node. Must not hold anything else.
 */

export {
  getDoEnvironment,
  getSpacesEnvironment,
  validateDoEnvironment,
  validateSpacesEnvironment,
} from '../environment.js';
export { ChatError } from '../errors.js';
export { generateSpaceToken, generateToken, validateSpaceToken } from '../tokens.js';
export { deploy, deploySpacesWorker, getWorkerModules, getWorkerScript } from './elsewhere.js';
