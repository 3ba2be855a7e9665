/** Tokens, for servers. */

import type { Role } from './participants.js';

/**
 * What a token says of its bearer.
 *
 * @example
 * const options: GenerateTokenOptions = { userId: 'ada', name: 'Ada', role: 'customer', expiryMs: 600_000 };
 */
export interface GenerateTokenOptions {
  /**
   * The key that the Worker knows too.
   *
   * @defaultValue the environment variable `KURATCHI_GATEWAY_KEY`, then `KURATCHI_SPACES_GATEWAY_KEY`
   * @example process.env.KURATCHI_GATEWAY_KEY
   */
  gatewayKey?: string | undefined;
  /** How long it is good: milliseconds from now, a whole number from 1 to 315,360,000,000 (10 years). @defaultValue 3_600_000 (1 hour) @example 600_000 */
  expiryMs?: number | undefined;
  /** Who the bearer is: 1 to 128 bytes in UTF-8 without control characters. Nobody in particular if absent. @example 'ada' */
  userId?: string | undefined;
  /** What the bearer is: `'user'` means `'customer'`, `'support'` means `'agent'`. @example 'agent' */
  role?: Role | 'user' | 'support' | undefined;
  /** Name to show to others: 1 to 128 bytes in UTF-8. @example 'Ada' */
  name?: string | undefined;
  /**
   * At most 16 capabilities, each 1 to 32 characters out of `a-z 0-9 : _ -`: `metadata` may change metadata,
   * `moderate` may edit and delete anybody's messages, `system` may send as the application.
   * A token with `inspect` shows how full the space is and which settings are wrong, and does nothing else.
   *
   * @example ['metadata', 'moderate']
   */
  caps?: readonly string[] | undefined;
}

/**
 * Makes a token that lets its bearer into one space. For servers.
 *
 * @param spaceId 1 to 200 bytes in UTF-8 without control characters.
 * @param options Who the bearer is, for how long, signed with which key.
 * @throws {ChatError} `invalidArgument`, with the `field`; without any key, the text
 *   `gatewayKey is required or set KURATCHI_SPACES_GATEWAY_KEY`, and a `cause` that says how one gets there. `unsupported` where
 *   there is no WebCrypto.
 * @example
 * const spaceToken = await generateToken('support-7', { userId: 'ada', name: 'Ada' });
 */
export function generateToken(spaceId: string, options?: GenerateTokenOptions): Promise<string>;

/**
 * Makes a token for nobody in particular. For servers.
 *
 * @param spaceId 1 to 200 bytes in UTF-8 without control characters.
 * @param gatewayKey The key that the Worker knows too.
 * @param expiryMs Milliseconds from now: a whole number from 1 to 315,360,000,000 (10 years); 1 hour if absent.
 * @throws {ChatError} `invalidArgument`, with the `field`; `unsupported` where there is no WebCrypto.
 * @example
 * const spaceToken = await generateSpaceToken('support-7', process.env.KURATCHI_GATEWAY_KEY!);
 */
export function generateSpaceToken(spaceId: string, gatewayKey: string, expiryMs?: number): Promise<string>;

/**
 * Whether a token lets its bearer into a space now. Never fails because of the token. One with the capability `inspect` lets nobody
 * in.
 *
 * @param token What somebody showed.
 * @param spaceId The space that they want to enter.
 * @param gatewayKey The key that the token should be signed with.
 * @throws {ChatError} `invalidArgument` when `spaceId` or `gatewayKey` is not a string; `unsupported` where there
 *   is no WebCrypto.
 * @example
 * if (!(await validateSpaceToken(token, 'support-7', gatewayKey))) return new Response(null, { status: 401 });
 */
export function validateSpaceToken(token: string, spaceId: string, gatewayKey: string): Promise<boolean>;
