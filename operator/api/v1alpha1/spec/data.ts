/** Database, Redis, authentication and migrations of the API, and the source of its Secrets. */
import { z } from 'zod';
import { cel, duration, durationWithin, imageName, objectName, secretKeyRef } from '../kubernetes.js';
import { env, program, resources } from './pods.js';

export const database = z.strictObject({
  secretRef: secretKeyRef('the PostgreSQL URL', 'database-url').meta({
    description: 'Secret with the PostgreSQL URL, `postgresql://user:password@host:5432/name`.',
  }),
  readReplicaSecretRef: secretKeyRef("the replica's URL", 'database-replica-url').optional().meta({
    description:
      'Secret with the URL of a streaming replica. Reads are sent to the replica, except those of a session with a recent write.',
  }),
  maxConnections: z
    .int()
    .min(10)
    .max(100_000)
    .optional()
    .meta({
      description:
        'Maximum number of connections of all pods together. It is divided by the maximum number of pods that can exist at once, ' +
        'including the pods of a canary. Unset: the size of the connection pool of each pod depends on `environment`.',
      format: 'int32',
    }),
});

export const redis = z.strictObject({
  secretRef: secretKeyRef('the Redis URL', 'redis-url').meta({
    description:
      'Secret with the Redis URL: `redis://host:6379`, or several hosts for Sentinel and Cluster: `redis://a:26379,b:26379`.',
  }),
  mode: z.enum(['Standalone', 'Sentinel', 'Cluster']).optional().meta({
    description:
      'Redis topology: a single server, a primary monitored by the Sentinels of the URL, or a Redis Cluster. Default: Standalone.',
  }),
});

/** Default of `auth.rotation.overlap`, as of `auth.rotation_overlap` in the settings of the API. */
export const ROTATION_OVERLAP = '24h';

export const auth = z.strictObject({
  jwtSecretRef: secretKeyRef("the tokens' secret", 'jwt-secret').meta({
    description:
      'Secret with the signing key of tokens: random text of at least 32 bytes. Further lines contain previous keys that ' +
      'still verify tokens. Pods reload it when it changes.',
  }),
  rotation: z
    .strictObject({
      interval: durationWithin('1h', '8760h')
        .optional()
        .meta({
          description:
            'Time that a key signs tokens. The operator generates the Secret of `jwtSecretRef`, which must not exist, and rotates ' +
            'its keys: a new key verifies tokens for `overlap` before it signs them, and for `overlap` after it was replaced. ' +
            'Requires the value `rbac.rotateSigningKeys` of the Helm chart. Unset: the operator does not change the Secret.',
          examples: ['720h'],
        }),
      overlap: duration.default(ROTATION_OVERLAP).meta({
        description:
          'Time that tokens signed with a replaced key stay valid. With `interval`, at least 15m: the lifetime of an access token ' +
          '(10 minutes) and 5 minutes until all pods have read a changed Secret.',
        examples: ['24h'],
      }),
    })
    .meta(
      cel(
        {
          rule: "!has(self.interval) || duration(self.overlap) >= duration('15m')",
          message:
            'overlap must be at least 15m with interval: the lifetime of an access token, and the time until all pods have read a changed Secret',
          fieldPath: '.overlap',
        },
        {
          rule: '!has(self.interval) || duration(self.interval) - duration(self.overlap) >= duration(self.overlap)',
          message:
            'interval must be at least twice the overlap: a new key is announced after the old one is removed',
          fieldPath: '.interval',
        },
      ),
    )
    .optional()
    .meta({ description: 'Rotation of the signing key.' }),
});

const beforeContractJob = z
  .strictObject({
    image: imageName.meta({ description: 'Image of the Job.', examples: ['postgres:18'] }),
    ...program,
    env: env.meta({
      description:
        'Environment variables of the Job, in addition to PCF_REVISION, PCF_NAMESPACE and PCF_NAME. Use `valueFrom` for credentials.',
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['name'],
    }),
    resources: resources.optional().meta({ description: 'Compute resources of its pod.' }),
    serviceAccountName: objectName.optional().meta({
      description:
        'ServiceAccount of its pod, for a Job that creates a VolumeSnapshot or a CloudNativePG Backup. Default: none.',
    }),
    timeout: duration.default('1h').meta({ description: 'Timeout of the Job.' }),
  })
  .meta({
    description:
      'A Job that must succeed only after the backup is complete. It runs after the soak, before each attempt of contract, and again if contract does not start within 10 minutes after it. It has no permissions in the cluster by default.',
  });
export type BeforeContractJob = z.output<typeof beforeContractJob>;

const beforeContract = z
  .strictObject({
    job: beforeContractJob.optional(),
    volumeSnapshot: z
      .strictObject({
        persistentVolumeClaimName: objectName.meta({
          description: 'PersistentVolumeClaim with the data of the database.',
          examples: ['data-postgres-0'],
        }),
        className: objectName.optional().meta({
          description: 'VolumeSnapshotClass. Default: the default class of the cluster.',
        }),
      })
      .optional()
      .meta({
        description:
          'A VolumeSnapshot of the volume of a database in the cluster. It must become ready to use. One is created after the soak, before each attempt of contract, and again if contract does not start within 10 minutes after it. None is ever deleted.',
      }),
    backup: z
      .strictObject({
        cluster: objectName.meta({ description: 'CloudNativePG Cluster in the same namespace.' }),
        method: z
          .enum(['barmanObjectStore', 'volumeSnapshot', 'plugin'])
          .default('barmanObjectStore')
          .meta({ description: 'Backup method of CloudNativePG.' }),
        plugin: z
          .string()
          .min(1)
          .max(253)
          .optional()
          .meta({
            description: 'Name of the backup plugin, with method plugin.',
            examples: ['barman-cloud.cloudnative-pg.io'],
          }),
      })
      .meta(
        cel({
          rule: "(self.method == 'plugin') == has(self.plugin)",
          message: 'plugin is required with method plugin, and not allowed with other methods',
          fieldPath: '.plugin',
        }),
      )
      .optional()
      .meta({
        description:
          'A CloudNativePG Backup. It must complete. One is created after the soak, before each attempt of contract, and again if contract does not start within 10 minutes after it. None is ever deleted.',
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
          '`Automatic` runs the migrations of the image: expand and backfill before the first pod of a revision, contract after its ' +
          'promotion and the soak. `Manual` shows the plan and waits for `kubectl pcf migrate approve`. ' +
          '`Disabled` runs no migrations.',
      }),
    contractDelay: duration.default('1h').meta({
      description:
        'The soak: time after a promotion during which the schema still supports the previous revision, so that a rollback is safe. ' +
        'Contract migrations start after it, and after the last pod that needs the old schema has terminated.',
      examples: ['1h', '24h'],
    }),
    contractWindow: duration.default('0s').meta({
      description:
        'The window after contract: contract migrations hide what they drop, and triggers keep it in sync, so that a rollback below the ' +
        'rollback floor first restores it. After the window a purge drops it. 0s: contract drops immediately. ' +
        'Requires an image with `migrate restore`.',
      examples: ['24h'],
    }),
    lockTimeout: duration.optional().meta({
      description:
        'lock_timeout of migrations: time to wait for a table lock before the migration yields to the traffic and retries. Requests for the table can stall this long. Default: 500ms, set by the image.',
    }),
    deadline: duration.default('15m').meta({
      description:
        'Deadline of the expand migrations of a revision, and of its contract migrations, including retries.',
      examples: ['15m', '1h'],
    }),
    backfillDeadline: duration.default('24h').meta({
      description:
        'Deadline of the backfill of a revision, including retries. An interrupted backfill resumes from its last batch.',
    }),
    beforeContract: beforeContract.optional().meta({
      description: 'Backup that must succeed before contract migrations start.',
    }),
  })
  .meta(
    cel({
      rule: "self.mode != 'Disabled' || !has(self.beforeContract)",
      message: 'beforeContract is never run with mode Disabled: remove one of them',
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
          '`Kubernetes`: the Secrets are created by the user. `ExternalSecrets`: the operator creates an ExternalSecret for each Secret ' +
          'that the spec references, which reads it from the store: Vault, AWS, GCP, Azure or another backend.',
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
          'Key of the secret in the store, which contains all Secret keys as properties. Default: the name of each Secret.',
        examples: ['pcf-api/production'],
      }),
    refreshInterval: duration.default('1h').meta({ description: 'Interval between reads of the store.' }),
    onChange: z
      .enum(['Reload', 'Rollout'])
      .default('Reload')
      .meta({
        description:
          'Effect of a changed Secret. `Reload`: running pods reload it. `Rollout`: it creates a new revision, ' +
          'which is delivered with the strategy.',
      }),
  })
  .meta(
    cel({
      rule: "self.provider != 'ExternalSecrets' || has(self.store)",
      message: 'store must name the SecretStore with provider ExternalSecrets',
      fieldPath: '.store',
    }),
  );
