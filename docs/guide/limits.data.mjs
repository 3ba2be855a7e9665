/**
 * The numbers of the limits page, read from the protocol itself: a page can not promise what the code does not do.
 *
 * Owns how a constant of `crates/protocol/src/limits.rs` is written for people, by the unit in its name.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const LIMITS = fileURLToPath(new URL('../../crates/protocol/src/limits.rs', import.meta.url));
const PAGE = fileURLToPath(new URL('./limits.md', import.meta.url));

const CONSTANT = /^pub const ([A-Z_]+): \w+ = ([^;]+);/gm;
const USED = /\blimit\.([A-Z_]+)\b/g;

export default {
  watch: [LIMITS],
  load() {
    const limits = readLimits(readFileSync(LIMITS, 'utf8'));
    for (const [, name] of readFileSync(PAGE, 'utf8').matchAll(USED)) {
      if (!(name in limits)) throw new Error(`limits.md shows ${name}, which limits.rs does not have`);
    }
    return limits;
  },
};

/** The constants of a Rust module's text, by name, as people read them. */
export function readLimits(rust) {
  return Object.fromEntries(
    Object.entries(limitValues(rust)).map(([name, value]) => [name, forPeople(name, value)]),
  );
}

/** The same as numbers. */
export function limitValues(rust) {
  return Object.fromEntries([...rust.matchAll(CONSTANT)].map(([, name, value]) => [name, evaluate(value)]));
}

/** Products and shifts of whole numbers, which is all that the module holds. */
function evaluate(expression) {
  const shift = /^\(1 << (\d+)\) - 1$/.exec(expression);
  if (shift) return 2 ** Number(shift[1]) - 1;
  const factors = expression.split('*').map((factor) => Number(factor.replaceAll('_', '').trim()));
  if (factors.some(Number.isNaN))
    throw new Error(`limits.rs says "${expression}", which this page can not read`);
  return factors.reduce((product, factor) => product * factor, 1);
}

function forPeople(name, value) {
  if (/BYTES(_|$)/.test(name)) return bytes(value);
  if (/(^|_)MS(_|$)/.test(name)) return duration(value);
  return value.toLocaleString('en-GB');
}

function bytes(value) {
  if (value % 1_000_000_000 === 0) return `${value / 1_000_000_000} GB`;
  if (value % (1024 * 1024) === 0) return `${value / (1024 * 1024)} MiB`;
  if (value % 1024 === 0) return `${value / 1024} KiB`;
  return `${value.toLocaleString('en-GB')} bytes`;
}

function duration(ms) {
  const day = 24 * 60 * 60 * 1_000;
  if (ms % day === 0) return `${ms / day} days`;
  if (ms === 60 * 60 * 1_000) return '1 hour';
  return ms % 1_000 === 0 ? `${ms / 1_000} s` : `${ms} ms`;
}
