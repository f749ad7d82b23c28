/** ESLint checks only the GraphQL schema. Biome checks everything else. */
import graphql from '@graphql-eslint/eslint-plugin';

const SCHEMA = 'api-server/schema.graphql';

export default [
  {
    files: [SCHEMA],
    plugins: { '@graphql-eslint': graphql },
    languageOptions: {
      parser: graphql.parser,
      parserOptions: { graphQLConfig: { schema: SCHEMA } },
    },
    rules: {
      ...graphql.configs['flat/schema-recommended'].rules,
      ...graphql.configs['flat/schema-relay'].rules,
      '@graphql-eslint/require-description': [
        'error',
        {
          types: true,
          rootField: true,
          DirectiveDefinition: true,
          FieldDefinition: true,
          InputValueDefinition: true,
          EnumValueDefinition: true,
        },
      ],
      // Only objects that `node` returns have a global ID. Pages, results of mutations, events and computed
      // metrics are not stored, and `Me.id` is an actor as in the audit log.
      '@graphql-eslint/strict-id-in-types': [
        'error',
        {
          exceptions: {
            types: [
              'PageInfo',
              'Me',
              'DeliveryBucket',
              'DeliveryFigures',
              'DeliveryMetrics',
              'RetriedWebhookMessages',
            ],
            suffixes: ['Connection', 'Edge', 'Changed', 'WithSecret'],
          },
        },
      ],
      // `scopes`, `events`, `nodes` and `buckets` are short lists without pages; only connections need edges.
      '@graphql-eslint/relay-edge-types': ['error', { listTypeCanWrapOnlyEdgeType: false }],
    },
  },
];
