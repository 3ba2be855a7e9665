/** Settings of servers: from environment variables, and for spaces and deployment. */

/**
 * All that a page needs to enter a space: what a server's route answers.
 *
 * @example
 * const answer: SpaceInstanceConfig = await fetch('/api/chat/init').then((response) => response.json());
 */
export interface SpaceInstanceConfig {
  /** Name of the space. @example 'support-7' */
  spaceId: string;
  /** The token for it. @example await generateToken('support-7') */
  spaceToken: string;
  /** Not needed by our client, and not to be sent to browsers. @example undefined */
  gatewayKey?: string | undefined;
  /** Address of the Worker. @example 'https://chat.example.com' */
  workerUrl: string;
}

/**
 * What a server needs to open a space for somebody.
 *
 * @example
 * const options: CreateSpaceOptions = { spaceId: 'support-7', gatewayKey, metadata: { topic: 'Invoices' } };
 */
export interface CreateSpaceOptions {
  /** Name of the space. @example 'support-7' */
  spaceId: string;
  /** The key that signs tokens. @example process.env.KURATCHI_GATEWAY_KEY! */
  gatewayKey: string;
  /** Its first metadata. @example { topic: 'Invoices' } */
  metadata?: Record<string, string> | undefined;
}

/**
 * The Cloudflare account that a Worker lives in.
 *
 * @example
 * const config: SpaceConfig = { accountId, apiToken, scriptName: 'kuratchi-spaces' };
 */
export interface SpaceConfig {
  /** The account's workers.dev subdomain. @example 'example' */
  workersSubdomain?: string | undefined;
  /** The account. @example process.env.CLOUDFLARE_ACCOUNT_ID! */
  accountId: string;
  /** A token that may edit Workers there. @example process.env.CLOUDFLARE_API_TOKEN! */
  apiToken: string;
  /** Name of the Worker. @defaultValue 'kuratchi-spaces' @example 'kuratchi-spaces' */
  scriptName?: string | undefined;
}

/**
 * The settings that clients and token minting read from the environment.
 *
 * @example
 * const { workerUrl }: SpacesEnvironmentConfig = getSpacesEnvironment();
 */
export interface SpacesEnvironmentConfig {
  /** `KURATCHI_SPACES_WORKER_URL`, or empty. @example 'https://chat.example.com' */
  workerUrl: string;
  /** `KURATCHI_GATEWAY_KEY`, else `KURATCHI_SPACES_GATEWAY_KEY`, or empty. @example 'a-long-random-text' */
  gatewayKey: string;
}

/**
 * The settings that deployment reads from the environment.
 *
 * @example
 * const { accountId }: EnvironmentConfig = getDoEnvironment();
 */
export interface EnvironmentConfig {
  /** `CLOUDFLARE_ACCOUNT_ID`, or empty. @example '0123456789abcdef' */
  accountId: string;
  /** `CLOUDFLARE_API_TOKEN`, or empty. @example 'a-token' */
  apiToken: string;
  /** `KURATCHI_GATEWAY_KEY`, else `KURATCHI_SPACES_GATEWAY_KEY`, or empty. @example 'a-long-random-text' */
  gatewayKey: string;
  /** `KURATCHI_SPACES_SCRIPT_NAME`. @defaultValue 'kuratchi-spaces' @example 'kuratchi-spaces' */
  scriptName: string;
}

/**
 * What `deploy()` takes. An empty or absent setting is taken from the environment.
 *
 * @example
 * const options: DeployOptions = { scriptName: 'kuratchi-spaces' };
 */
export interface DeployOptions {
  /**
   * Cloudflare's account: 32 hexadecimal digits.
   *
   * @defaultValue `CLOUDFLARE_ACCOUNT_ID`, else the one account that the API token sees
   * @example accountId: process.env.CLOUDFLARE_ACCOUNT_ID
   */
  accountId?: string | undefined;
  /**
   * A token with the permission "Workers Scripts: Edit".
   *
   * @defaultValue `CLOUDFLARE_API_TOKEN`
   * @example apiToken: process.env.CLOUDFLARE_API_TOKEN
   */
  apiToken?: string | undefined;
  /**
   * The key that signs space tokens: at least 32 random characters. It becomes a secret of the Worker.
   *
   * @defaultValue `KURATCHI_GATEWAY_KEY`, else `KURATCHI_SPACES_GATEWAY_KEY`
   * @example gatewayKey: process.env.KURATCHI_GATEWAY_KEY
   */
  gatewayKey?: string | undefined;
  /**
   * Name of the Worker, and the first part of its address: 1 to 63 lower-case letters, digits, `_` and `-`.
   *
   * @defaultValue `KURATCHI_SPACES_SCRIPT_NAME`, else `'kuratchi-spaces'`
   * @example scriptName: 'team-chat'
   */
  scriptName?: string | undefined;
  /**
   * Whether a Worker of that name may be replaced that is another program. Without it such a deployment is refused,
   * and nothing is changed.
   *
   * @defaultValue false
   * @example replace: true
   */
  replace?: boolean | undefined;
  /** Whether to say on standard error what is being done, without secrets. @defaultValue false @example verbose: true */
  verbose?: boolean | undefined;
}

/**
 * What `deploy()` gives.
 *
 * @example
 * const result: DeployResult = { success: false, error: 'apiToken is required or set CLOUDFLARE_API_TOKEN' };
 */
export interface DeployResult {
  /** Whether the Worker was uploaded and made reachable. @example true */
  success: boolean;
  /** Its address. @example 'https://team-chat.acme.workers.dev' */
  workerUrl?: string;
  /** Its name. @example 'team-chat' */
  scriptName?: string;
  /** Whether it answered within half a minute; a new address may take longer. @example true */
  verified?: boolean;
  /**
   * Settings of the Worker that it cannot use, one sentence each: which one, and what was expected; after the first 20,
   * `and 5 more`. Absent where all are fine.
   * @example ['`ftp://a.example` of the Worker\'s variable ALLOWED_ORIGINS is passed over: expected origins …']
   */
  misconfigured?: string[];
  /** What went wrong, in words: what happened, and what to do. @example 'apiToken is required or set CLOUDFLARE_API_TOKEN' */
  error?: string;
}

/**
 * Reads the settings for clients and token minting. In a browser, where there are none, all are empty.
 *
 * @example
 * const { workerUrl } = getSpacesEnvironment();
 */
export function getSpacesEnvironment(): SpacesEnvironmentConfig;

/**
 * Reads the settings for deployment. In a browser, where there are none, all but `scriptName` are empty.
 *
 * @example
 * const { scriptName } = getDoEnvironment();
 */
export function getDoEnvironment(): EnvironmentConfig;

/**
 * Throws unless all settings for clients and token minting are there.
 *
 * @throws {ChatError} `invalidArgument`, naming every setting that is missing.
 * @example
 * validateSpacesEnvironment(getSpacesEnvironment());
 */
export function validateSpacesEnvironment(config: Partial<SpacesEnvironmentConfig>): void;

/**
 * Throws unless all settings for deployment are there.
 *
 * @throws {ChatError} `invalidArgument`, naming every setting that is missing.
 * @example
 * validateDoEnvironment(getDoEnvironment());
 */
export function validateDoEnvironment(config: Partial<EnvironmentConfig>): void;
