/**
 * Figures out of several rounds, and the machine they come from.
 *
 * Must not know what was measured.
 */
import { cpus } from 'node:os';

/** The value in the middle: what a burst of somebody else's work does not move. */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Median, smallest and largest value, as cells of a table. */
export function cells(values, digits) {
  return [median(values), Math.min(...values), Math.max(...values)].map((value) => value.toFixed(digits));
}

/** Number and kind of processors. */
export function machine() {
  const processors = cpus();
  return `${processors.length} × ${processors[0]?.model.trim() || 'unknown processor'}, Node ${process.version}`;
}
