/** A condition without its transition time. */
import type { Condition } from '../api/v1alpha1/kubernetes.js';

export type Verdict = Pick<Condition, 'type' | 'status' | 'reason' | 'message'>;
