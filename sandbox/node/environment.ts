/** Environment, arguments and volumes of a container, as local paths and plain values. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { KubeClient, KubeObject, ResourceType } from '../../operator/runtime/kube-client.js';
import type { Container, EnvVar, Pod } from './types.js';

const SecretKind: ResourceType = {
  group: '',
  version: 'v1',
  kind: 'Secret',
  plural: 'secrets',
  namespaced: true,
};
const ConfigMapKind: ResourceType = {
  group: '',
  version: 'v1',
  kind: 'ConfigMap',
  plural: 'configmaps',
  namespaced: true,
};

/** Reads Secrets and ConfigMaps of one pod; each at most once. */
export class References {
  private readonly cache = new Map<string, Promise<Record<string, string>>>();

  constructor(
    private readonly client: KubeClient,
    private readonly namespace: string,
  ) {}

  secret(name: string): Promise<Record<string, string>> {
    return this.read(SecretKind, name, (object) =>
      mapValues((object.data ?? {}) as Record<string, string>, (value) =>
        Buffer.from(value, 'base64').toString('utf8'),
      ),
    );
  }

  configMap(name: string): Promise<Record<string, string>> {
    return this.read(ConfigMapKind, name, (object) => (object.data ?? {}) as Record<string, string>);
  }

  private read(type: ResourceType, name: string, values: (object: KubeObject) => Record<string, string>) {
    const key = `${type.kind}/${name}`;
    const known = this.cache.get(key) ?? this.client.get(type, this.namespace, name).then(values);
    this.cache.set(key, known);
    return known;
  }
}

/** Container path -> local path. A process has no mount namespace, so values that name one are translated. */
export type PathMap = ReadonlyMap<string, string>;

export function translate(value: string, paths: PathMap): string {
  const byLength = [...paths.entries()].sort(([a], [b]) => b.length - a.length);
  const hit = byLength.find(([path]) => value === path || value.startsWith(`${path}/`));
  return hit ? hit[1] + value.slice(hit[0].length) : value;
}

/** Writes the pod's volumes to disk and returns where each mount of the container is. */
export async function mountVolumes(
  pod: Pod,
  container: Container,
  folder: string,
  references: References,
): Promise<PathMap> {
  const paths = new Map<string, string>();
  for (const volume of pod.spec.volumes ?? []) {
    const path = join(folder, 'volumes', volume.name);
    mkdirSync(path, { recursive: true });
    const files = volume.configMap
      ? await references.configMap(volume.configMap.name)
      : volume.secret
        ? await references.secret(volume.secret.secretName)
        : {};
    for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text, { mode: 0o600 });
    for (const mount of container.volumeMounts ?? []) {
      if (mount.name === volume.name) paths.set(mount.mountPath, path);
    }
  }
  return paths;
}

/** The variables of a container. Throws what the kubelet would say of a missing Secret or key. */
export async function environment(pod: Pod, container: Container, references: References, podIp: string) {
  const env: Record<string, string> = {};
  for (const { configMapRef, secretRef } of container.envFrom ?? []) {
    if (configMapRef) Object.assign(env, await references.configMap(configMapRef.name));
    if (secretRef) Object.assign(env, await references.secret(secretRef.name));
  }
  for (const variable of container.env ?? []) {
    const value = await resolveValue(variable, pod, references, podIp);
    if (value !== undefined) env[variable.name] = expand(value, env);
  }
  return env;
}

async function resolveValue(
  variable: EnvVar,
  pod: Pod,
  references: References,
  podIp: string,
): Promise<string | undefined> {
  const from = variable.valueFrom;
  if (!from) return variable.value ?? '';
  if (from.fieldRef) return field(pod, from.fieldRef.fieldPath, podIp);
  if (from.secretKeyRef) return keyOf('secret', from.secretKeyRef, (name) => references.secret(name));
  if (from.configMapKeyRef)
    return keyOf('configmap', from.configMapKeyRef, (name) => references.configMap(name));
  return undefined;
}

async function keyOf(
  kind: string,
  ref: { name: string; key: string; optional?: boolean },
  read: (name: string) => Promise<Record<string, string>>,
): Promise<string | undefined> {
  const values = ref.optional
    ? await read(ref.name).catch(() => ({}) as Record<string, string>)
    : await read(ref.name);
  const value = values[ref.key];
  if (value === undefined && !ref.optional)
    throw new Error(`couldn't find key ${ref.key} in ${kind} ${ref.name}`);
  return value;
}

function field(pod: Pod, path: string, podIp: string): string {
  const label = /^metadata\.(labels|annotations)\['(.+)'\]$/.exec(path);
  if (label) return pod.metadata[label[1] as 'labels' | 'annotations']?.[label[2]!] ?? '';
  const values: Record<string, string | undefined> = {
    'metadata.name': pod.metadata.name,
    'metadata.namespace': pod.metadata.namespace,
    'metadata.uid': pod.metadata.uid,
    'status.podIP': podIp,
    'spec.nodeName': pod.spec.nodeName,
  };
  return values[path] ?? '';
}

/** `$(NAME)` becomes the value of an earlier variable; `$$(NAME)` stays literal. */
export function expand(text: string, env: Record<string, string>): string {
  return text.replace(/\$?\$\(([A-Za-z_][A-Za-z0-9_]*)\)/g, (whole, name: string) =>
    whole.startsWith('$$') ? whole.slice(1) : (env[name] ?? whole),
  );
}

export function removeFolder(path: string): void {
  rmSync(path, { recursive: true, force: true });
}

function mapValues(record: Record<string, string>, map: (value: string) => string): Record<string, string> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]));
}
