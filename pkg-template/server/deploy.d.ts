/** Deployment of the Worker to Cloudflare's network. In Node, Deno and Bun. */

import type { DeployOptions, DeployResult } from '../environment.js';

/**
 * A module of the Worker, as Cloudflare's API takes it.
 *
 * @example
 * const form = new FormData();
 * for (const { name, type, content } of getWorkerModules()) form.set(name, new Blob([content], { type }), name);
 */
export interface WorkerModule {
  /** Its name, by which the others import it. @example 'index.js' */
  name: string;
  /** Its media type. @example 'application/wasm' */
  type: 'application/javascript+module' | 'application/wasm';
  /** JavaScript as text, WebAssembly as bytes. @example content.length */
  content: string | (Uint8Array & { readonly buffer: ArrayBuffer });
}

/**
 * Deploys the Worker to a Cloudflare account, or updates the one that is there.
 *
 * Uploads its modules with the binding of its Durable Objects, their SQLite migration and the gateway key as a secret,
 * makes it reachable at the account's workers.dev subdomain (or leaves it at its custom domain, if it has one and is
 * not on workers.dev), and asks it whether it is well. May be called again at any time: variables, secrets, other
 * bindings, routes, logging and placement of the Worker stay as they are; another gateway key replaces the old one,
 * which ends every token that was signed with that. A Worker of that name that is another program is left alone, unless
 * `replace` says otherwise. The API token needs the permission "Workers Scripts: Edit".
 *
 * What goes wrong is told in the result, in words, and never thrown. In browsers and in Workers there is nothing to
 * deploy from, and the result says so.
 *
 * @param options What is not given is taken from the environment.
 * @returns Whether it went well, and where the Worker is.
 * @example
 * const { success, workerUrl, error } = await deploy({ scriptName: 'team-chat' });
 * if (!success) throw new Error(error);
 */
export function deploy(options?: DeployOptions): Promise<DeployResult>;

/**
 * The same as {@link deploy}, by its older name.
 *
 * @param options What is not given is taken from the environment.
 * @returns Whether it went well, and where the Worker is.
 * @example
 * const { workerUrl } = await deploySpacesWorker({ scriptName: 'team-chat', verbose: true });
 */
export function deploySpacesWorker(options?: DeployOptions): Promise<DeployResult>;

/**
 * The Worker's modules, the entry module first: what {@link deploy} uploads, for those who upload by other means.
 * They need a Durable Object namespace `SPACES` of the class `Space` with SQLite, and the secret `GATEWAY_KEY`.
 *
 * @returns JavaScript and WebAssembly, with names and media types.
 * @throws {ChatError} `unsupported` in browsers, in Workers, and where a bundler left the files behind.
 * @example
 * for (const { name, content } of getWorkerModules()) await writeFile(join('worker', name), content);
 */
export function getWorkerModules(): WorkerModule[];

/**
 * The text of the Worker's entry module. It is not enough alone, and says so in a comment: it imports WebAssembly,
 * which {@link getWorkerModules} gives as well.
 *
 * @returns JavaScript, as an ES module.
 * @throws {ChatError} `unsupported` in browsers, in Workers, and where a bundler left the files behind.
 * @example
 * const script = getWorkerScript();
 */
export function getWorkerScript(): string;
