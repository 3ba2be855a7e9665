'use client';

/**
 * The hooks for Cloudflare Workers.
 *
 * Owns which Wasm they bring. Must not hold anything else.
 */

import { byDefault } from '../engine.js';
import { uploaded } from '../wasm.uploaded.js';

export {
  SpaceProvider,
  useConnection,
  useMessages,
  usePresence,
  useSend,
  useSpace,
  useTyping,
} from './hooks.js';

byDefault(uploaded);
