/** User-defined volumes and environment variables in the pods of the API. */
import { z } from 'zod';
import { bareQuantity, cel, dnsLabel, objectName, quantity } from '../kubernetes.js';

/** Volumes that the operator adds to the pods. */
export const OPERATOR_VOLUMES = ['config', 'tmp', 'secrets', 'backend-tls'] as const;

const MAX_VOLUMES = 16;

const optional = (what: string) =>
  z
    .boolean()
    .optional()
    .meta({ description: `Pods start without the ${what}. Default: false.` });
const readOnly = z.boolean().optional().meta({ description: 'Mounted read-only. Default: false.' });
const items = z
  .array(
    z.strictObject({
      key: z.string().min(1).max(253).meta({ description: 'Key of the entry.' }),
      path: z.string().min(1).max(253).meta({ description: 'Path of the file, relative to the volume.' }),
    }),
  )
  .max(64)
  .optional()
  .meta({
    description: 'Entries that are mounted as files. Default: all.',
    'x-kubernetes-list-type': 'atomic',
  });

const volumeSources = {
  configMap: z
    .strictObject({
      name: objectName.meta({ description: 'Name of the ConfigMap.' }),
      items,
      optional: optional('ConfigMap'),
    })
    .optional()
    .meta({ description: 'A ConfigMap in this namespace.' }),
  secret: z
    .strictObject({
      secretName: objectName.meta({ description: 'Name of the Secret.' }),
      items,
      optional: optional('Secret'),
    })
    .optional()
    .meta({ description: 'A Secret in this namespace.' }),
  persistentVolumeClaim: z
    .strictObject({ claimName: objectName.meta({ description: 'Name of the claim.' }), readOnly })
    .optional()
    .meta({ description: 'A PersistentVolumeClaim in this namespace. All pods share it.' }),
  csi: z
    .strictObject({
      driver: z
        .string()
        .min(1)
        .max(253)
        .meta({ description: 'Name of the CSI driver.', examples: ['secrets-store.csi.k8s.io'] }),
      readOnly,
      volumeAttributes: z
        .record(z.string(), z.string().max(1024))
        .optional()
        .meta({ description: 'Attributes for the driver.', maxProperties: 32 }),
    })
    .optional()
    .meta({ description: 'An ephemeral volume of a CSI driver.' }),
  emptyDir: z
    .strictObject({
      sizeLimit: bareQuantity
        .optional()
        .meta({ description: 'Maximum size. A pod that exceeds it is evicted.' }),
    })
    .optional()
    .meta({ description: 'An empty directory that is deleted with the pod.' }),
};

const sourceCount = Object.keys(volumeSources)
  .map((name) => `(has(self.${name}) ? 1 : 0)`)
  .join(' + ');

const volume = z
  .strictObject({ name: dnsLabel.meta({ description: 'Name of the volume.' }), ...volumeSources })
  .meta(
    cel(
      {
        rule: `${sourceCount} == 1`,
        message: `give one of ${Object.keys(volumeSources).join(', ')}`,
      },
      {
        rule: `!(self.name in ${JSON.stringify(OPERATOR_VOLUMES).replaceAll('"', "'")})`,
        message: 'the operator adds a volume of this name',
        fieldPath: '.name',
      },
    ),
  );

export const volumes = z
  .array(volume)
  .max(MAX_VOLUMES)
  .optional()
  .meta({
    description: 'Additional volumes of the pods.',
    'x-kubernetes-list-type': 'map',
    'x-kubernetes-list-map-keys': ['name'],
  });

/**
 * A path without empty names, `.`, and names that start with `..`: the rule below compares paths as strings.
 * Kubernetes' patterns have no lookahead.
 */
const MOUNT_PATH = /^(\/\.?[^:/\s.][^:/\s]*)+$/;

const volumeMount = z
  .strictObject({
    name: dnsLabel.meta({ description: 'Name of a volume in `volumes`.' }),
    mountPath: z.string().min(2).max(512).regex(MOUNT_PATH).meta({ description: 'Path in the container.' }),
    subPath: z.string().max(512).optional().meta({ description: 'Path in the volume. Default: its root.' }),
    readOnly,
  })
  .meta(
    cel({
      rule: "!['/app', '/etc/pcf', '/tmp'].exists(path, self.mountPath == path || self.mountPath.startsWith(path + '/')) && !(self.mountPath in ['/dev', '/etc', '/proc', '/sys', '/usr', '/var'])",
      message: 'the image or the operator uses this path: choose another one, such as /mnt/data',
      fieldPath: '.mountPath',
    }),
  );

export const volumeMounts = z
  .array(volumeMount)
  .max(MAX_VOLUMES)
  .optional()
  .meta({
    description: 'Mounts of `volumes` in the container of the API.',
    'x-kubernetes-list-type': 'map',
    'x-kubernetes-list-map-keys': ['mountPath'],
  });

/** A rule of the spec: the API server rejects a pod whose mount has no volume. */
export const mountsHaveVolumes = {
  rule: '!has(self.volumeMounts) || self.volumeMounts.all(mount, has(self.volumes) && self.volumes.exists(volume, volume.name == mount.name))',
  message: 'each of volumeMounts must name one of volumes',
  fieldPath: '.volumeMounts',
};

const source = (kind: string) =>
  z
    .strictObject({
      name: objectName.meta({ description: `Name of the ${kind}.` }),
      optional: optional(kind),
    })
    .optional()
    .meta({ description: `A ${kind} in this namespace.` });

export const envFrom = z
  .array(
    z
      .strictObject({
        prefix: z
          .string()
          .max(253)
          .regex(/^[A-Za-z_][A-Za-z0-9_]*$/)
          .optional()
          .meta({ description: 'Prefix of the names of the variables.' }),
        configMapRef: source('ConfigMap'),
        secretRef: source('Secret'),
      })
      .meta(
        cel({
          rule: 'has(self.configMapRef) != has(self.secretRef)',
          message: 'give either configMapRef or secretRef',
        }),
      ),
  )
  .max(16)
  .optional()
  .meta({
    description:
      'ConfigMaps and Secrets whose entries are environment variables of the API. A variable of the operator, ' +
      'or of `env`, takes precedence over one of the same name.',
    'x-kubernetes-list-type': 'atomic',
  });

export const tmp = z.strictObject({
  sizeLimit: quantity.optional().meta({
    description: 'Maximum size. A pod that exceeds it is evicted. Default: no limit.',
    examples: ['1Gi'],
  }),
});
