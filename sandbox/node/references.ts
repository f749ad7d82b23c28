/** Secrets and ConfigMaps that a pod references. */
import { isNotFound, type KubeClient, type ResourceType } from '../../operator/runtime/kube-client.js';

const core = (kind: string, plural: string): ResourceType => ({
  group: '',
  version: 'v1',
  kind,
  plural,
  namespaced: true,
});
const SecretKind = core('Secret', 'secrets');
const ConfigMapKind = core('ConfigMap', 'configmaps');

/** A reference to a missing object, which can be created later. The message is the one of the kubelet. */
export class MissingReference extends Error {}

export type Values = Readonly<Record<string, Buffer>>;
export type ReferenceKind = 'secret' | 'configmap';

/** Reads Secrets and ConfigMaps of one namespace, each at most once. */
export class References {
  private readonly known = new Map<string, Promise<Values>>();

  constructor(
    private readonly client: KubeClient,
    private readonly namespace: string,
  ) {}

  /** Throws {@link MissingReference} if it does not exist, unless it is optional. */
  all(kind: ReferenceKind, name: string, optional = false): Promise<Values> {
    const key = `${kind}/${name}`;
    const values = this.known.get(key) ?? this.read(kind, name);
    this.known.set(key, values);
    return optional ? values.catch(emptyIfMissing) : values;
  }

  /** A single value; undefined if it is missing and optional. */
  async one(
    kind: ReferenceKind,
    { name, key, optional = false }: { name: string; key: string; optional?: boolean },
  ): Promise<string | undefined> {
    const value = (await this.all(kind, name, optional))[key];
    if (!value && !optional)
      throw new MissingReference(`couldn't find key ${key} in ${kind} ${this.namespace}/${name}`);
    return value?.toString('utf8');
  }

  private async read(kind: ReferenceKind, name: string): Promise<Values> {
    const type = kind === 'secret' ? SecretKind : ConfigMapKind;
    const object = await this.client.get(type, this.namespace, name).catch((error: unknown) => {
      throw isNotFound(error) ? new MissingReference(`${kind} "${name}" not found`) : error;
    });
    const text = decode(object.data, kind === 'secret' ? 'base64' : 'utf8');
    return { ...text, ...decode(object.binaryData, 'base64') };
  }
}

function emptyIfMissing(error: unknown): Values {
  if (error instanceof MissingReference) return {};
  throw error;
}

function decode(data: unknown, encoding: BufferEncoding): Record<string, Buffer> {
  const entries = Object.entries((data ?? {}) as Record<string, string>);
  return Object.fromEntries(entries.map(([key, value]) => [key, Buffer.from(value, encoding)]));
}
