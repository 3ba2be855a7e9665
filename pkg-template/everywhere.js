/**
 * What every entry has besides the client.
 *
 * Owns the list. Must not hold anything that works in one environment only.
 */

export {
  getDoEnvironment,
  getSpacesEnvironment,
  validateDoEnvironment,
  validateSpacesEnvironment,
} from './environment.js';
export { ChatError } from './errors.js';
export { pendingSpaces } from './pending-spaces.js';
export { generateSpaceToken, generateToken, validateSpaceToken } from './tokens.js';
