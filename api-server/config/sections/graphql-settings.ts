/** Settings of the GraphQL endpoint, and of the recorded use of its schema. */
import { z } from 'zod';
import { duration } from '../setting-types.js';

export const graphql = z
  .strictObject({
    playground_enabled: z.boolean().describe('Serve GraphiQL to browsers at /graphql.'),
    introspection_enabled: z.boolean().describe('Allow introspection queries.'),
    max_tokens: z.int().min(50).max(100_000).describe('Maximum number of tokens in a document.'),
    max_depth: z.int().min(1).max(100).describe('Maximum nesting depth of fields.'),
    max_fields: z
      .int()
      .min(1)
      .max(100_000)
      .describe('Maximum number of fields. Fields of a fragment count once per spread.'),
    max_aliases: z.int().min(0).max(10_000).describe('Maximum number of aliases.'),
    max_directives: z.int().min(0).max(10_000).describe('Maximum number of directives.'),
    max_cost: z
      .int()
      .min(1)
      .max(10_000_000)
      .describe(
        'Maximum cost of an operation: 1 per object that its lists can contain, and more for expensive fields such as `totalCount`.',
      ),
    max_event_cost: z
      .int()
      .min(1)
      .max(10_000_000)
      .describe('Maximum cost of one event of a subscription, calculated in the same way.'),
    deadline: duration.describe(
      'Timeout of an operation, or of one event of a subscription. Its SQL statements are then cancelled. 0ms disables the timeout.',
    ),
    response_cache: duration.describe(
      'Maximum TTL of cached responses of expensive queries in Redis. A change of their data invalidates them immediately. 0ms disables the cache.',
    ),
    document_cache: z
      .int()
      .min(10_000)
      .max(100_000_000)
      .describe(
        'Size of the cache of parsed documents, in characters of their text. It needs about a hundred times as many bytes of memory.',
      ),
    trusted_documents: z
      .string()
      .min(1)
      .optional()
      .describe(
        'Trusted documents, which clients reference by their SHA-256 hash: a JSON file that maps hashes to documents, or a folder of such files and of *.graphql files.',
      ),
    only_trusted: z.boolean().describe('Reject all documents that are not trusted.'),
  })
  .refine(({ only_trusted, trusted_documents }) => !only_trusted || trusted_documents !== undefined, {
    error: 'only_trusted requires trusted_documents; without them every request would be rejected',
  })
  .describe('GraphQL endpoint.');

export const schemaUsage = z
  .strictObject({
    enabled: z.boolean().describe('Record which clients use which fields, arguments and enum values.'),
    flush: duration.describe('Interval at which the counts are written to PostgreSQL.'),
    max_clients: z
      .int()
      .min(1)
      .max(10_000)
      .describe(
        'Maximum number of distinct clients per process and day. Further clients are recorded as `other`.',
      ),
  })
  .refine(({ flush }) => flush >= 1_000 && flush <= 120_000, {
    error: 'expected an interval from 1s to 2m',
    path: ['flush'],
  })
  .describe('Use of the GraphQL schema, for the query `schemaUsage` and for the check of a new schema.');
