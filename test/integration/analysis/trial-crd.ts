/** A kind with the schemas of analysis, notifications and the status of an analysis, and nothing else. */
import { z } from 'zod';
import { type JsonSchema, toStructural } from '../../../operator/api/v1alpha1/crd.js';
import { cel } from '../../../operator/api/v1alpha1/kubernetes.js';
import {
  analysis as analysisSchema,
  stepAnalysis,
  stepsNameMetrics,
} from '../../../operator/api/v1alpha1/spec/analysis.js';
import { notifications } from '../../../operator/api/v1alpha1/spec/notifications.js';
import { analysisStatus } from '../../../operator/api/v1alpha1/status/analysis.js';
import type { KubeObject, ResourceType } from '../../../operator/runtime/kube-client.js';

export const clusterKind = (group: string, version: string, kind: string, plural: string): ResourceType => ({
  ...{ group, version, kind, plural },
  namespaced: false,
});
export const CrdKind = clusterKind(
  'apiextensions.k8s.io',
  'v1',
  'CustomResourceDefinition',
  'customresourcedefinitions',
);
export const NamespaceKind = clusterKind('', 'v1', 'Namespace', 'namespaces');
export const TrialKind: ResourceType = {
  ...clusterKind('test.example.com', 'v1', 'Trial', 'trials'),
  namespaced: true,
};

/** A CRD that contains only the schemas under test. */
export function trialCrd(): KubeObject {
  const steps = z
    .array(z.strictObject({ analysis: stepAnalysis }))
    .max(32)
    .default([]);
  const canary = z.strictObject({ steps, analysis: analysisSchema.optional() }).meta(cel(stepsNameMetrics));
  const spec = z.strictObject({
    canary: canary.optional(),
    analysis: analysisSchema.optional(),
    notifications: notifications.optional(),
  });
  const status = z.strictObject({ analysis: analysisStatus });
  const whole = z.strictObject({ spec, status: status.optional() });
  const schema = z.toJSONSchema(whole, {
    target: 'openapi-3.0',
    io: 'input',
    reused: 'inline',
  }) as JsonSchema;
  const { group, kind, plural } = TrialKind;
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope: 'Namespaced',
      names: { kind, plural, listKind: `${kind}List`, singular: 'trial' },
      versions: [
        { name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: toStructural(schema) } },
      ],
    },
  };
}
