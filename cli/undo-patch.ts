/** Patch of an undo: it sets the spec to the inputs of a revision. */

import { ROTATION_OVERLAP } from '../operator/api/v1alpha1/spec/data.js';
import type { PcfApiSpec } from '../operator/api/v1alpha1/spec.js';
import { type RevisionInputs, revisionInputs } from '../operator/resources/revision.js';

export function undoPatch(spec: PcfApiSpec, inputs: RevisionInputs): unknown {
  const now = withScaling(revisionInputs(spec), inputs, spec);
  // Only some fields of these are part of a revision. The others are not changed.
  const parts = {
    availability: now.availability && {},
    secrets: now.secrets && {},
    monitoring: now.monitoring && {},
    traffic: now.traffic && {},
    autoscaling: now.autoscaling && { horizontal: { ...now.autoscaling.horizontal, onChange: undefined } },
  };
  return mergePatch(now, { ...parts, ...withRotation(inputs, now, spec) });
}

/** Settings of the autoscaler that are not part of the current revision are replaced, too, if the other one has them. */
function withScaling(
  now: RevisionInputs,
  inputs: RevisionInputs,
  { autoscaling }: PcfApiSpec,
): RevisionInputs {
  const { horizontal } = autoscaling ?? {};
  return inputs.autoscaling && horizontal ? { ...now, autoscaling: { horizontal } } : now;
}

/** The rotation interval is not part of a revision: an undo keeps it, and sets only the overlap to its default. */
function withRotation(inputs: RevisionInputs, now: RevisionInputs, { auth }: PcfApiSpec): RevisionInputs {
  if (!auth?.rotation?.interval || !now.auth?.rotation || !inputs.auth || inputs.auth.rotation) return inputs;
  return { ...inputs, auth: { ...inputs.auth, rotation: { overlap: ROTATION_OVERLAP } } };
}

/**
 * The JSON merge patch from one value to another. A merge patch keeps fields that it does not
 * contain, so removed fields are set to null.
 * @see https://www.rfc-editor.org/rfc/rfc7386
 */
function mergePatch(from: unknown, to: unknown): unknown {
  if (!isRecord(to)) return to ?? null;
  const before = isRecord(from) ? from : {};
  const gone = Object.keys(before).filter((key) => to[key] === undefined);
  return Object.fromEntries([
    ...gone.map((key) => [key, null]),
    ...Object.entries(to)
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => [key, mergePatch(before[key], value)]),
  ]);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
