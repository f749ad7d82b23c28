/** Checks of the GraphQL schema of a new image. */
import { z } from 'zod';
import { durationMs, durationWithin } from '../kubernetes.js';

const DEFAULT_WINDOW = '720h';
const DEFAULT_MODE = 'Block';

const schemaCheck = z.strictObject({
  mode: z
    .enum(['Block', 'Warn', 'Off'])
    .default(DEFAULT_MODE)
    .meta({
      description:
        'Effect of a breaking change of the GraphQL schema that a client used within `window`. `Block`: the weight of the new revision ' +
        'stays at 0 until `kubectl pcf schema approve`. `Warn`: the change is reported in the condition Degraded. `Off`: no check; YAML requires quotes.',
    }),
  window: durationWithin('1h', '8760h')
    .default(DEFAULT_WINDOW)
    .meta({
      description:
        'How long a recorded use counts. The API stores uses for 90 days by default (`retention.schema_usage`).',
      examples: ['720h'],
    }),
  ignoreClients: z
    .array(z.string().min(1).max(200))
    .max(100)
    .default([])
    .meta({
      description:
        'Clients whose use does not count: `key:<name of an API key>`, `user:<id>`, `token:<issuer>:<subject>`, or the name of an application.',
      examples: [['key:nightly-tests']],
      'x-kubernetes-list-type': 'set',
    }),
});

export const apiSection = z.strictObject({
  schemaCheck: schemaCheck.optional().meta({
    description:
      'Check of the GraphQL schema of a new image against the schema that is served and its recorded use. It runs with the expand migrations.',
  }),
});

export interface SchemaCheckSpec {
  mode: 'Block' | 'Warn' | 'Off';
  windowMs: number;
  ignoreClients: readonly string[];
}

/** With defaults, which also apply without `api`. */
export function schemaCheckOf({ api }: { api?: z.output<typeof apiSection> }): SchemaCheckSpec {
  const { mode = DEFAULT_MODE, window = DEFAULT_WINDOW, ignoreClients = [] } = api?.schemaCheck ?? {};
  return { mode, windowMs: durationMs(window), ignoreClients };
}
