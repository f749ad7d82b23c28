/** `status.schemaCheck`: breaking changes of the GraphQL schema that clients use. */
import { z } from 'zod';
import { longText, shortText, time } from '../kubernetes.js';

const count = (description: string) => z.int().min(0).max(100_000).meta({ description, format: 'int32' });

const schemaChange = z.strictObject({
  coordinate: shortText.meta({ description: 'Schema coordinate, such as `Service.owner`.' }),
  change: longText.meta({ description: 'Breaking change of the schema.' }),
  clients: z
    .array(
      z.strictObject({
        name: shortText.meta({ description: 'Client: an API key, a user, or the subject of a token.' }),
        application: shortText.optional().meta({ description: 'Name that the application reports.' }),
        lastUsedAt: time('Time of its last use.'),
      }),
    )
    .max(100)
    .meta({
      description: 'Clients that use the coordinate, the last used first.',
      'x-kubernetes-list-type': 'atomic',
    }),
  moreClients: count('Number of further clients.').optional(),
});
export type SchemaChange = z.infer<typeof schemaChange>;

/** The report of the expand Job, recorded because its pod can be deleted. */
export const recordedSchemaCheck = z.strictObject({
  inUse: z.array(schemaChange).max(100).meta({
    description: 'Breaking changes that clients use.',
    'x-kubernetes-list-type': 'atomic',
  }),
  more: count('Number of further such changes.').optional(),
});
export type RecordedSchemaCheck = z.infer<typeof recordedSchemaCheck>;

export const schemaCheckStatus = z.strictObject({
  revision: shortText.meta({ description: 'Revision whose schema was checked.' }),
  blocked: z.boolean().meta({ description: 'Whether the weight of the revision stays at 0.' }),
  changes: z.array(schemaChange).max(100).meta({
    description: 'Breaking changes that clients use.',
    'x-kubernetes-list-type': 'atomic',
  }),
  moreChanges: count('Number of further such changes.').optional(),
  approval: longText.meta({
    description:
      'Value of the annotation pcf.dev/approve-schema that approves the changes: the image. Set by `kubectl pcf schema approve`.',
  }),
});
export type SchemaCheckStatus = z.infer<typeof schemaCheckStatus>;
