/**
 * Entry for servers: tokens and deployment, without the client.
 *
 * Owns which names a server gets. Must not hold anything else, and nothing that only browsers have.
 */

export {
  getDoEnvironment,
  getSpacesEnvironment,
  validateDoEnvironment,
  validateSpacesEnvironment,
} from '../environment.js';
export { ChatError } from '../errors.js';
export { generateSpaceToken, generateToken, validateSpaceToken } from '../tokens.js';
export { deploy, deploySpacesWorker, getWorkerModules, getWorkerScript } from './deploy.js';
