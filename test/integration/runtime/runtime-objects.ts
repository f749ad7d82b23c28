/** Kinds and objects of the tests of the runtime on a real control plane. */
import type { KubeObject, ResourceType } from '../../../operator/runtime/kube-client.js';

const kind = (group: string, version: string, name: string, plural: string): ResourceType => ({
  group,
  version,
  kind: name,
  plural,
  namespaced: true,
});
export const ConfigMapKind = kind('', 'v1', 'ConfigMap', 'configmaps');
export const ServiceKind = kind('', 'v1', 'Service', 'services');
export const DeploymentKind = kind('apps', 'v1', 'Deployment', 'deployments');
export const RouteKind = kind('test.example.com', 'v1', 'Route', 'routes');
export const EventKind = kind('events.k8s.io', 'v1', 'Event', 'events');
export const CrdKind: ResourceType = {
  ...kind('apiextensions.k8s.io', 'v1', 'CustomResourceDefinition', 'customresourcedefinitions'),
  namespaced: false,
};
export const NamespaceKind: ResourceType = {
  ...kind('', 'v1', 'Namespace', 'namespaces'),
  namespaced: false,
};
export const namespace = 'runtime';

export function configMap(name: string, data: object, labels: Record<string, string>): KubeObject {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace, labels }, data };
}

/** A Deployment with values that the API server normalizes. */
export function deployment(): KubeObject {
  const labels = { app: 'api' };
  const mount = (mountPath: string) => ({ name: 'scratch', mountPath });
  const container = {
    name: 'api',
    image: 'registry.example.com/api:1',
    args: ['serve', '--quiet'],
    env: [
      { name: 'ONE', value: '1000m' },
      { name: 'EMPTY', value: '' },
    ],
    ports: [
      { containerPort: 53, protocol: 'UDP' },
      { containerPort: 53, protocol: 'TCP' },
      { containerPort: 8080, name: 'http' },
    ],
    resources: {
      requests: { cpu: '1000m', memory: '1024Mi' },
      limits: { cpu: '0.5e1', memory: '2147483648' },
    },
    volumeMounts: [mount('/tmp'), mount('/var/run')],
    securityContext: { capabilities: { drop: ['ALL'] }, readOnlyRootFilesystem: true },
  };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'api', namespace, labels },
    spec: {
      replicas: 0,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          containers: [container],
          tolerations: [
            { key: 'a', operator: 'Exists' },
            { key: 'a', value: 'b' },
          ],
          volumes: [{ name: 'scratch', emptyDir: {} }],
        },
      },
    },
  };
}

export function service(): KubeObject {
  const ports = [
    { name: 'http', port: 80, targetPort: 'http' },
    { name: 'metrics', port: 9090 },
  ];
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'api', namespace },
    spec: { selector: { app: 'api' }, sessionAffinity: 'ClientIP', ports },
  };
}

export function rule(name: string): object {
  return { name, route: [{ weight: 0, host: name }] };
}

export function route(): KubeObject {
  return {
    apiVersion: 'test.example.com/v1',
    kind: 'Route',
    metadata: { name: 'api', namespace },
    spec: { hosts: ['b.example.com', 'a.example.com'], http: [rule('a'), rule('b')] },
  };
}

export function routeCrd(): KubeObject {
  const schema = {
    openAPIV3Schema: {
      type: 'object',
      properties: { spec: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
    },
  };
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'routes.test.example.com' },
    spec: {
      group: 'test.example.com',
      scope: 'Namespaced',
      names: { plural: 'routes', singular: 'route', kind: 'Route', listKind: 'RouteList' },
      versions: [{ name: 'v1', served: true, storage: true, schema }],
    },
  };
}
