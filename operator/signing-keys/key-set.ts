/** The signing keys in a Secret: its value has the keys, an annotation the times of their phases. Pure. */
import { z } from 'zod';
import { GROUP } from '../api/v1alpha1/pcfapi.js';

/** A key, without the key itself. Times are in milliseconds since the epoch. */
export interface SigningKey {
  id: string;
  /** Start of the verification. */
  announcedAt: number;
  /** Undefined while the key is only announced. */
  signingSince?: number;
  /** Time at which another key replaced it. */
  retiredAt?: number;
}

/** Annotation of the Secret with the times of its keys. It contains key IDs, which are in the header of each token. */
export const KEYS_ANNOTATION = `${GROUP}/signing-keys`;

const timestamp = z.iso.datetime().transform((text) => Date.parse(text));
const recordedKeys = z.array(
  z.object({
    id: z.string(),
    announcedAt: timestamp,
    signingSince: timestamp.optional(),
    retiredAt: timestamp.optional(),
  }),
);

export function formatKeys(keys: readonly SigningKey[]): string {
  const timeOf = (ms: number | undefined) => (ms === undefined ? undefined : new Date(ms).toISOString());
  return JSON.stringify(
    keys.map(({ id, announcedAt, signingSince, retiredAt }) => ({
      id,
      announcedAt: timeOf(announcedAt),
      signingSince: timeOf(signingSince),
      retiredAt: timeOf(retiredAt),
    })),
  );
}

/** The recorded keys; none if the annotation is missing or invalid. */
export function parseKeys(annotation: string | undefined): SigningKey[] {
  try {
    return recordedKeys.parse(JSON.parse(annotation ?? '[]'));
  } catch {
    return [];
  }
}

/**
 * The keys of a Secret with their times. `ids` are the IDs of the keys in its value, in their order, because the value
 * decides: pods use its first key to sign. A key without a record, for example after another client changed the value,
 * starts its phase now. So does a key whose record is in the future, because the clock was moved back: a phase can
 * only become longer.
 */
export function keysOf(ids: readonly string[], recorded: readonly SigningKey[], now: number): SigningKey[] {
  const past = (time: number) => Math.min(time, now);
  return [...new Set(ids)].map((id, index): SigningKey => {
    const found = recorded.find((key) => key.id === id);
    const record: SigningKey = found ?? { id, announcedAt: now, signingSince: now };
    const { announcedAt, signingSince = now, retiredAt } = record;
    const start = { id, announcedAt: past(announcedAt) };
    if (index === 0) return { ...start, signingSince: retiredAt === undefined ? past(signingSince) : now };
    if (record.signingSince === undefined) return start;
    return { ...start, signingSince: past(signingSince), retiredAt: past(retiredAt ?? now) };
  });
}
