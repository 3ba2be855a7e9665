/** Milliseconds until a moment, counted down by the second; undefined when there is none or it is past. */
import { useEffect, useState } from 'react';

export function useTimeLeft(moment) {
  const [, count] = useState(0);
  const leftMs = moment === undefined ? 0 : moment - Date.now();
  useEffect(() => {
    if (leftMs <= 0) return undefined;
    const timer = setTimeout(() => count((before) => before + 1), leftMs % 1_000 || 1_000);
    return () => clearTimeout(timer);
  });
  return leftMs > 0 ? leftMs : undefined;
}
