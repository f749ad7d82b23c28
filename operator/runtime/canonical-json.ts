/** JSON with sorted keys, so that equal values have equal text. */
import { configure } from 'safe-stable-stringify';

const stringify = configure({ deterministic: true, circularValue: Error });

/** `undefined` is left out where JSON leaves it out. Throws on a circle. */
export function canonicalJson(value: unknown): string {
  return stringify(value) ?? 'null';
}
