/** Volumes of a pod as local folders. */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fieldOf } from './environment.js';
import { MissingReference, type ReferenceKind, type References } from './references.js';
import type { Container, Pod, Volume } from './types.js';

/**
 * Container path -> local path. A process has no mount namespace, so values with container paths are
 * converted.
 */
export type PathMap = ReadonlyMap<string, string>;

/** Replaces the longest matching container path at the start of the value by its local path. */
export function translate(value: string, paths: PathMap): string {
  const byLength = [...paths.entries()].sort(([a], [b]) => b.length - a.length);
  const hit = byLength.find(([path]) => value === path || value.startsWith(`${path}/`));
  return hit ? hit[1] + value.slice(hit[0].length) : value;
}

/** Writes the volumes of the pod below `folder`, and returns the local path of each mount. */
export async function mountVolumes(
  pod: Pod,
  container: Container,
  folder: string,
  references: References,
  podIp: string,
): Promise<PathMap> {
  const paths = new Map<string, string>();
  for (const volume of pod.spec.volumes ?? []) {
    const mounts = (container.volumeMounts ?? []).filter(({ name }) => name === volume.name);
    if (mounts.length === 0) continue;
    const root = join(folder, 'volumes', volume.name);
    mkdirSync(root, { recursive: true });
    for (const [name, content] of await filesOf(volume, pod, references, podIp))
      put(join(root, name), content);
    for (const { mountPath, subPath } of mounts)
      paths.set(mountPath.replace(/(.)\/$/, '$1'), subPath ? join(root, subPath) : root);
  }
  return paths;
}

/** Whether a pod has files that can change while it runs. */
export function hasLiveVolumes({ spec }: Pod): boolean {
  return (spec.volumes ?? []).some(
    ({ secret, projected }) => secret !== undefined || projected !== undefined,
  );
}

/** Updates changed files, like the kubelet. Files of deleted objects are kept. */
export async function refreshVolumes(
  pod: Pod,
  folder: string,
  references: References,
  podIp: string,
): Promise<void> {
  for (const volume of pod.spec.volumes ?? []) {
    const root = join(folder, 'volumes', volume.name);
    if (!existsSync(root)) continue;
    const files = await filesOf(volume, pod, references, podIp).catch((error: unknown): Files => {
      if (error instanceof MissingReference) return [];
      throw error;
    });
    for (const [name, content] of files) {
      const path = join(root, name);
      if (!existsSync(path) || !Buffer.from(content).equals(readFileSync(path))) put(path, content);
    }
  }
}

/** Atomically: readers get the old or the new content. */
function put(path: string, content: Buffer | string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(`${path}.new`, content, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

type Files = [name: string, content: Buffer | string][];

async function filesOf(volume: Volume, pod: Pod, references: References, podIp: string): Promise<Files> {
  const { configMap, secret, downwardAPI, projected } = volume;
  const sources = [
    ...(configMap ? [{ configMap }] : []),
    ...(secret ? [{ secret: { ...secret, name: secret.secretName } }] : []),
    ...(downwardAPI ? [{ downwardAPI }] : []),
    ...(projected?.sources ?? []),
  ] as NonNullable<NonNullable<Volume['projected']>['sources']>;
  const files = await Promise.all(
    sources.map(async (source): Promise<Files> => {
      if (source.configMap) return chosen('configmap', source.configMap, references);
      if (source.secret) return chosen('secret', source.secret, references);
      const items = source.downwardAPI?.items ?? [];
      return items.map(({ path, fieldRef }) => [path, fieldOf(pod, fieldRef?.fieldPath ?? '', podIp)]);
    }),
  );
  return files.flat();
}

async function chosen(
  kind: ReferenceKind,
  ref: { name: string; optional?: boolean; items?: { key: string; path: string }[] },
  references: References,
): Promise<Files> {
  const values = await references.all(kind, ref.name, ref.optional);
  if (!ref.items) return Object.entries(values);
  return ref.items.flatMap(({ key, path }): Files => {
    const value = values[key];
    if (value) return [[path, value]];
    if (ref.optional) return [];
    throw new MissingReference(`references non-existent ${kind} key: ${key}`);
  });
}
