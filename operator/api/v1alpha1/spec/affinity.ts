/** Affinity, as in the pod spec of Kubernetes (core/v1), with bounds. */
import { z } from 'zod';
import { dnsLabel } from '../kubernetes.js';
import { labelValue } from './labels.js';

const MAX_TERMS = 16;
const labelKey = z.string().min(1).max(317);
const atomic = { 'x-kubernetes-list-type': 'atomic' } as const;

const weight = z.int().min(1).max(100).meta({ description: 'Weight of the term.', format: 'int32' });
const values = (description: string) =>
  z
    .array(labelValue)
    .max(64)
    .optional()
    .meta({ description, ...atomic });

const nodeRequirement = z.strictObject({
  key: labelKey.meta({ description: 'Key of the label or the field.' }),
  operator: z
    .enum(['In', 'NotIn', 'Exists', 'DoesNotExist', 'Gt', 'Lt'])
    .meta({ description: 'Operator that compares the value of the node.' }),
  values: values('Values to compare with.'),
});
const nodeRequirements = (of: string) =>
  z
    .array(nodeRequirement)
    .max(MAX_TERMS)
    .optional()
    .meta({ description: `Requirements on the ${of} of the node.`, ...atomic });
const nodeTerm = z.strictObject({
  matchExpressions: nodeRequirements('labels'),
  matchFields: nodeRequirements('fields'),
});

const nodeAffinity = z.strictObject({
  requiredDuringSchedulingIgnoredDuringExecution: z
    .strictObject({
      nodeSelectorTerms: z
        .array(nodeTerm)
        .min(1)
        .max(MAX_TERMS)
        .meta({ description: 'Terms, combined with OR.', ...atomic }),
    })
    .optional()
    .meta({ description: 'Nodes that a pod may run on.' }),
  preferredDuringSchedulingIgnoredDuringExecution: z
    .array(
      z.strictObject({ weight, preference: nodeTerm.meta({ description: 'Nodes that are preferred.' }) }),
    )
    .max(MAX_TERMS)
    .optional()
    .meta({ description: 'Nodes that are preferred.', ...atomic }),
});

/** metav1.LabelSelector. */
export const labelSelector = z.strictObject({
  matchLabels: z
    .record(z.string(), labelValue)
    .optional()
    .meta({ description: 'Labels and their values.', maxProperties: 64 }),
  matchExpressions: z
    .array(
      z.strictObject({
        key: labelKey.meta({ description: 'Key of the label.' }),
        operator: z
          .enum(['In', 'NotIn', 'Exists', 'DoesNotExist'])
          .meta({ description: 'Operator that compares the value of the label.' }),
        values: values('Values to compare with.'),
      }),
    )
    .max(MAX_TERMS)
    .optional()
    .meta({ description: 'Requirements, combined with AND.', ...atomic }),
});
const labelKeys = (description: string) =>
  z
    .array(labelKey)
    .max(8)
    .optional()
    .meta({ description, ...atomic });

const podTerm = z.strictObject({
  topologyKey: labelKey.meta({
    description: 'Label of nodes. Nodes with the same value are in the same topology domain.',
    examples: ['kubernetes.io/hostname'],
  }),
  labelSelector: labelSelector.optional().meta({ description: 'Selects the other pods by labels.' }),
  namespaces: z
    .array(dnsLabel)
    .max(MAX_TERMS)
    .optional()
    .meta({ description: 'Namespaces of the other pods. Default: this one.', ...atomic }),
  namespaceSelector: labelSelector
    .optional()
    .meta({ description: 'Selects the namespaces of the other pods by labels.' }),
  matchLabelKeys: labelKeys(
    'Labels whose values the other pods share with the pod, such as `pcf.dev/revision`.',
  ),
  mismatchLabelKeys: labelKeys('Labels whose values the other pods do not share with the pod.'),
});
const podAffinity = (where: string) =>
  z
    .strictObject({
      requiredDuringSchedulingIgnoredDuringExecution: z
        .array(podTerm)
        .max(MAX_TERMS)
        .optional()
        .meta({ description: `Pods ${where} which a pod must run.`, ...atomic }),
      preferredDuringSchedulingIgnoredDuringExecution: z
        .array(
          z.strictObject({
            weight,
            podAffinityTerm: podTerm.meta({ description: `Pods ${where} which a pod should run.` }),
          }),
        )
        .max(MAX_TERMS)
        .optional()
        .meta({ description: `Pods ${where} which a pod should run.`, ...atomic }),
    })
    .optional();

export const affinity = z.strictObject({
  nodeAffinity: nodeAffinity.optional().meta({ description: 'Nodes that the pods require or prefer.' }),
  podAffinity: podAffinity('near').meta({ description: 'Pods to run near.' }),
  podAntiAffinity: podAffinity('away from').meta({ description: 'Pods to run away from.' }),
});
