/** Admission policies and webhooks that reject writes in one namespace. */
import type { Sandbox } from '../../../sandbox/sandbox.js';
import { eventually } from '../../support/cluster/pcf-api.js';

interface Rule {
  apiGroups: string[];
  apiVersions: string[];
  operations: string[];
  resources: string[];
}

interface Policy {
  name: string;
  namespace: string;
  /** Requests that the policy applies to. */
  rule: Rule;
  /** Requests for which it is false are denied, in CEL. */
  expression: string;
  message: string;
}

/** Creates a ValidatingAdmissionPolicy. Returns the deletion of its binding. */
export async function denyWrites(
  { kubectl }: Pick<Sandbox['parts'], 'kubectl'>,
  { name, namespace, rule, expression, message }: Policy,
): Promise<() => Promise<void>> {
  const apiVersion = 'admissionregistration.k8s.io/v1';
  await kubectl.apply([
    {
      apiVersion,
      kind: 'ValidatingAdmissionPolicy',
      metadata: { name },
      spec: {
        matchConstraints: {
          namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } },
          resourceRules: [rule],
        },
        validations: [{ expression, message }],
      },
    },
    {
      apiVersion,
      kind: 'ValidatingAdmissionPolicyBinding',
      metadata: { name },
      spec: { policyName: name, validationActions: ['Deny'] },
    },
  ]);
  return async () => void (await kubectl.run(['delete', 'validatingadmissionpolicybinding', name]));
}

interface Webhook {
  name: string;
  namespace: string;
  /** Requests that the API server sends to the webhook. */
  rule: Rule;
  clientConfig: { url: string; caBundle?: string };
}

/** Creates a webhook that must accept writes in the namespace. */
export async function registerWebhook(
  { kubectl }: Pick<Sandbox['parts'], 'kubectl'>,
  { name, namespace, rule, clientConfig }: Webhook,
): Promise<void> {
  await kubectl.apply([
    {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'ValidatingWebhookConfiguration',
      metadata: { name },
      webhooks: [
        {
          name,
          admissionReviewVersions: ['v1'],
          sideEffects: 'None',
          failurePolicy: 'Fail',
          clientConfig,
          namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } },
          rules: [rule],
        },
      ],
    },
  ]);
}

/** Creates a webhook without an endpoint that blocks all writes of a kind. Returns its deletion. */
export async function blockWrites(
  { kubectl }: Pick<Sandbox['parts'], 'kubectl'>,
  namespace: string,
  apiGroup: string,
  resource: string,
): Promise<() => Promise<void>> {
  const name = `away-${resource}.example.com`;
  const rule = { apiGroups: [apiGroup], apiVersions: ['v1'], operations: ['*'], resources: [resource] };
  await registerWebhook(
    { kubectl },
    { name, namespace, rule, clientConfig: { url: 'https://127.0.0.1:9/review' } },
  );
  const probe = {
    networkpolicies: {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      spec: { podSelector: {} },
    },
    deployments: {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      spec: {
        selector: { matchLabels: { a: 'b' } },
        template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'a', image: 'a' }] } },
      },
    },
  }[resource];
  const object = JSON.stringify({ ...probe, metadata: { name: 'probe', namespace } });
  await eventually('the webhook is called', () =>
    kubectl.apply(object, '--dry-run=server').then(
      () => false,
      () => true,
    ),
  );
  return async () => void (await kubectl.run(['delete', 'validatingwebhookconfiguration', name]));
}
