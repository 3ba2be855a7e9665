/**
 * The hooks for browsers.
 *
 * Owns which Wasm they bring. Must not hold anything else.
 */

import { byDefault } from '../engine.js';
import { fetched } from '../wasm.fetched.js';

export {
  setSpace,
  useConnection,
  useMessages,
  usePresence,
  useSend,
  useSpace,
  useTyping,
} from './hooks.js';

byDefault(fetched);
