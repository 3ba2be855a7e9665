/**
 * What Cloudflare has to know about the Worker besides its modules: bindings, migrations, dates.
 *
 * Owns the metadata of an upload, over whatever settings the Worker of that name has already. Pure: must not know how
 * it gets there. `crates/worker/wrangler.toml` says the same to wrangler; a test compares the two.
 */

import { MAIN_MODULE } from './worker-modules.js';

/** The runtime's behaviour that the Worker is tested with. */
export const COMPATIBILITY_DATE = '2026-04-26';

/**
 * Each flag of the runtime that the Worker is built for, with its opposite, which an owner may set instead.
 *
 * - Sockets without compression: the runtime inflates a frame before our code sees its length, so that 30 kB without a token
 *   cost it 31 MiB.
 * - `request.signal`: an answer whose client has disconnected makes room for others at once.
 */
const OPPOSITES = new Map([
  ['no_web_socket_compression', 'web_socket_compression'],
  ['enable_request_signal', 'disable_request_signal'],
]);
export const COMPATIBILITY_FLAGS = Object.freeze([...OPPOSITES.keys()]);

/** The class of the Durable Objects, one a space, and the name that the Worker calls their namespace by. */
const OBJECT_CLASS = 'Space';
const OBJECT_BINDING = 'SPACES';

/**
 * The secret that the Worker looks for first: whatever a Worker has under its second name,
 * `KURATCHI_GATEWAY_KEY`, the one that is uploaded counts.
 */
const KEY_BINDING = 'GATEWAY_KEY';

/**
 * Who answers pings: on Cloudflare the runtime, so that a space whose sockets are quiet sleeps. Local runtimes are told
 * otherwise (local-worker.js).
 */
const PINGS_BINDING = 'PING_ANSWERS';
const PINGS_DEPLOYED = 'runtime';

/** Every migration so far. The runtime applies each once and remembers the tag of the last. */
export const MIGRATIONS = Object.freeze([{ tag: 'v1', new_sqlite_classes: [OBJECT_CLASS] }]);

/** Before the tag of a migration where a Worker of another program has that very tag: two programs may both begin at v1. */
const TAG_PREFIX = 'kuratchi-';

/** What an owner sets in the dashboard or by wrangler: kept, whoever set it. */
const KEPT_TYPES = ['plain_text', 'json', 'secret_text', 'secret_key'];

/** Bindings that are part of a Worker's code, and go with it. */
const TYPES_OF_CODE = [
  'assets',
  'data_blob',
  'durable_object_namespace',
  'text_blob',
  'wasm_module',
  'workflow',
];

/** Settings of a script that an upload without them may reset. */
const KEPT_SETTINGS = ['limits', 'logpush', 'observability', 'tags', 'tail_consumers'];

/** What of a placement can be set; the rest of what the API tells is what came of it. */
const PLACEMENT_FIELDS = ['mode', 'region', 'hostname', 'host'];

/**
 * Whether the Worker of that name is one of ours: it has our class, of its own.
 *
 * @param {{name: string, settings: {bindings?: object[]}}} script
 */
export function isOurs({ name, settings }) {
  return (settings.bindings ?? []).some(
    (binding) =>
      binding.type === 'durable_object_namespace' &&
      binding.class_name === OBJECT_CLASS &&
      isOwn(binding, name),
  );
}

/**
 * The metadata of an upload.
 *
 * @param {object} wanted
 * @param {string} wanted.gatewayKey
 * @param {{name: string, migrationTag?: string, settings: object}} [wanted.script] The Worker that is there.
 * @returns {object} As the API takes it.
 */
export function uploadMetadata({ gatewayKey, script }) {
  const settings = script?.settings ?? {};
  const migrations = migrationsToApply(script);
  const isPingsSet = keptBindings(script).includes(PINGS_BINDING);
  return {
    main_module: MAIN_MODULE,
    ...compatibility(script),
    bindings: [
      { type: 'durable_object_namespace', name: OBJECT_BINDING, class_name: OBJECT_CLASS },
      { type: 'secret_text', name: KEY_BINDING, text: gatewayKey },
      ...(isPingsSet ? [] : [{ type: 'plain_text', name: PINGS_BINDING, text: PINGS_DEPLOYED }]),
    ],
    keep_bindings: keptTypes(script),
    ...(migrations && { migrations }),
    ...keptSettings(settings),
  };
}

/** The bindings of a script that stay as they are, by name. */
export function keptBindings(script) {
  const types = keptTypes(script);
  return (
    (script?.settings.bindings ?? [])
      .filter(({ type, name }) => types.includes(type) && name !== KEY_BINDING && name !== OBJECT_BINDING)
      // What we set ourselves is nothing that somebody else set.
      .filter(({ name, text }) => name !== PINGS_BINDING || text !== PINGS_DEPLOYED)
      .map(({ name }) => name)
      .sort()
  );
}

/** What of a script goes with its code, by name: bindings that can not be kept, and static assets. */
export function droppedParts(script) {
  if (!script) return [];
  const types = keptTypes(script);
  const bindings = (script.settings.bindings ?? []).filter(
    ({ type, name }) => !types.includes(type) && name !== OBJECT_BINDING,
  );
  const names = bindings.map(({ name }) => name).sort();
  return script.hasAssets ? [...names, 'static assets'] : names;
}

/** The same metadata for people: the key is not shown. */
export function withoutSecrets(metadata) {
  const bindings = metadata.bindings.map((binding) =>
    binding.type === 'secret_text' ? { ...binding, text: '(secret)' } : binding,
  );
  return { ...metadata, bindings };
}

/**
 * The runtime's behaviour: that which is tested, unless the owner of one of ours has asked for a newer one, or for
 * flags. What another program needed does not matter.
 */
function compatibility(script) {
  const settings = script && isOurs(script) ? script.settings : {};
  const { compatibility_date: date = '', compatibility_flags: flags = [] } = settings;
  const own = COMPATIBILITY_FLAGS.filter((flag) => !flags.includes(OPPOSITES.get(flag)));
  return {
    compatibility_date: date > COMPATIBILITY_DATE ? date : COMPATIBILITY_DATE,
    compatibility_flags: [...new Set([...own, ...flags])],
  };
}

/** The steps after the one whose tag the script has; none where there is nothing to do. */
function migrationsToApply(script) {
  const newest = MIGRATIONS.at(-1).tag;
  const tag = script?.migrationTag;
  // Another program's tag tells nothing, even if it is spelt like one of ours.
  const isTrusted = script !== undefined && isOurs(script);
  const applied = isTrusted
    ? MIGRATIONS.findIndex((migration) => [migration.tag, TAG_PREFIX + migration.tag].includes(tag))
    : -1;
  // With our class there already, an unknown tag is of a newer version of this package, or of the owner's own
  // wrangler file: to apply all steps again would be refused.
  if (tag && applied === -1 && isTrusted) return undefined;
  const steps = MIGRATIONS.slice(applied + 1).map(({ tag: _, ...step }) => step);
  if (steps.length === 0) return undefined;
  return { ...(tag && { old_tag: tag }), new_tag: tag === newest ? TAG_PREFIX + newest : newest, steps };
}

/**
 * The types of bindings that the API is asked to keep: of settings and secrets, and whatever else the script has. Of
 * its Durable Objects only those of other scripts, because a class of its own goes with its code.
 */
function keptTypes(script) {
  const types = new Set(KEPT_TYPES);
  const bindings = script?.settings.bindings ?? [];
  for (const { type } of bindings) {
    if (!TYPES_OF_CODE.includes(type)) types.add(type);
  }
  const objects = bindings.filter(
    ({ type, name }) => type === 'durable_object_namespace' && name !== OBJECT_BINDING,
  );
  if (objects.length > 0 && objects.every((binding) => !isOwn(binding, script.name))) {
    types.add('durable_object_namespace');
  }
  return [...types];
}

function isOwn({ script_name: owner }, scriptName) {
  return owner === undefined || owner === '' || owner === scriptName;
}

function keptSettings(settings) {
  const kept = KEPT_SETTINGS.filter((name) => isSet(settings[name])).map((name) => [name, settings[name]]);
  const placement = Object.entries(settings.placement ?? {}).filter(([name]) =>
    PLACEMENT_FIELDS.includes(name),
  );
  if (placement.length > 0) kept.push(['placement', Object.fromEntries(placement)]);
  return Object.fromEntries(kept);
}

function isSet(value) {
  if (value === undefined || value === null) return false;
  return typeof value !== 'object' || Object.keys(value).length > 0;
}
