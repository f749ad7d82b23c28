/** The PcfWindow custom resource: windows and freezes of the platform team for the PcfApis of many namespaces. */
import { z } from 'zod';
import type { ObjectMeta } from '../../runtime/kube-types.js';
import { labelSelector } from './spec/affinity.js';
import { windowFields } from './spec/windows.js';

export const WINDOW_KIND = 'PcfWindow';
export const WINDOW_PLURAL = 'pcfwindows';

const pcfWindowSpec = z.strictObject({
  namespaceSelector: labelSelector.optional().meta({
    description: 'Namespaces, by their labels. Default: all namespaces.',
  }),
  selector: labelSelector.optional().meta({
    description:
      'PcfApis in these namespaces, by their labels. Default: all of them. Users of a namespace can change the labels of their PcfApis.',
  }),
  ...windowFields,
  allowOverride: z.boolean().default(true).meta({
    description:
      'Whether `kubectl pcf window override` applies to this PcfWindow. Otherwise only a change of the PcfWindow ends a freeze early.',
  }),
});

/** The whole custom resource. It has no status: the operator only reads it. */
export const pcfWindowObject = z
  .strictObject({ spec: pcfWindowSpec.meta({ description: 'Desired state.' }) })
  .meta({
    description:
      'PcfWindow limits the times at which deliveries of PcfApis take steps: windows, in which they may, and freezes, in which they may not.',
  });

export type PcfWindowSpec = z.output<typeof pcfWindowSpec>;

export interface PcfWindow {
  metadata: ObjectMeta;
  spec: PcfWindowSpec;
}
