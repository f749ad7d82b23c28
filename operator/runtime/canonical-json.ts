/** JSON with sorted keys, so that equal values have equal text. */
import { configure } from 'safe-stable-stringify';

const stringify = configure({ deterministic: true, circularValue: Error });

/** Omits `undefined` like JSON. Throws on a cycle. */
export function canonicalJson(value: unknown): string {
  return stringify(value) ?? 'null';
}
