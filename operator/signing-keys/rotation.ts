/**
 * Rotation of signing keys. A key is announced, signs, is retired, and is removed. Pods read a changed Secret at
 * different times, so every pod verifies a key before the first pod signs with it, and until the last token of the
 * key has expired. Pure.
 */
import type { SigningKey } from './key-set.js';

export interface RotationSpec {
  /** Time that a key signs. */
  intervalMs: number;
  /** Time that a key verifies before it signs, and after it is retired. */
  overlapMs: number;
}

/** A key without an ID is to be generated. */
export type PlannedKey = Omit<SigningKey, 'id'> & { id?: string };

export interface RotationPlan {
  /** The key that signs is the first one. */
  keys: PlannedKey[];
  /** Time until the next phase, in milliseconds. */
  nextInMs: number;
}

/** The next key set. A phase that is overdue ends now, and the next phase starts now: none is shortened. */
export function planRotation(keys: readonly SigningKey[], spec: RotationSpec, now: number): RotationPlan {
  const next = withAnnouncement(withNextSigner(withoutExpired(keys, spec, now), spec, now), spec, now);
  const times = next.map((key) => phaseOf(key, next, spec).until);
  const announcement = next.some(isAnnounced) ? [] : [announcementAt(next[0]!, spec)];
  return { keys: next, nextInMs: Math.max(0, Math.min(...times, ...announcement) - now) };
}

function withoutExpired(keys: readonly SigningKey[], { overlapMs }: RotationSpec, now: number): PlannedKey[] {
  return keys.filter(({ retiredAt }) => retiredAt === undefined || now < retiredAt + overlapMs);
}

/** Without any key, pods cannot sign: the generated key signs immediately. */
function withNextSigner(keys: readonly PlannedKey[], { overlapMs }: RotationSpec, now: number): PlannedKey[] {
  const signer = keys.find(isSigner);
  const announced = keys.find(isAnnounced);
  if (!signer) return [{ announcedAt: now, signingSince: now }, ...keys];
  if (!announced || now < announced.announcedAt + overlapMs) return [...keys];
  const others = keys.filter((key) => key !== signer && key !== announced);
  return [{ ...announced, signingSince: now }, { ...signer, retiredAt: now }, ...others];
}

function withAnnouncement(keys: PlannedKey[], spec: RotationSpec, now: number): PlannedKey[] {
  if (keys.some(isAnnounced) || now < announcementAt(keys[0]!, spec)) return keys;
  return [...keys, { announcedAt: now }];
}

function announcementAt({ signingSince = 0 }: PlannedKey, { intervalMs, overlapMs }: RotationSpec): number {
  return signingSince + intervalMs - overlapMs;
}

export type Phase = 'Announced' | 'Signing' | 'Retired';

/** The phase of a key of a key set, with its start and its planned end. */
export function phaseOf(
  key: PlannedKey,
  keys: readonly PlannedKey[],
  { intervalMs, overlapMs }: RotationSpec,
): { phase: Phase; since: number; until: number } {
  const { announcedAt, signingSince, retiredAt } = key;
  if (retiredAt !== undefined) return { phase: 'Retired', since: retiredAt, until: retiredAt + overlapMs };
  if (signingSince === undefined)
    return { phase: 'Announced', since: announcedAt, until: announcedAt + overlapMs };
  const successor = keys.find(isAnnounced);
  const until = successor ? successor.announcedAt + overlapMs : signingSince + intervalMs;
  return { phase: 'Signing', since: signingSince, until };
}

function isAnnounced({ signingSince }: PlannedKey): boolean {
  return signingSince === undefined;
}

function isSigner({ signingSince, retiredAt }: PlannedKey): boolean {
  return signingSince !== undefined && retiredAt === undefined;
}
