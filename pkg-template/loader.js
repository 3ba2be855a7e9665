/**
 * Loading the Wasm half of the package.
 *
 * Owns when it is loaded (by the first call that needs it, once), how long nothing may come of it, what an app is told when that fails, and
 * whether the loaded instance is still good. Must not know clients, nor where the Wasm comes from: each entry
 * point brings its own source.
 */

import { ChatError } from './errors.js';

const WASM_FILE = 'kuratchi_spaces_bg.wasm';
const WASM_TYPE = 'application/wasm';
const HTML_TYPE = 'text/html';
/** How long nothing may come of a file, in milliseconds. However slow it is, a download that brings something goes on. */
const STALLED_MS = 20_000;
/** The same of the package's JavaScript, which tells of no progress: slow lines bring it with the Wasm, and in this time all of it. */
const GLUE_MS_MAX = 120_000;
/** How a page starts: white space, and its first tag. */
const HTML_PATTERN = /^\s*</;
const CURE =
  `serve ${WASM_FILE} of the package kuratchi-spaces there, as ${WASM_TYPE}, or import from ` +
  'kuratchi-spaces/inline, which has it inside';
/** Where Vite's development server has packages. It loses the file there before version 8, and what it builds has it. */
const VITE_PATTERN = /\/\.?vite\/(?:\w+\/)?deps\//;
/** What the Wasm and its glue can not do without: lockdown modes take away the first, and Jest's jsdom the others. */
const NEEDED = ['WebAssembly', 'TextDecoder', 'TextEncoder'];
/** How engines word that the page's policy forbids Wasm. */
const POLICY_PATTERN = /content security policy|unsafe-eval|\bCSP\b/i;

/**
 * One Wasm instance in the making: loaded at most once at a time, and again after a failure.
 *
 * @param {() => WebAssembly.Module | Promise<WebAssembly.Module>} source Where the compiled module comes from.
 * @param {() => object | Promise<object>} importGlue Where wasm-bindgen's glue comes from.
 */
export function createEngine(source, importGlue) {
  let loading;
  let glue;
  let fault;

  async function start(given) {
    const missing = NEEDED.find((name) => globalThis[name] === undefined);
    if (missing) {
      const cure =
        'use a current browser without lockdown mode, or for tests in Jest the environment jest-fixed-jsdom';
      throw unavailable(`this environment has no ${missing}: ${cure}`);
    }
    const [loaded, module] = await Promise.all([
      importedBy(importGlue),
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

/** Where the glue is a file of its own, it is fetched like the Wasm, and may come the next time. */
async function importedBy(importGlue) {
  try {
    return await beforeStall(importGlue(), "the package's JavaScript", GLUE_MS_MAX);
  } catch (error) {
    throw explain(error, { retryable: true });
  }
}

/** Compiles what the app gave. */
function compileGiven(given) {
  if (typeof given === 'string' || given instanceof URL) {
    return compileFrom(String(given));
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
 * @param {() => Promise<{ CLIENT_WASM?: string }>} importEmbedded What to take where the file can not be had: something in
 *   development alone.
 */
export async function fetchModule(url, importEmbedded) {
  try {
    return await compileFrom(url);
  } catch (error) {
    const { CLIENT_WASM } = await importEmbedded();
    if (!CLIENT_WASM) {
      throw error;
    }
    if (!VITE_PATTERN.test(url) && !isAsInstalled(url)) {
      const use = 'a copy that is there in development alone is used, and a build for production will fail';
      const cure = `add "import 'kuratchi-spaces/inline'" to the app, or have ${WASM_FILE} served there`;
      console.warn(`kuratchi-spaces: ${use}: ${cure}. (${error.message})`);
    }
    return compileEmbedded(CLIENT_WASM);
  }
}

/** Whether Node runs the package where npm put it, as test runners do with a page's code: nothing was built, and no file lost. */
function isAsInstalled(url) {
  // Some bundlers write such an address into what they build for browsers.
  return /^file:.*\/node_modules\//.test(url) && globalThis.process?.versions?.node !== undefined;
}

/** Compiles the module that the build put into a text, as base64. */
export function compileEmbedded(text) {
  return compileBytes(Uint8Array.from(atob(text), (character) => character.charCodeAt(0)));
}

/** Servers that do not know the file call it something else, and streaming takes the one type only. */
async function compileFrom(url) {
  const fetched = await fetchFile(url);
  const { response } = fetched;
  const type = response.headers.get('content-type') ?? '';
  if (type.toLowerCase() === WASM_TYPE && WebAssembly.compileStreaming) {
    try {
      return await streamed(fetched, url);
    } catch (error) {
      if (isForbidden(error) || fetched.stall) {
        throw fetched.stall ?? error;
      }
      // What it is instead shows in its bytes, and the stream has used them up.
      return compileBytes(await bytesOf(await fetchFile(url)), url);
    }
  }
  return compileBytes(await bytesOf(fetched), `${url} (content type '${type}')`, type);
}

async function fetchFile(url) {
  const controller = new AbortController();
  const response = await beforeStall(fetch(url, { signal: controller.signal }), url).catch((error) => {
    controller.abort();
    if (error instanceof ChatError) {
      throw error;
    }
    const policies = "the page's policy allows it in connect-src, and another origin's server by CORS";
    const isLeftBehind = url.startsWith('file:');
    const cure = isLeftBehind
      ? `the bundler left it where it was: ${CURE}`
      : `check that the network is up, and that ${policies}`;
    const reason = `${url} could not be fetched: ${cure} (${String(error?.message ?? error)})`;
    throw unavailable(reason, { cause: error, retryable: !isLeftBehind });
  });
  const { ok, status } = response;
  if (!ok) {
    const retryable = mayPass(status);
    const cure = retryable ? 'try again, or look at what its server says' : CURE;
    throw unavailable(`${url} was answered with status ${status}: ${cure}`, { retryable });
  }
  const fetched = { response };
  fetched.whenRead = abortAtStall(fetched, url, controller);
  return fetched;
}

/** Compiles what is fetched as it comes. Once all is there, an engine that says nothing stands for a download of which nothing comes. */
function streamed(fetched, url) {
  const compiling = WebAssembly.compileStreaming(fetched.response);
  const bounded = async () => {
    await fetched.whenRead;
    try {
      return await beforeStall(fetched.stall ? Promise.reject(fetched.stall) : compiling, url);
    } catch (error) {
      if (error instanceof ChatError) fetched.stall ??= error;
      throw error;
    }
  };
  return Promise.race([compiling, bounded()]);
}

/** Ends a download of which nothing comes any more, and notes why. Its progress shows in a copy: compiling tells of none. */
async function abortAtStall(fetched, url, controller) {
  const { response } = fetched;
  try {
    const reader = response.clone().body.getReader();
    while (!(await beforeStall(reader.read(), url)).done);
  } catch (error) {
    // What else ends a body is told by who reads the original; and a `Response` of somebody's own may have no stream.
    if (error instanceof ChatError) {
      fetched.stall = error;
      controller.abort();
    }
  }
}

/** Gives what `promise` gives; rejects where that takes too long. */
function beforeStall(promise, what, ms = STALLED_MS) {
  let timer;
  const stall = new Promise((_, reject) => {
    const reason = `nothing came of ${what} for ${ms / 1_000} s: check that the network is up`;
    timer = setTimeout(() => reject(unavailable(reason, { retryable: true })), ms);
  });
  return Promise.race([promise, stall]).finally(() => clearTimeout(timer));
}

/** Whether the same request may be answered otherwise later: the server is busy, or ill. */
function mayPass(status) {
  return status === 408 || status === 429 || status >= 500;
}

async function bytesOf(fetched) {
  const { response } = fetched;
  try {
    return new Uint8Array(await response.arrayBuffer());
  } catch (error) {
    if (fetched.stall) {
      throw fetched.stall;
    }
    const said = String(error?.message ?? error);
    const reason = `${response.url} was cut off on the way: check that the network is up (${said})`;
    throw unavailable(reason, { cause: error, retryable: true });
  }
}

/**
 * Compiles the module from its bytes, whatever they were called on the way.
 *
 * @param {Uint8Array} bytes
 * @param {string} [origin] What to call them in an error.
 * @param {string} [type] What their server calls them.
 */
export async function compileBytes(bytes, origin = WASM_FILE, type = '') {
  // Every module starts with a zero byte and 'asm'.
  if (String.fromCharCode(...bytes.subarray(0, 4)) !== '\0asm') {
    throw unavailable(`${origin} is ${kindOf(bytes, type)}, and not WebAssembly: ${CURE}`);
  }
  try {
    return await WebAssembly.compile(bytes);
  } catch (error) {
    if (isForbidden(error)) {
      throw error;
    }
    throw unavailable(`${origin} is damaged: ${CURE} (${error.message})`, { cause: error });
  }
}

/** What came instead of a module: most often the page that a single-page app answers everything with. */
function kindOf(bytes, type) {
  if (bytes.length === 0) {
    return 'empty';
  }
  // The decoder takes a byte order mark away.
  const start = new TextDecoder().decode(bytes.subarray(0, 64));
  return type.toLowerCase().startsWith(HTML_TYPE) || HTML_PATTERN.test(start)
    ? 'an HTML page'
    : 'something else';
}

function isForbidden(error) {
  return POLICY_PATTERN.test(String(error?.message ?? error));
}

function explain(error, details) {
  if (error instanceof ChatError) {
    return error;
  }
  const said = String(error?.message ?? error);
  if (isForbidden(error)) {
    const reason = `the page's policy forbids it: add 'wasm-unsafe-eval' to script-src (${said})`;
    return unavailable(reason, { cause: error });
  }
  const cure = `check that ${WASM_FILE} lies beside the package's JavaScript and that the network is up`;
  return unavailable(`${cure} (${said})`, { ...details, cause: error });
}

/**
 * @param {string} reason
 * @param {object} [details]
 * @param {boolean} [details.retryable] Whether the network is to blame, which may be better the next time.
 * @param {unknown} [details.cause]
 */
function unavailable(reason, details) {
  const message = `the WebAssembly part of kuratchi-spaces could not be loaded: ${reason}`;
  return new ChatError(message, { ...details, code: 'wasmUnavailable' });
}
