/**
 * Loading the Wasm half of the package.
 *
 * Owns when it is loaded (by the first call that needs it, once), what an app is told when that fails, and
 * whether the loaded instance is still good. Must not know clients, nor where the Wasm comes from: each entry
 * point brings its own source.
 */

import { ChatError } from './errors.js';

const WASM_FILE = 'kuratchi_spaces_bg.wasm';
const WASM_TYPE = 'application/wasm';
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
    return fetchModule(String(given));
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
 */
export async function fetchModule(url) {
  let failure;
  for (const candidate of [url, ...installedUrls(url)]) {
    try {
      return await compileFrom(candidate);
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
function installedUrls(url) {
  const end = url.indexOf(VITE_DEPENDENCIES);
  return end === -1 ? [] : INSTALLED_AS.map((name) => `${url.slice(0, end)}/${name}/${WASM_FILE}`);
}

/** Servers that do not know the file call it something else, and streaming takes the one type only. */
async function compileFrom(url) {
  const response = await fetchFile(url);
  const type = response.headers.get('content-type') ?? '';
  if (type.toLowerCase() === WASM_TYPE && WebAssembly.compileStreaming) {
    try {
      return await WebAssembly.compileStreaming(response);
    } catch (error) {
      if (isForbidden(error)) {
        throw error;
      }
      // What it is instead shows in its bytes, and the stream has used them up.
      return compileBytes(await bytesOf(await fetchFile(url)), url);
    }
  }
  return compileBytes(await bytesOf(response), `${url} (content type '${type}')`);
}

async function fetchFile(url) {
  const response = await fetch(url).catch((error) => {
    const policies = "the page's policy allows it in connect-src, and another origin's server by CORS";
    const said = String(error?.message ?? error);
    throw unavailable(
      `${url} could not be fetched: check that the network is up, and that ${policies} (${said})`,
      error,
    );
  });
  if (!response.ok) {
    throw unavailable(`${url} was answered with status ${response.status}: ${cureFor(url)}`);
  }
  return response;
}

async function bytesOf(response) {
  return new Uint8Array(await response.arrayBuffer());
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
  try {
    return await WebAssembly.compile(bytes);
  } catch (error) {
    if (isForbidden(error)) {
      throw error;
    }
    throw unavailable(`${origin} is damaged: ${cureFor(origin)} (${error.message})`, error);
  }
}

function isForbidden(error) {
  return POLICY_PATTERN.test(String(error?.message ?? error));
}

function cureFor(url) {
  return url.includes(VITE_DEPENDENCIES)
    ? "add optimizeDeps: { exclude: ['kuratchi-spaces'] } to the Vite config"
    : `serve ${WASM_FILE} of the package kuratchi-spaces there, as ${WASM_TYPE}`;
}

function explain(error) {
  if (error instanceof ChatError) {
    return error;
  }
  const said = String(error?.message ?? error);
  if (isForbidden(error)) {
    return unavailable(`the page's policy forbids it: add 'wasm-unsafe-eval' to script-src (${said})`, error);
  }
  const cure = `check that ${WASM_FILE} lies beside the package's JavaScript and that the network is up`;
  return unavailable(`${cure} (${said})`, error);
}

function unavailable(reason, cause) {
  const message = `the WebAssembly part of kuratchi-spaces could not be loaded: ${reason}`;
  return new ChatError(message, { code: 'wasmUnavailable', retryable: true, cause });
}
