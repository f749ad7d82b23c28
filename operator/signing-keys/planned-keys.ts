/** What a reconcile does with the signing keys: the write, and the time of the next phase. Pure. */
import type { SecretKeyRef } from '../resources/secret-refs.js';
import { formatKeys, keysOf, type SigningKey } from './key-set.js';
import { type PlannedKey, phaseOf, planRotation } from './rotation.js';
import type { KeySource, RotatedKeys } from './source.js';

export interface PlannedKeys {
  ref: SecretKeyRef;
  /** Keys to write; undefined if the Secret has them. */
  write?: PlannedKey[];
  nextInMs: number;
}

export function planKeys({ ref, spec, ids, recorded }: RotatedKeys, now: number): PlannedKeys {
  const present = keysOf(ids.filter(Boolean), recorded, now);
  const { keys, nextInMs } = planRotation(present, spec, now);
  const isWritten = isRecorded(keys, recorded) && keys.every(({ id }, index) => id === ids[index]);
  return isWritten && keys.length === ids.length ? { ref, nextInMs } : { ref, write: keys, nextInMs };
}

function isRecorded(keys: readonly PlannedKey[], recorded: readonly SigningKey[]): boolean {
  return (
    keys.every(({ id }) => id !== undefined) && formatKeys(keys as SigningKey[]) === formatKeys(recorded)
  );
}

/** `status.auth`: the keys in the Secret. Empty if the operator does not rotate them. */
export function keyStatus(source: KeySource | undefined) {
  if (!source || 'blocked' in source || source.recorded.length === 0) return {};
  const { recorded, spec } = source;
  const timeOf = (ms: number) => `${new Date(ms).toISOString().slice(0, 19)}Z`;
  const keys = recorded.map((key) => {
    const { phase, since, until } = phaseOf(key, recorded, spec);
    return { id: key.id, phase, since: timeOf(since), until: timeOf(until) };
  });
  return { auth: { keys } };
}
