/** What the API keeps its data in, and where its secrets come from. */
import { z } from 'zod';
import { cel, duration, imageName, objectName, secretKeyRef } from '../kubernetes.js';
import { env, program, resources } from './pods.js';

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
      'were in use before and still verify. Pods read it again when it changes.',
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

const beforeContractJob = z
  .strictObject({
    image: imageName.meta({ description: 'Image of the Job.', examples: ['postgres:18'] }),
    ...program,
    env: env.meta({
      description:
        'Its variables, secret ones by `valueFrom`. PCF_REVISION, PCF_NAMESPACE and PCF_NAME are there as well.',
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['name'],
    }),
    resources: resources.optional().meta({ description: 'CPU and memory of its pod.' }),
    serviceAccountName: objectName.optional().meta({
      description:
        'ServiceAccount of its pod, for a Job that asks the cluster for a VolumeSnapshot or a backup of CloudNativePG. Default: none.',
    }),
    timeout: duration.default('1h').meta({ description: 'How long it may take.' }),
  })
  .meta({
    description:
      'A Job that ends well only when the backup is there. It runs once after each soak, and no right is given to it.',
  });
export type BeforeContractJob = z.output<typeof beforeContractJob>;

const beforeContract = z
  .strictObject({
    job: beforeContractJob.optional(),
    volumeSnapshot: z
      .strictObject({
        persistentVolumeClaimName: objectName.meta({
          description: 'The PersistentVolumeClaim that the database keeps its data on.',
          examples: ['data-postgres-0'],
        }),
        className: objectName.optional().meta({
          description: "VolumeSnapshotClass. Default: the cluster's.",
        }),
      })
      .optional()
      .meta({
        description:
          'A VolumeSnapshot of the volume of a database in the cluster, which must be ready to use. One is made after each soak, and none is ever deleted.',
      }),
    backup: z
      .strictObject({
        cluster: objectName.meta({ description: 'Cluster of CloudNativePG, in the same namespace.' }),
        method: z
          .enum(['barmanObjectStore', 'volumeSnapshot', 'plugin'])
          .default('barmanObjectStore')
          .meta({ description: 'How CloudNativePG makes it.' }),
        plugin: z
          .string()
          .min(1)
          .max(253)
          .optional()
          .meta({
            description: 'Name of the plugin that makes it, with method plugin.',
            examples: ['barman-cloud.cloudnative-pg.io'],
          }),
      })
      .meta(
        cel({
          rule: "(self.method == 'plugin') == has(self.plugin)",
          message: 'plugin names who makes the backup with method plugin, and with no other',
          fieldPath: '.plugin',
        }),
      )
      .optional()
      .meta({
        description:
          'A Backup of CloudNativePG, which must be completed. One is made after each soak, and none is ever deleted.',
      }),
  })
  .meta(
    cel({
      rule: '[has(self.job), has(self.volumeSnapshot), has(self.backup)].filter(given, given).size() == 1',
      message: 'give exactly one of job, volumeSnapshot and backup',
    }),
  );
export type BeforeContract = z.output<typeof beforeContract>;

export const migrations = z
  .strictObject({
    mode: z
      .enum(['Automatic', 'Manual', 'Disabled'])
      .default('Automatic')
      .meta({
        description:
          "`Automatic` runs the image's migrations: expand and backfill before the first pod of a revision, contract after its " +
          'promotion and the soak. `Manual` shows what would be done and waits for `kubectl pcf migrate approve`. ' +
          '`Disabled` leaves the schema to you.',
      }),
    contractDelay: duration.default('1h').meta({
      description:
        'The soak: how long after a promotion the schema stays as the earlier revision needs it, so that going back is safe. ' +
        'Contract migrations run after it, and after the last pod that needs the old schema is gone.',
      examples: ['1h', '24h'],
    }),
    lockTimeout: duration.optional().meta({
      description:
        "How long a migration waits for a table's lock before it gives way to the traffic and tries again. Requests for the table can stall this long. Default: the image's, 500ms.",
    }),
    deadline: duration.default('15m').meta({
      description:
        'How long the expand migrations of a revision may take, and its contract migrations, retries included.',
      examples: ['15m', '1h'],
    }),
    backfillDeadline: duration.default('24h').meta({
      description:
        'How long its backfill may take, retries included. A backfill that was cut off continues where it was.',
    }),
    beforeContract: beforeContract.optional().meta({
      description: 'What must have succeeded before contract migrations drop anything: a backup.',
    }),
  })
  .meta(
    cel({
      rule: "self.mode != 'Disabled' || !has(self.beforeContract)",
      message: 'beforeContract is never run with mode Disabled: take one of the two out',
      fieldPath: '.beforeContract',
    }),
  );

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
          'What a changed Secret does. `Reload`: running pods read it again. `Rollout`: it makes a new revision, ' +
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
