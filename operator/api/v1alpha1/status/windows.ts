/** `status.windows` of a PcfApi: whether windows and freezes hold steps of its delivery now. */
import { z } from 'zod';
import { longText, shortText, time } from '../kubernetes.js';
import { GATED_STEPS } from '../spec/windows.js';
import { OUTCOMES } from './analysis.js';

const steps = (description: string) =>
  z
    .array(z.enum(GATED_STEPS))
    .max(GATED_STEPS.length)
    .meta({ description, 'x-kubernetes-list-type': 'atomic' });

const closure = z.strictObject({
  source: shortText.meta({ description: '`spec.windows`, or the name of a PcfWindow.' }),
  holds: steps('Steps that it holds.'),
  reason: longText.optional().meta({ description: 'Reason of the freeze, or why it is closed.' }),
  until: time('Time at which it opens. Unset: no opening was found.').optional(),
  allowOverride: z.boolean().meta({ description: 'Whether an override applies to it.' }),
});

const freezeMeasurement = z.strictObject({
  name: shortText.meta({ description: 'Name of the query.' }),
  outcome: z.enum(OUTCOMES).meta({
    description:
      'Success: open. Failure: the value is below the bound. Inconclusive: no data. Error: the query failed. All but Success freeze.',
  }),
  value: shortText.optional().meta({ description: 'Measured value.' }),
  detail: longText.optional().meta({ description: 'Why it freezes.' }),
  measuredAt: time(
    'Time of the measurement: the first one with this outcome. Later ones with the same outcome are not recorded.',
  ),
  digest: shortText.meta({
    description: 'Digest of query, bound and server: after an edit, the measurement does not count.',
  }),
});
export type FreezeMeasurement = z.infer<typeof freezeMeasurement>;

export const windowsStatus = z.strictObject({
  state: z.enum(['Open', 'Closed', 'Overridden']).meta({
    description:
      'Closed: at least one step is held. Overridden: at least one step would be held without the override.',
  }),
  // Not an empty list: a server-side apply that empties a list removes the field.
  holds: steps('Steps that are held now. Unset: none.').optional(),
  nextChange: time('Time of the next change of `holds`. Unset: no change was found.').optional(),
  closedBy: z.array(closure).max(32).optional().meta({
    description: 'Windows and freezes that are closed now, including overridden ones.',
    'x-kubernetes-list-type': 'atomic',
  }),
  freezeWhen: z
    .array(freezeMeasurement)
    .max(8)
    .optional()
    .meta({
      description:
        'Measurements of `windows.freezeWhen`, since the last change of their outcomes. Unset: no step can be held now.',
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['name'],
    }),
  override: z
    .strictObject({
      reason: longText.meta({ description: 'Reason of the override.' }),
      until: time('End of the override.'),
      by: shortText.optional().meta({ description: 'Field manager that set the override.' }),
    })
    .optional()
    .meta({ description: 'Override in effect, from the annotations of the PcfApi.' }),
});
export type WindowsStatus = z.infer<typeof windowsStatus>;
