/** The operator as a bundle for the Operator Lifecycle Manager, from the plain manifests. */
import { parseAllDocuments, stringify } from 'yaml';
import type { KubeObject } from '../operator/runtime/kube-client.js';

const PACKAGE = 'pcf-operator';
const DESCRIPTION =
  'Runs the GraphQL API of the Platform Control Framework: traffic and database schema move together.';
const LONG_DESCRIPTION = `A PcfApi creates everything that the API needs: pods, settings, database migrations and a route.
Edit \`spec.canaryWeight\` to shift live traffic to a new version, or automate it with steps and metrics. Migrations are
part of the delivery, so that a rollback is safe.
`;

export interface Release {
  /** Repository of the operator's image, without a tag. */
  image: string;
  /** Semantic version, which is also the tag of the image. */
  version: string;
  /** URL of the source. */
  source: string;
}

/**
 * Path in the bundle -> content. `manifests` are the files of deploy/k8s; `example` is the PcfApi that a console offers.
 * Left out is what OLM does not install: FlowSchema, NetworkPolicy and the policy against downgrades of the CRD.
 * Format: https://olm.operatorframework.io/docs/tasks/creating-operator-bundle/
 */
export function olmBundle(
  manifests: readonly string[],
  example: object,
  release: Release,
): Record<string, string> {
  const objects = manifests.flatMap((text) => parseAllDocuments(text).map((one) => one.toJS() as KubeObject));
  const { installed, granted } = split(objects.filter(Boolean));
  const csv = clusterServiceVersion(objects.filter(Boolean), granted, example, release);
  const bundled = installed.map((object) => prepared(object, release.version));
  const files = [csv, ...bundled].map((object) => [fileOf(object), stringify(object)]);
  return { ...Object.fromEntries(files), ...metadata() };
}

/** Objects of the bundle, and roles of the operator, which OLM binds to the ServiceAccount that it creates. */
function split(objects: readonly KubeObject[]): { installed: KubeObject[]; granted: KubeObject[] } {
  const bindings = objects.filter(({ kind }) => kind.endsWith('RoleBinding'));
  const bound = new Set(bindings.map((binding) => (binding as unknown as Binding).roleRef.name));
  const isRole = ({ kind }: KubeObject) => kind === 'ClusterRole' || kind === 'Role';
  const granted = objects.filter((object) => isRole(object) && bound.has(object.metadata.name));
  const kinds = ['CustomResourceDefinition', 'Service', 'PodDisruptionBudget', 'ClusterRole'];
  const installed = objects.filter((object) => kinds.includes(object.kind) && !granted.includes(object));
  return { installed, granted };
}

function clusterServiceVersion(
  objects: readonly KubeObject[],
  granted: readonly KubeObject[],
  example: object,
  { image, version, source }: Release,
): KubeObject {
  const modes = ['OwnNamespace', 'SingleNamespace', 'MultiNamespace', 'AllNamespaces'];
  const rulesOf = (kind: string) =>
    granted
      .filter((role) => role.kind === kind)
      .map((role) => ({ serviceAccountName: PACKAGE, rules: (role as unknown as Role).rules }));
  return {
    apiVersion: 'operators.coreos.com/v1alpha1',
    kind: 'ClusterServiceVersion',
    metadata: {
      name: `${PACKAGE}.v${version}`,
      annotations: {
        'alm-examples': JSON.stringify([example]),
        capabilities: 'Deep Insights',
        categories: 'Developer Tools',
        containerImage: `${image}:${version}`,
        description: DESCRIPTION,
        repository: source,
      },
    },
    spec: {
      displayName: 'PCF operator',
      description: LONG_DESCRIPTION,
      version,
      minKubeVersion: '1.30.0',
      maturity: 'alpha',
      provider: { name: 'PCF' },
      keywords: ['canary', 'blue-green', 'migrations', 'graphql', 'delivery'],
      links: [{ name: 'Source', url: source }],
      installModes: modes.map((type) => ({ type, supported: type === 'AllNamespaces' })),
      customresourcedefinitions: { owned: objects.flatMap(ownedOf) },
      install: {
        strategy: 'deployment',
        spec: {
          deployments: objects.flatMap((object) => deploymentOf(object, `${image}:${version}`)),
          clusterPermissions: rulesOf('ClusterRole'),
          permissions: rulesOf('Role'),
        },
      },
    },
  };
}

function ownedOf(object: KubeObject): object[] {
  if (object.kind !== 'CustomResourceDefinition') return [];
  const { names, versions } = object.spec as Definition;
  return versions.map(({ name: version, schema }) => ({
    name: object.metadata.name,
    kind: names.kind,
    version,
    displayName: names.kind,
    description: schema.openAPIV3Schema.description,
  }));
}

function deploymentOf({ kind, metadata, spec }: KubeObject, image: string): object[] {
  if (kind !== 'Deployment') return [];
  const { template, ...rest } = spec as Deployment;
  const containers = template.spec.containers.map((container) => ({ ...container, image }));
  const withImage = { ...rest, template: { ...template, spec: { ...template.spec, containers } } };
  return [{ name: metadata.name, label: metadata.labels, spec: withImage }];
}

/** OLM chooses the namespace. The policy against downgrades compares the version. */
function prepared(object: KubeObject, version: string): KubeObject {
  const { namespace: _, ...metadata } = object.metadata;
  const labels = { ...metadata.labels, 'app.kubernetes.io/version': version };
  return { ...object, metadata: { ...metadata, labels } };
}

function fileOf({ kind, metadata }: KubeObject): string {
  return `manifests/${metadata.name.replace(/[.]v\d.*/, '')}.${kind.toLowerCase()}.yaml`;
}

function metadata(): Record<string, string> {
  const prefix = 'operators.operatorframework.io.bundle';
  const annotations = {
    [`${prefix}.mediatype.v1`]: 'registry+v1',
    [`${prefix}.manifests.v1`]: 'manifests/',
    [`${prefix}.metadata.v1`]: 'metadata/',
    [`${prefix}.package.v1`]: PACKAGE,
    [`${prefix}.channels.v1`]: 'alpha',
    [`${prefix}.channel.default.v1`]: 'alpha',
  };
  const labels = Object.entries(annotations).map(([name, value]) => `LABEL ${name}=${value}`);
  const dockerfile = ['FROM scratch', ...labels, 'COPY manifests /manifests/', 'COPY metadata /metadata/'];
  return {
    'metadata/annotations.yaml': stringify({ annotations }),
    'bundle.Dockerfile': `${dockerfile.join('\n')}\n`,
  };
}

interface Binding {
  roleRef: { name: string };
}
interface Role {
  rules: object[];
}
interface Definition {
  names: { kind: string };
  versions: { name: string; schema: { openAPIV3Schema: { description?: string } } }[];
}
interface Deployment {
  template: { spec: { containers: { image: string }[] } };
}
