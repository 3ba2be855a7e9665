/** Who is in a space, and what is known of it as a whole. */

/**
 * What somebody is in a space: `'agent'` answers on the owner's behalf, everybody else is `'customer'`.
 *
 * @example
 * const role: Role = 'agent';
 */
export type Role = 'customer' | 'agent';

/**
 * Somebody who has been in the space.
 *
 * @example
 * const agents = (await client.getParticipants()).filter((participant) => participant.role === 'agent');
 */
export interface Participant {
  /** Their id. @example participant.userId === me */
  userId: string;
  /** What they are here: as the token said with which they came in last. @example participant.role === 'agent' */
  role: Role;
  /** When they were first known: milliseconds since 1970. @example new Date(participant.joinedAt) */
  joinedAt: number;
  /** Whether a token ever proved the id, or the gateway key spoke for support with it. Absent on servers other than ours. @example participant.verified === true */
  verified?: boolean;
}

/**
 * Somebody who is connected right now. Only people whom their token names are counted.
 *
 * @example
 * client.on('presence', (users) => console.log(users.map((user) => user.name ?? user.userId)));
 */
export interface PresentUser {
  /** Their id. @example user.userId === me */
  userId: string;
  /** Their name, if the token gives one. @example user.name ?? user.userId */
  name?: string;
  /** What they are here. @example user.role === 'agent' */
  role: Role;
}

/**
 * When somebody was last seen typing; for apps that keep such a list themselves.
 *
 * @example
 * const status: TypingStatus = { userId: 'ada', lastTypedAt: Date.now() };
 */
export interface TypingStatus {
  /** Who. @example 'ada' */
  userId: string;
  /** When: milliseconds since 1970. @example Date.now() */
  lastTypedAt: number;
}

/**
 * What is known of a space as a whole: at most 64 keys of 1 to 128 bytes, each value at most 4 KiB in UTF-8.
 *
 * @example
 * const { topic } = await client.getMetadata();
 */
export interface SpaceMetadata {
  [key: string]: string;
}

/**
 * Changes of metadata: new values, and `null` for keys to remove.
 *
 * @example
 * await client.setMetadata({ topic: 'Invoices', oldKey: null });
 */
export interface SpaceMetadataChanges {
  [key: string]: string | null;
}
