import { ROTATION_OVERLAP } from '../api/v1alpha1/spec/data.js';
import type { PcfApiSpec } from '../api/v1alpha1/spec.js';

/**
 * The part of `auth` that pods depend on. Pods reload rotated keys, so a change of the interval creates no revision;
 * nor does the default overlap, which the API server adds to an interval.
 */
export function podAuth({ auth }: Pick<PcfApiSpec, 'auth'>): PcfApiSpec['auth'] {
  if (!auth?.rotation) return auth;
  const { rotation, ...others } = auth;
  return rotation.overlap === ROTATION_OVERLAP
    ? others
    : { ...others, rotation: { overlap: rotation.overlap } };
}
