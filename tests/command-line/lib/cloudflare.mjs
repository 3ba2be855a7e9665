/**
 * A stand-in of Cloudflare's API, on the loopback interface: accounts with Workers in them.
 *
 * Owns what the API documents of the requests that a deployment makes: paths, credentials, the parts of an upload and
 * their types, the fields of the metadata, the rules of migrations, which bindings stay, which settings an upload
 * resets. Whatever is not documented is refused, and kept in `problems`. Must not know how the client under test works.
 */
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { build } from 'esbuild';

const HOST = '127.0.0.1';
const PREFIX = '/client/v4';

/** Media types that a module may have. */
const MODULE_TYPES = new Set([
  'application/javascript+module',
  'text/javascript+module',
  'application/javascript',
  'text/javascript',
  'application/wasm',
  'text/plain',
  'application/octet-stream',
  'application/source-map',
]);

/** Fields of the metadata of an upload, with a check of each. */
const METADATA = {
  annotations: isObject,
  assets: isObject,
  bindings: Array.isArray,
  body_part: isString,
  cache_options: isObject,
  compatibility_date: (value) => isString(value) && /^\d{4}-\d\d-\d\d$/.test(value),
  compatibility_flags: isStrings,
  keep_assets: isBoolean,
  keep_bindings: isStrings,
  limits: (value) => hasOnly(value, { cpu_ms: Number.isInteger, subrequests: Number.isInteger }),
  logpush: isBoolean,
  main_module: isString,
  migrations: isObject,
  observability: (value) =>
    hasOnly(value, { enabled: isBoolean, head_sampling_rate: isNumber, logs: isObject, traces: isObject }) &&
    isBoolean(value.enabled),
  placement: (value) =>
    hasOnly(value, { mode: isString, region: isString, hostname: isString, host: isString }),
  tags: isStrings,
  tail_consumers: Array.isArray,
  usage_model: isString,
};

/** Kinds of bindings, each with the fields that it needs and those that it may have. */
const BINDINGS = {
  durable_object_namespace: [['class_name'], ['script_name', 'environment', 'namespace_id']],
  json: [['json'], []],
  kv_namespace: [['namespace_id'], []],
  plain_text: [['text'], []],
  secret_text: [['text'], []],
  secret_key: [
    ['algorithm', 'format', 'usages'],
    ['key_base64', 'key_jwk'],
  ],
  service: [['service'], ['environment', 'entrypoint']],
};

/** Fields of a migration's step. */
const STEP = [
  'new_classes',
  'new_sqlite_classes',
  'deleted_classes',
  'renamed_classes',
  'transferred_classes',
];

/** What an upload without them sets back. */
const DEFAULTS = {
  compatibility_flags: [],
  limits: {},
  logpush: false,
  observability: { enabled: false },
  placement: {},
  tags: [],
  tail_consumers: null,
};

/** An error as the API tells it. */
class Refusal extends Error {
  constructor(status, code, message, errorChain) {
    super(message);
    this.status = status;
    this.errors = [{ code, message, ...(errorChain && { error_chain: errorChain }) }];
  }
}

export class Cloudflare {
  /** Requests that no documentation knows: a test ends with none. */
  problems = [];
  /** `METHOD /path status` of each request, in order. */
  requests = [];
  /** By token: ids of the accounts that it sees. */
  tokens = new Map();
  /** By id: `{ name, subdomain, scripts, domains }`. */
  accounts = new Map();

  #server;
  #faults = [];

  static async start() {
    const cloudflare = new Cloudflare();
    await cloudflare.#listen();
    return cloudflare;
  }

  /** What `CLOUDFLARE_API_BASE_URL` names. */
  get baseUrl() {
    return `http://${HOST}:${this.#server.address().port}${PREFIX}`;
  }

  async stop() {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** An account with a token for it. */
  addAccount({ name = 'Acme', subdomain = 'acme' } = {}) {
    const id = randomBytes(16).toString('hex');
    const token = randomBytes(30).toString('base64url');
    this.accounts.set(id, { name, subdomain, scripts: new Map(), domains: [] });
    this.tokens.set(token, [id]);
    return { id, token };
  }

  /** A Worker that is there already, as somebody else made it. */
  addScript(accountId, name, { bindings = [], tag, classes = {}, settings = {}, workersDev } = {}) {
    this.accounts.get(accountId).scripts.set(name, {
      bindings,
      tag,
      classes: new Map(Object.entries(classes)),
      settings: { ...DEFAULTS, ...settings },
      modules: [],
      workersDev: workersDev ?? { enabled: true, previews_enabled: true },
    });
  }

  script(accountId, name) {
    return this.accounts.get(accountId).scripts.get(name);
  }

  /**
   * Has the next request that fits fail: with a status and a body (`{ status, body, headers }`), by cutting the
   * connection (`'cut'`), or by cutting it once the request has done its work (`'lost'`).
   */
  failNext(method, pattern, fault) {
    this.#faults.push({ method, pattern, fault });
  }

  /** An API error as a body. */
  static refusal(code, message) {
    return { success: false, errors: [{ code, message }], messages: [], result: null };
  }

  async #listen() {
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch((error) => {
        this.problems.push(`the stand-in itself failed: ${error.stack}`);
        response.destroy();
      });
    });
    await new Promise((resolve) => this.#server.listen(0, HOST, resolve));
  }

  async #answer(request, response) {
    const body = await readAll(request);
    const url = new URL(request.url, this.baseUrl);
    const path = url.pathname.slice(PREFIX.length);
    const index = this.#faults.findIndex(
      ({ method, pattern }) => method === request.method && pattern.test(path),
    );
    const [{ fault } = {}] = index === -1 ? [] : this.#faults.splice(index, 1);
    if (fault === 'cut') return this.#end(request, response, path, 'cut');
    if (isObject(fault)) return this.#end(request, response, path, fault.status, fault.body, fault.headers);
    let answer;
    try {
      const result = await this.#route(request, url, path, body);
      answer = [200, { success: true, errors: [], messages: [], result }];
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      answer = [error.status, { success: false, errors: error.errors, messages: [], result: null }];
    }
    return this.#end(request, response, path, ...(fault === 'lost' ? ['lost'] : answer));
  }

  #end(request, response, path, status, body, headers = {}) {
    this.requests.push(`${request.method} ${path} ${status}`);
    if (typeof status !== 'number') return response.destroy();
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    response.writeHead(status, { 'Content-Type': 'application/json', ...headers }).end(text);
  }

  async #route(request, url, path, body) {
    const visible = this.#authenticate(request);
    const route = `${request.method} ${path}`;
    if (route === 'GET /accounts') {
      this.#queryOf(url, ['page', 'per_page', 'name', 'direction']);
      return visible.map((id) => ({ id, name: this.accounts.get(id).name, type: 'standard' }));
    }
    const match = /^\/accounts\/([^/]+)\/workers\/(.+)$/.exec(path);
    if (!match) return this.#unknown(route);
    const [, id, rest] = match;
    if (!/^[0-9a-f]{32}$/.test(id)) {
      throw new Refusal(404, 7003, `Could not route to ${path}, perhaps your object identifier is invalid?`);
    }
    if (!visible.includes(id)) throw new Refusal(403, 10000, 'Authentication error');
    return this.#worker(this.accounts.get(id), { request, url, rest, route, body });
  }

  async #worker(account, { request, url, rest, route, body }) {
    const { method } = request;
    if (method === 'GET' && rest === 'subdomain') {
      if (!account.subdomain) throw new Refusal(404, 10007, 'Workers subdomain not found');
      return { subdomain: account.subdomain };
    }
    if (method === 'GET' && rest === 'domains') {
      const { service } = this.#queryOf(url, ['service', 'hostname', 'zone_id', 'zone_name', 'environment']);
      return account.domains.filter((domain) => service === undefined || domain.service === service);
    }
    if (method === 'GET' && rest === 'scripts') {
      return [...account.scripts].map(([id, { tag, hasAssets = false }]) => ({
        id,
        has_assets: hasAssets,
        ...(tag && { migration_tag: tag }),
      }));
    }
    const [, name, part] = /^scripts\/([^/]+)(?:\/(settings|subdomain))?$/.exec(rest) ?? [];
    if (!name) return this.#unknown(route);
    if (method === 'PUT' && !part) {
      this.#queryOf(url, ['bindings_inherit']);
      return this.#upload(account, name, request, body);
    }
    const script = account.scripts.get(name);
    if (!script) throw new Refusal(404, 10007, 'This Worker does not exist on your account.');
    if (method === 'GET' && part === 'settings') return settingsOf(script);
    if (part === 'subdomain' && method === 'GET') return script.workersDev;
    if (part === 'subdomain' && method === 'POST') return this.#setWorkersDev(account, script, request, body);
    return this.#unknown(route);
  }

  #authenticate(request) {
    const token = /^Bearer ([!-~]+)$/.exec(request.headers.authorization ?? '')?.[1];
    if (token === undefined) {
      throw new Refusal(400, 6003, 'Invalid request headers', [
        { code: 6111, message: 'Invalid format for Authorization header' },
      ]);
    }
    const visible = this.tokens.get(token);
    if (!visible) throw new Refusal(403, 10000, 'Authentication error');
    return visible;
  }

  #setWorkersDev(account, script, request, body) {
    if (!account.subdomain) throw new Refusal(400, 10063, 'A workers.dev subdomain is required.');
    const value = this.#json(request, body, { enabled: isBoolean, previews_enabled: isBoolean });
    if (value.enabled === undefined) this.#reject('enabled is required');
    script.workersDev = { ...script.workersDev, ...value };
    return script.workersDev;
  }

  async #upload(account, name, request, body) {
    if (!/^[a-z0-9_][a-z0-9_-]{0,62}$/.test(name)) throw new Refusal(400, 10016, 'Invalid Worker name');
    const type = request.headers['content-type'] ?? '';
    if (!type.startsWith('multipart/form-data; boundary=')) this.#reject(`Content-Type is ${type}`);
    const form = await new Response(body, { headers: { 'Content-Type': type } }).formData();
    const metadata = this.#metadata(form.get('metadata'));
    form.delete('metadata');
    const modules = await this.#modules(form, metadata);
    const before = account.scripts.get(name);
    const classes = this.#migrate(metadata.migrations, before);
    const exported = await exportsOf(modules.find((module) => module.name === metadata.main_module).content);
    for (const className of classes.keys()) {
      if (exported.includes(className)) continue;
      const why = `New version of script does not export class '${className}' which is depended on by existing Durable Objects.`;
      throw new Refusal(400, 10064, why);
    }
    const bindings = this.#bindings(metadata, before, name, classes);
    const { migrations, settings } = { ...metadata, settings: settingsIn(metadata) };
    account.scripts.set(name, {
      bindings,
      tag: migrations?.new_tag ?? before?.tag,
      classes,
      settings,
      modules,
      metadata,
      workersDev: before?.workersDev ?? { enabled: false, previews_enabled: false },
    });
    return { id: name, startup_time_ms: 3 };
  }

  #metadata(part) {
    if (typeof part !== 'string') this.#reject('the part "metadata" must be text of JSON');
    const metadata = parse(part) ?? this.#reject('the part "metadata" is no JSON');
    for (const [field, value] of Object.entries(metadata)) {
      if (!(field in METADATA)) this.#reject(`metadata.${field} is not documented`);
      if (!METADATA[field](value)) this.#reject(`metadata.${field} is ${JSON.stringify(value)}`);
    }
    if (!metadata.main_module) this.#reject('metadata.main_module is required');
    return metadata;
  }

  async #modules(form, { main_module: main }) {
    const modules = [];
    for (const [name, file] of form) {
      if (typeof file === 'string') this.#reject(`the part ${name} has no file name`);
      if (file.name !== name) this.#reject(`the part ${name} has the file name ${file.name}`);
      if (!MODULE_TYPES.has(file.type)) this.#reject(`the part ${name} has the type ${file.type}`);
      const bytes = Buffer.from(await file.arrayBuffer());
      if (file.type === 'application/wasm' && !bytes.subarray(0, 4).equals(Buffer.from('\0asm'))) {
        throw new Refusal(400, 10021, `${name} is no WebAssembly`);
      }
      const content = file.type === 'application/wasm' ? bytes : bytes.toString('utf8');
      modules.push({ name, type: file.type, content });
    }
    const entry = modules.find(({ name }) => name === main);
    if (entry?.type !== 'application/javascript+module') this.#reject(`${main} must be a JavaScript module`);
    for (const [, name] of entry.content.matchAll(/\bfrom ?"\.\/([^"]+)"/g)) {
      if (!modules.some((module) => module.name === name))
        throw new Refusal(400, 10021, `No such module "${name}".`);
    }
    return modules;
  }

  /** The classes after the migrations, each with whether it has SQLite. */
  #migrate(migrations, before) {
    const classes = new Map(before?.classes);
    if (migrations === undefined) return classes;
    const { old_tag: oldTag, new_tag: newTag, steps, ...others } = migrations;
    if (Object.keys(others).length > 0 || !isString(newTag) || !Array.isArray(steps)) {
      this.#reject(`migrations are ${JSON.stringify(migrations)}`);
    }
    if (oldTag !== before?.tag) {
      throw new Refusal(
        412,
        10079,
        `Migration tag precondition failed; current tag is '${before?.tag ?? ''}'`,
      );
    }
    for (const step of steps) {
      for (const field of Object.keys(step)) if (!STEP.includes(field)) this.#reject(`a step has ${field}`);
      for (const name of step.new_sqlite_classes ?? []) {
        if (classes.has(name)) {
          const why = `Cannot apply new-sqlite-class migration to class '${name}' that is already depended on by existing Durable Objects`;
          throw new Refusal(412, 10074, why);
        }
        classes.set(name, true);
      }
      for (const name of step.new_classes ?? []) classes.set(name, false);
      for (const name of step.deleted_classes ?? []) classes.delete(name);
    }
    return classes;
  }

  #bindings({ bindings = [], keep_bindings: keep = [] }, before, scriptName, classes) {
    const names = new Set();
    for (const { type, name, ...fields } of bindings) {
      const [needed, optional] = BINDINGS[type] ?? this.#reject(`a binding has the type ${type}`);
      if (!isString(name) || names.has(name)) this.#reject(`a binding has the name ${name}`);
      names.add(name);
      for (const field of needed) if (!(field in fields)) this.#reject(`the binding ${name} lacks ${field}`);
      for (const field of Object.keys(fields)) {
        if (![...needed, ...optional].includes(field)) this.#reject(`the binding ${name} has ${field}`);
      }
    }
    const kept = (before?.bindings ?? []).filter(({ type, name }) => keep.includes(type) && !names.has(name));
    const all = [...bindings, ...kept];
    for (const { type, script_name: owner = scriptName, class_name: className } of all) {
      if (type !== 'durable_object_namespace' || owner !== scriptName || classes.has(className)) continue;
      const why = `Cannot create binding for class '${className}' because it is not currently configured to implement Durable Objects.`;
      throw new Refusal(400, 10061, why);
    }
    return all;
  }

  #json(request, body, fields) {
    if (request.headers['content-type'] !== 'application/json')
      this.#reject('Content-Type must be application/json');
    const value = parse(body.toString('utf8')) ?? this.#reject('the body is no JSON');
    if (!hasOnly(value, fields)) this.#reject(`the body is ${body}`);
    return value;
  }

  #queryOf(url, known) {
    for (const name of url.searchParams.keys())
      if (!known.includes(name)) this.#reject(`the query has ${name}`);
    return Object.fromEntries(url.searchParams);
  }

  #unknown(route) {
    this.problems.push(`no such route: ${route}`);
    throw new Refusal(404, 7000, 'No route for that URI');
  }

  /** For what a client must never send. */
  #reject(why) {
    this.problems.push(why);
    throw new Refusal(400, 10004, `workers.api.error.malformed_param: ${why}`);
  }
}

/** What the API tells of a script: the values of secrets stay where they are. */
function settingsOf({ bindings, settings, metadata }) {
  return {
    ...settings,
    ...(Object.keys(settings.placement).length > 0 && {
      placement: { ...settings.placement, last_analyzed_at: '2026-01-01T00:00:00Z', status: 'SUCCESS' },
    }),
    compatibility_date: metadata?.compatibility_date,
    usage_model: 'standard',
    bindings: bindings.map((binding) => {
      if (binding.type !== 'secret_text') return binding;
      const { text: _, ...told } = binding;
      return told;
    }),
  };
}

function settingsIn(metadata) {
  const entries = Object.entries(DEFAULTS).map(([name, value]) => [name, metadata[name] ?? value]);
  return Object.fromEntries(entries);
}

async function exportsOf(code) {
  const { metafile } = await build({
    stdin: { contents: code, loader: 'js' },
    write: false,
    metafile: true,
    format: 'esm',
    outfile: 'out.js',
    logLevel: 'silent',
  });
  return metafile.outputs['out.js'].exports;
}

async function readAll(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isObject(value) {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

function isString(value) {
  return typeof value === 'string' && value !== '';
}

function isStrings(value) {
  return Array.isArray(value) && value.every(isString);
}

function isBoolean(value) {
  return typeof value === 'boolean';
}

function isNumber(value) {
  return typeof value === 'number';
}

/** Whether an object has no fields but these, each as its check wants it. */
function hasOnly(value, fields) {
  return (
    isObject(value) &&
    Object.entries(value).every(([name, entry]) => Object.hasOwn(fields, name) && fields[name](entry))
  );
}
