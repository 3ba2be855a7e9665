/**
 * The hooks for Node, Deno and Bun.
 *
 * Owns which Wasm they bring. Must not hold anything else.
 */

import { byDefault } from '../engine.js';
import { read } from '../wasm.read.js';

export {
  setSpace,
  useConnection,
  useMessages,
  usePresence,
  useSend,
  useSpace,
  useTyping,
} from './hooks.js';

byDefault(read);
