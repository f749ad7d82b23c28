/** `status.autoscaling`: whose settings the horizontal autoscaler has. */
import { z } from 'zod';
import { shortText } from '../kubernetes.js';

export const autoscalingStatus = z.strictObject({
  revision: shortText.meta({ description: 'Stable revision, whose settings the autoscaler has.' }),
  next: z
    .strictObject({
      revision: shortText.meta({ description: 'Revision that the spec describes.' }),
      changes: z.array(shortText).max(16).meta({
        description: 'Changed fields of `autoscaling.horizontal`, such as `maxReplicas 10 -> 20`.',
        'x-kubernetes-list-type': 'atomic',
      }),
    })
    .optional()
    .meta({ description: 'Settings that take effect when this revision is promoted.' }),
});
export type AutoscalingStatus = z.output<typeof autoscalingStatus>;
