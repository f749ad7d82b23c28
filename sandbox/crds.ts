/** CRDs of the kinds that the operator writes, so that their schemas validate the objects. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import type { KubeObject } from '../operator/runtime/kube-client.js';
import { fetchBytes } from './control-plane/download.js';
import { cacheFolder } from './process/cache-folder.js';
import { VERSIONS } from './versions.js';

interface CrdSource {
  module: string;
  version: string;
  /** YAML files in the Go module. */
  files: string[];
  /** The same files on GitHub: `owner/name/ref`, and the folder of the module. */
  mirror: string;
}

const sources = {
  istio: {
    module: 'istio.io/api',
    version: VERSIONS.istioApi,
    files: ['kubernetes/customresourcedefinitions.gen.yaml'],
    mirror: `istio/api/${VERSIONS.istioApi}`,
  },
  gatewayApi: {
    module: 'sigs.k8s.io/gateway-api',
    version: VERSIONS.gatewayApi,
    files: ['gatewayclasses', 'gateways', 'httproutes'].map(
      (name) => `config/crd/standard/gateway.networking.k8s.io_${name}.yaml`,
    ),
    mirror: `kubernetes-sigs/gateway-api/${VERSIONS.gatewayApi}`,
  },
  /** Separate entry, because older cache entries do not contain them. */
  gatewayApiPolicies: {
    module: 'sigs.k8s.io/gateway-api',
    version: VERSIONS.gatewayApi,
    files: ['referencegrants', 'backendtlspolicies'].map(
      (name) => `config/crd/standard/gateway.networking.k8s.io_${name}.yaml`,
    ),
    mirror: `kubernetes-sigs/gateway-api/${VERSIONS.gatewayApi}`,
  },
  verticalPodAutoscaler: {
    module: 'k8s.io/autoscaler/vertical-pod-autoscaler',
    version: VERSIONS.verticalPodAutoscaler,
    files: ['deploy/vpa-v1-crd-gen.yaml'],
    mirror: `kubernetes/autoscaler/vertical-pod-autoscaler/${VERSIONS.verticalPodAutoscaler}/vertical-pod-autoscaler`,
  },
  prometheusOperator: {
    module: 'github.com/prometheus-operator/prometheus-operator',
    version: VERSIONS.prometheusOperator,
    files: ['servicemonitors', 'prometheusrules'].map(
      (name) => `example/prometheus-operator-crd/monitoring.coreos.com_${name}.yaml`,
    ),
    mirror: `prometheus-operator/prometheus-operator/${VERSIONS.prometheusOperator}`,
  },
  certManager: {
    module: 'github.com/cert-manager/cert-manager',
    version: VERSIONS.certManager,
    files: ['deploy/crds/cert-manager.io_certificates.yaml'],
    mirror: `cert-manager/cert-manager/${VERSIONS.certManager}`,
  },
  externalSecrets: {
    module: 'github.com/external-secrets/external-secrets',
    version: VERSIONS.externalSecrets,
    files: ['config/crds/bases/external-secrets.io_externalsecrets.yaml'],
    mirror: `external-secrets/external-secrets/${VERSIONS.externalSecrets}`,
  },
  volumeSnapshots: {
    module: 'github.com/kubernetes-csi/external-snapshotter/client/v8',
    version: VERSIONS.volumeSnapshots,
    files: ['config/crd/snapshot.storage.k8s.io_volumesnapshots.yaml'],
    mirror: `kubernetes-csi/external-snapshotter/client/${VERSIONS.volumeSnapshots}/client`,
  },
  cloudNativePg: {
    module: 'github.com/cloudnative-pg/cloudnative-pg',
    version: VERSIONS.cloudNativePg,
    files: ['config/crd/bases/postgresql.cnpg.io_backups.yaml'],
    mirror: `cloudnative-pg/cloudnative-pg/${VERSIONS.cloudNativePg}`,
  },
  /** For `npm run test:real gitops`. The versions of the programs are in test/real/parts. */
  argoCd: {
    module: 'github.com/argoproj/argo-cd/v3',
    version: VERSIONS.argoCd,
    files: ['application', 'appproject'].map((name) => `manifests/crds/${name}-crd.yaml`),
    mirror: `argoproj/argo-cd/${VERSIONS.argoCd}`,
  },
  /** Large, and only needed to validate samples of stores. */
  externalSecretStores: {
    module: 'github.com/external-secrets/external-secrets',
    version: VERSIONS.externalSecrets,
    files: ['config/crds/bases/external-secrets.io_secretstores.yaml'],
    mirror: `external-secrets/external-secrets/${VERSIONS.externalSecrets}`,
  },
} satisfies Record<string, CrdSource>;

export type Project = keyof typeof sources;

/** CustomResourceDefinitions of a project, from the cache, its Go module or its release. */
export async function customResourceDefinitions(name: Project): Promise<KubeObject[]> {
  const source = sources[name];
  const cached = join(cacheFolder(), 'crds', `${name}-${source.version}.yaml`);
  if (!existsSync(cached)) {
    const text = fromGoModule(source) ?? (await fromMirror(source));
    mkdirSync(dirname(cached), { recursive: true });
    writeFileSync(`${cached}.${process.pid}`, text);
    renameSync(`${cached}.${process.pid}`, cached);
  }
  return parseAllDocuments(readFileSync(cached, 'utf8'))
    .map((document) => document.toJS() as KubeObject | null)
    .filter((object): object is KubeObject => object?.kind === 'CustomResourceDefinition');
}

function fromGoModule(source: CrdSource): string | undefined {
  try {
    const args = ['mod', 'download', '-json', `${source.module}@${source.version}`];
    const output = execFileSync('go', args, {
      encoding: 'utf8',
      cwd: tmpdir(),
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const { Dir } = JSON.parse(output) as { Dir: string };
    return source.files.map((file) => readFileSync(join(Dir, file), 'utf8')).join('\n---\n');
  } catch {
    return undefined; // Go is not installed: the repository of the project has the same files
  }
}

async function fromMirror({ mirror, files }: CrdSource): Promise<string> {
  const texts = await Promise.all(
    files.map((file) => fetchBytes(`https://raw.githubusercontent.com/${mirror}/${file}`)),
  );
  return texts.map((bytes) => bytes.toString('utf8')).join('\n---\n');
}
