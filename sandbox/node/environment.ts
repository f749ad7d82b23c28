/** Environment of a container with resolved values. */
import type { References } from './references.js';
import type { Container, EnvVar, Pod } from './types.js';

/** Environment variables of a container. Throws MissingReference for a missing Secret, ConfigMap or key. */
export async function environment(
  pod: Pod,
  container: Container,
  references: References,
  podIp: string,
): Promise<Record<string, string>> {
  const env: Record<string, string> = {};
  for (const { prefix = '', configMapRef, secretRef } of container.envFrom ?? []) {
    const values = {
      ...(configMapRef && (await references.all('configmap', configMapRef.name, configMapRef.optional))),
      ...(secretRef && (await references.all('secret', secretRef.name, secretRef.optional))),
    };
    for (const [name, value] of Object.entries(values)) env[prefix + name] = value.toString('utf8');
  }
  for (const variable of container.env ?? []) {
    const value = await resolveVariable(variable, pod, references, podIp);
    if (value === undefined) continue;
    // Only literal values are expanded.
    env[variable.name] = variable.valueFrom ? value : expand(value, env);
  }
  return env;
}

async function resolveVariable(
  { value, valueFrom: from }: EnvVar,
  pod: Pod,
  references: References,
  podIp: string,
): Promise<string | undefined> {
  if (from?.fieldRef) return fieldOf(pod, from.fieldRef.fieldPath, podIp);
  if (from?.secretKeyRef) return references.one('secret', from.secretKeyRef);
  if (from?.configMapKeyRef) return references.one('configmap', from.configMapKeyRef);
  return from ? undefined : (value ?? '');
}

/** A field of the downward API; empty if the pod does not have it. */
export function fieldOf(pod: Pod, path: string, podIp: string): string {
  const one = /^metadata\.(labels|annotations)\['(.+)'\]$/.exec(path);
  if (one) return pod.metadata[one[1] as 'labels' | 'annotations']?.[one[2]!] ?? '';
  const lines = (record: Record<string, string> = {}) =>
    Object.entries(record)
      .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
      .join('\n');
  const values: Record<string, string | undefined> = {
    'metadata.name': pod.metadata.name,
    'metadata.namespace': pod.metadata.namespace,
    'metadata.uid': pod.metadata.uid,
    'metadata.labels': lines(pod.metadata.labels),
    'metadata.annotations': lines(pod.metadata.annotations),
    'spec.nodeName': pod.spec.nodeName,
    'spec.serviceAccountName': pod.spec.serviceAccountName,
    'status.hostIP': '127.0.0.1',
    'status.podIP': podIp,
    'status.podIPs': podIp,
  };
  return values[path] ?? '';
}

/** `$(NAME)` is replaced by an earlier variable; `$$(NAME)` is literal. */
export function expand(text: string, env: Readonly<Record<string, string>>): string {
  return text.replace(/\$?\$\(([A-Za-z_][A-Za-z0-9_.-]*)\)/g, (whole, name: string) =>
    whole.startsWith('$$') ? whole.slice(1) : (env[name] ?? whole),
  );
}
