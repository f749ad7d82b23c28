/** The CRDs of Istio and Gateway API, so that what we write is checked by the real schemas. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
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
  /** YAML files in the Go module: a file, or a folder. */
  path: string;
  /** The same in the official release. */
  url: string;
}

const sources: Record<'istio' | 'gatewayApi', CrdSource> = {
  istio: {
    module: 'istio.io/api',
    version: VERSIONS.istioApi,
    path: 'kubernetes/customresourcedefinitions.gen.yaml',
    url: `https://raw.githubusercontent.com/istio/api/${VERSIONS.istioApi}/kubernetes/customresourcedefinitions.gen.yaml`,
  },
  gatewayApi: {
    module: 'sigs.k8s.io/gateway-api',
    version: VERSIONS.gatewayApi,
    path: 'config/crd/standard',
    url: `https://github.com/kubernetes-sigs/gateway-api/releases/download/${VERSIONS.gatewayApi}/standard-install.yaml`,
  },
};

/** The CustomResourceDefinitions of a project, from the cache, its Go module or its release. */
export async function customResourceDefinitions(name: keyof typeof sources): Promise<KubeObject[]> {
  const source = sources[name];
  const cached = join(cacheFolder(), 'crds', `${name}-${source.version}.yaml`);
  if (!existsSync(cached)) {
    const text = fromGoModule(source) ?? (await fetchBytes(source.url)).toString('utf8');
    mkdirSync(dirname(cached), { recursive: true });
    writeFileSync(`${cached}.${process.pid}`, text);
    renameSync(`${cached}.${process.pid}`, cached);
  }
  return parseAllDocuments(readFileSync(cached, 'utf8'))
    .map((document) => document.toJS() as KubeObject | null)
    .filter((object): object is KubeObject => object?.kind === 'CustomResourceDefinition');
}

function fromGoModule({ module, version, path }: CrdSource): string | undefined {
  try {
    const args = ['mod', 'download', '-json', `${module}@${version}`];
    const output = execFileSync('go', args, {
      encoding: 'utf8',
      cwd: tmpdir(),
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const target = join((JSON.parse(output) as { Dir: string }).Dir, path);
    const files = path.endsWith('.yaml')
      ? [target]
      : readdirSync(target)
          .filter((file) => file.endsWith('.yaml'))
          .map((file) => join(target, file));
    return files.map((file) => readFileSync(file, 'utf8')).join('\n---\n');
  } catch {
    return undefined; // no Go here: the release has the same
  }
}
