/** User-defined labels and annotations on objects of the operator. */
import { z } from 'zod';
import { type CelRule, cel } from '../kubernetes.js';

/** Labels in selectors of Services, Deployments and the NetworkPolicy. */
export const OPERATOR_LABELS = ['name', 'instance', 'component', 'managed-by'].map(
  (name) => `app.kubernetes.io/${name}`,
);
const MAX_ENTRIES = 64;

export const labelValue = z
  .string()
  .max(63)
  .regex(/^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$/);

const ownPrefix: CelRule = {
  rule: "self.all(key, !key.startsWith('pcf.dev/'))",
  message: 'keys with the prefix pcf.dev/ belong to the operator',
};
const ownLabels: CelRule = {
  rule: `self.all(key, !(key in ${JSON.stringify([...OPERATOR_LABELS, 'pod-template-hash']).replaceAll('"', "'")}))`,
  message: 'the operator sets this label, and selects pods by it',
};

export const labels = (of: string) =>
  z
    .record(z.string(), labelValue)
    .optional()
    .meta({ description: `Labels of ${of}.`, maxProperties: MAX_ENTRIES, ...cel(ownPrefix, ownLabels) });

export const annotations = (of: string) =>
  z
    .record(z.string(), z.string().max(4096))
    .optional()
    .meta({ description: `Annotations of ${of}.`, maxProperties: MAX_ENTRIES, ...cel(ownPrefix) });

export const podMetadata = z.strictObject({
  labels: labels('the pods'),
  annotations: annotations('the pods'),
});

export const serviceAccount = z.strictObject({
  labels: labels('the ServiceAccount'),
  annotations: annotations('the ServiceAccount').meta({
    examples: [{ 'eks.amazonaws.com/role-arn': 'arn:aws:iam::123456789012:role/pcf-api' }],
  }),
});

export const service = z.strictObject({
  type: z.enum(['ClusterIP', 'NodePort', 'LoadBalancer']).default('ClusterIP').meta({
    description: 'Type of the Service. `LoadBalancer` adds a load balancer of the cloud.',
  }),
  annotations: annotations('the Service `<name>`, for the controller of a cloud load balancer'),
});
