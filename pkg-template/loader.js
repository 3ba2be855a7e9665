/**
 * Loading the Wasm half of the package.
 *
 * Owns when it is loaded (by the first call that needs it, once), what an app is told when that fails, and
 * whether the loaded instance is still good. Must not know clients, nor where the Wasm comes from: each entry
 * point brings its own source.
 */

import { ChatError } from './errors.js';

const WASM_FILE = 'kuratchi_spaces_bg.wasm';
/** Folder of Vite's pre-bundled dependencies, inside `node_modules`. */
const VITE_DEPENDENCIES = '/.vite/deps/';
/** The names under which the package is installed: its own, and the one that it stands in for. */
const INSTALLED_AS = ['kuratchi-spaces', 'kuratchi-sdk'];
/** How engines word that the page's policy forbids Wasm. */
const POLICY_PATTERN = /content security policy|unsafe-eval|\bCSP\b/i;

/**
 * One Wasm instance in the making: loaded at most once at a time, and again after a failure.
 *
 * @param {() => WebAssembly.Module | Promise<WebAssembly.Module>} source Where the compiled module comes from.
 * @param {() => Promise<object>} [importGlue] Where wasm-bindgen's glue comes from.
 */
export function createEngine(source, importGlue = () => import('./kuratchi_spaces.js')) {
  let loading;
  let glue;
  let fault;

  async function start(given) {
    if (typeof WebAssembly !== 'object') {
      throw unavailable('this environment has no WebAssembly: use a current browser without lockdown mode');
    }
    const [loaded, module] = await Promise.all([
      importGlue(),
      given === undefined ? source() : compileGiven(given),
    ]);
    await loaded.default({ module_or_path: module });
    glue = loaded;
    return loaded;
  }

  return {
    /**
     * The glue with its exports. Rejects with `wasmUnavailable`; the next call tries again.
     *
     * @param {string | URL | WebAssembly.Module | ArrayBuffer | ArrayBufferView} [given] The Wasm that the app has,
     *   or where it put it. One instance serves all clients: who loads it first says from where.
     */
    load(given) {
      loading ??= start(given).catch((error) => {
        loading = undefined;
        throw explain(error);
      });
      return loading;
    },

    /** The error that ended the instance, if one did. After a panic its memory is not to be trusted. */
    fault() {
      // A panic in a timer or a socket's event passes by our own calls; the instance remembers it.
      const panic = fault === undefined ? glue?.lastPanic?.() : undefined;
      return panic ? this.fail(new Error(panic)) : fault;
    },

    /** Notes that the instance is dead, and gives the error to tell. */
    fail(cause) {
      const text = 'the chat client stopped after an error of its own: reload the page to use it again';
      fault ??= new ChatError(text, { code: 'internal', cause });
      return fault;
    },
  };
}

/** Compiles what the app gave. */
function compileGiven(given) {
  if (typeof given === 'string' || given instanceof URL) {
    return fetchModule(String(given), '');
  }
  if (given instanceof WebAssembly.Module) {
    return given;
  }
  const bytes = ArrayBuffer.isView(given)
    ? new Uint8Array(given.buffer, given.byteOffset, given.byteLength)
    : new Uint8Array(given);
  return compileBytes(bytes, "the client's option `wasm`");
}

/**
 * Fetches and compiles the module.
 *
 * @param {string} url Where the bundler put the file.
 * @param {string} importer The importing module's own address.
 */
export async function fetchModule(url, importer) {
  let failure;
  for (const candidate of [url, ...installedUrls(importer)]) {
    try {
      return await compileResponse(await fetch(candidate), candidate);
    } catch (error) {
      failure ??= error;
    }
  }
  throw failure;
}

/**
 * Vite's dev server moves the JavaScript of a dependency, in some versions without the files beside it. The
 * package's own folder is served all the same.
 */
function installedUrls(importer) {
  const end = importer.indexOf(VITE_DEPENDENCIES);
  return end === -1 ? [] : INSTALLED_AS.map((name) => `${importer.slice(0, end)}/${name}/${WASM_FILE}`);
}

async function compileResponse(response, url) {
  if (!response.ok) {
    throw unavailable(`${url} was answered with status ${response.status}: ${cureFor(url)}`);
  }
  const type = response.headers.get('content-type') ?? '';
  if (type.startsWith('application/wasm') && WebAssembly.compileStreaming) {
    return WebAssembly.compileStreaming(response);
  }
  return compileBytes(new Uint8Array(await response.arrayBuffer()), `${url} (content type '${type}')`);
}

/**
 * Compiles the module from its bytes, whatever they were called on the way.
 *
 * @param {Uint8Array} bytes
 * @param {string} [origin] What to call them in an error.
 */
export async function compileBytes(bytes, origin = WASM_FILE) {
  // Every module starts with a zero byte and 'asm'; a single-page app's fallback starts with '<'.
  if (String.fromCharCode(...bytes.subarray(0, 4)) !== '\0asm') {
    const answer = bytes[0] === 60 ? 'an HTML page' : 'something else';
    throw unavailable(`${origin} is ${answer}, and not WebAssembly: ${cureFor(origin)}`);
  }
  return WebAssembly.compile(bytes);
}

function cureFor(url) {
  return url.includes(VITE_DEPENDENCIES)
    ? "add optimizeDeps: { exclude: ['kuratchi-spaces'] } to the Vite config"
    : `serve ${WASM_FILE} of the package kuratchi-spaces there, as application/wasm`;
}

function explain(error) {
  if (error instanceof ChatError) {
    return error;
  }
  const said = String(error?.message ?? error);
  if (POLICY_PATTERN.test(said)) {
    return unavailable(`the page's policy forbids it: add 'wasm-unsafe-eval' to script-src (${said})`, error);
  }
  const cure = `check that ${WASM_FILE} lies beside the package's JavaScript and that the network is up`;
  return unavailable(`${cure} (${said})`, error);
}

function unavailable(reason, cause) {
  const message = `the WebAssembly part of kuratchi-spaces could not be loaded: ${reason}`;
  return new ChatError(message, { code: 'wasmUnavailable', retryable: true, cause });
}
