/** What the API keeps its data in, and where its secrets come from. */
import { z } from 'zod';
import { cel, duration, objectName, secretKeyRef } from '../kubernetes.js';

export const database = z.strictObject({
  secretRef: secretKeyRef('the PostgreSQL URL', 'database-url').meta({
    description: 'The Secret that holds the PostgreSQL URL, `postgresql://user:password@host:5432/name`.',
  }),
  readReplicaSecretRef: secretKeyRef("the replica's URL", 'database-replica-url').optional().meta({
    description:
      'The Secret that holds the URL of a streaming replica. Reads go there, except those of a session that has just written.',
  }),
  maxConnections: z
    .int()
    .min(10)
    .max(100_000)
    .optional()
    .meta({
      description:
        'Connections that all pods together may open. It is shared out over the most pods that can exist at once, ' +
        'those of a canary included. Left out: each pod opens what its environment says.',
      format: 'int32',
    }),
});

export const redis = z.strictObject({
  secretRef: secretKeyRef('the Redis URL', 'redis-url').meta({
    description:
      'The Secret that holds the Redis URL: `redis://host:6379`, or several hosts for Sentinel and Cluster, `redis://a:26379,b:26379`.',
  }),
  mode: z.enum(['Standalone', 'Sentinel', 'Cluster']).optional().meta({
    description:
      'One server; one that the Sentinels at the URL know; or a Redis Cluster. Default: Standalone.',
  }),
});

export const auth = z.strictObject({
  jwtSecretRef: secretKeyRef("the tokens' secret", 'jwt-secret').meta({
    description:
      'The Secret that signs and verifies tokens: random text of at least 32 bytes. On further lines: secrets that ' +
      'were in use before and still verify. Pods read it anew when it changes.',
  }),
  rotation: z
    .strictObject({
      overlap: duration.default('24h').meta({
        description: 'How long tokens of a secret that was replaced are still good.',
        examples: ['24h'],
      }),
    })
    .optional()
    .meta({ description: 'What happens when the secret changes.' }),
});

export const migrations = z.strictObject({
  mode: z.enum(['Automatic', 'Disabled']).default('Automatic').meta({
    description:
      "`Automatic` runs the image's migrations before the first pod of a revision; `Disabled` leaves the schema to you.",
  }),
  deadline: duration.default('15m').meta({
    description: 'How long the migrations of a revision may take, retries included.',
    examples: ['15m', '1h'],
  }),
});

export const secrets = z
  .strictObject({
    provider: z
      .enum(['Kubernetes', 'ExternalSecrets'])
      .default('Kubernetes')
      .meta({
        description:
          '`Kubernetes`: you make the Secrets. `ExternalSecrets`: an ExternalSecret is made for each Secret that spec names, ' +
          'so that they come from Vault, AWS, GCP, Azure or whatever else the store reaches.',
      }),
    store: z
      .strictObject({
        kind: z
          .enum(['SecretStore', 'ClusterSecretStore'])
          .default('SecretStore')
          .meta({ description: 'Kind of the store.' }),
        name: objectName.meta({ description: 'Name of the store.' }),
      })
      .optional()
      .meta({ description: 'The store of External Secrets.' }),
    path: z
      .string()
      .min(1)
      .max(512)
      .optional()
      .meta({
        description:
          'What the store calls the secret: one that holds all keys as properties. Default: the name of each Secret.',
        examples: ['pcf-api/production'],
      }),
    refreshInterval: duration.default('1h').meta({ description: 'How often the store is asked.' }),
    onChange: z
      .enum(['Reload', 'Rollout'])
      .default('Reload')
      .meta({
        description:
          'What a changed Secret does. `Reload`: running pods read it anew. `Rollout`: it makes a new revision, ' +
          'which is delivered as any other, canary and all.',
      }),
  })
  .meta(
    cel({
      rule: "self.provider != 'ExternalSecrets' || has(self.store)",
      message: 'store must name the SecretStore when provider is ExternalSecrets',
      fieldPath: '.store',
    }),
  );
